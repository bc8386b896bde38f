"""OCPP 1.6: tables of what is said and what is understood."""

from typing import Any

import pytest

from controller.charging.commands import (
    Outcome,
    Reset,
    ResetKind,
    Result,
    SetAvailability,
    StartRemotely,
    UnlockConnector,
)
from controller.charging.records import StopReason
from controller.charging.tokens import BilledBy, Token, TokenInfo, TokenStatus
from controller.charging.view import EvseStatus
from controller.csms.dialect import BootReason, EntryReply, Message, Registration
from controller.csms.ocpp16 import encode
from controller.csms.ocpp16.decode import decode
from controller.csms.ocpp16.status import status_of
from controller.csms.requests import (
    Asked,
    EmptyCache,
    Ids,
    ListResult,
    ListVersion,
    Present,
    ReadVariables,
    RefusalError,
    StopByRemoteId,
    Told,
    Trigger,
    UpdateList,
    Wanted,
    WriteVariables,
)
from controller.csms.rpc import Fault, Payload
from controller.csms.schemas import Kind, Version, known, validate
from controller.csms.table import ENERGY
from controller.csms.variables import find
from drivers.api import EvState
from tests.csms.bench import evse_view, transaction_view
from tests.csms.messages import AT, DC_METER, TOKEN, answer_fits, ended, fits, setting, started, updated

V16 = Version.V16
IDS = Ids(("A1", "A2"))


def test_boot_fits_and_its_answer_is_read() -> None:
    payload = fits(V16, encode.boot(BootReason.POWER_UP, "1.2.3" * 20, "CP" * 20))
    assert payload["chargePointSerialNumber"] == ("CP" * 20)[:25]
    answer = encode.boot_answer({"status": "Pending", "currentTime": "2026-11-23T12:00:00Z", "interval": 7})
    assert answer is not None
    assert (answer.registration, answer.interval_s, answer.time) == (Registration.PENDING, 7, AT)
    assert encode.boot_answer({"status": "Perhaps"}) is None
    odd = encode.boot_answer({"status": "Accepted", "currentTime": "noon", "interval": -3})
    assert odd is not None
    assert (odd.interval_s, odd.time) == (0, None)


def test_a_start_carries_the_raw_register() -> None:
    message = encode.entry(started(), setting())
    assert message is not None
    assert message.action == "StartTransaction"
    assert fits(V16, message) == {
        "connectorId": 2,
        "idTag": "04A1B2C3D4E5F6",
        "meterStart": 12345,
        "timestamp": "2026-11-23T12:00:00.000Z",
    }


def test_meter_values_name_each_phase_and_the_transaction() -> None:
    payload = fits(V16, encode.entry(updated(), setting()))
    assert payload["transactionId"] == 5
    sampled = payload["meterValue"][0]["sampledValue"]
    told = [(each["measurand"], each.get("phase"), each["value"], each["unit"]) for each in sampled]
    assert told == [
        ("Energy.Active.Import.Register", None, "12345", "Wh"),
        ("Power.Active.Import", None, "11040", "W"),
        ("Current.Import", "L1", "16.0", "A"),
        ("Current.Import", "L2", "15.9", "A"),
        ("Current.Import", "L3", "16.032", "A"),
        ("Current.Offered", None, "16.0", "A"),
    ]
    assert {each["context"] for each in sampled} == {"Sample.Periodic"}


def test_r9_a_dc_outlet_tells_power_and_charge_and_no_currents_of_its_input() -> None:
    sampled = fits(V16, encode.entry(updated(meter=DC_METER), setting()))["meterValue"][0]["sampledValue"]
    told = [(each["measurand"], each["value"], each["unit"], each["location"]) for each in sampled]
    assert told == [
        ("Energy.Active.Import.Register", "12345", "Wh", "Outlet"),
        ("Power.Active.Import", "41200", "W", "Outlet"),
        ("Power.Offered", "60000", "W", "Outlet"),
        ("SoC", "57", "Percent", "EV"),
    ]


def test_an_update_without_a_value_is_no_message() -> None:
    assert encode.entry(updated(meter=None), setting()) is None


@pytest.mark.parametrize(("remote_id", "number"), [("0", 0), ("-7", -7), ("5", 5), (None, -1)])
def test_errata_3_18_and_3_54_any_integer_is_an_id_and_minus_one_stands_for_none(
    remote_id: str | None, number: int
) -> None:
    for entry in (updated(), ended()):
        assert fits(V16, encode.entry(entry, setting(remote_id=remote_id)))["transactionId"] == number


@pytest.mark.parametrize("reason", list(StopReason))
def test_every_reason_has_a_word_in_16(reason: StopReason) -> None:
    payload = fits(V16, encode.entry(ended(reason=reason), setting()))
    assert payload["reason"]


def test_tc_015_tc_016_hard_and_soft_reset_have_their_own_reasons() -> None:
    reasons = (StopReason.IMMEDIATE_RESET, StopReason.REBOOT)
    told = [fits(V16, encode.entry(ended(reason=reason), setting()))["reason"] for reason in reasons]
    assert told == ["HardReset", "SoftReset"]


def test_a_stop_names_the_card_only_if_one_stopped_it() -> None:
    payload = fits(V16, encode.entry(ended(), setting()))
    assert (payload["idTag"], payload["meterStop"], payload["reason"]) == ("04A1B2C3D4E5F6", 12345, "Local")
    assert payload["transactionData"][0]["sampledValue"][0]["context"] == "Transaction.End"
    assert "idTag" not in fits(V16, encode.entry(ended(token=None), setting()))


def test_measurands_that_are_not_configured_are_left_out() -> None:
    only = (frozenset[str](), frozenset({ENERGY}), frozenset[str]())
    sampled = fits(V16, encode.entry(updated(), setting(measurands=only)))["meterValue"][0]["sampledValue"]
    assert [each["measurand"] for each in sampled] == [ENERGY]
    assert "transactionData" not in fits(V16, encode.entry(ended(), setting(measurands=only)))


def test_r21_an_id_tag_has_at_most_20_characters() -> None:
    long = Token("x" * 21, "x" * 21)
    assert encode.authorize(long) is None
    assert fits(V16, encode.authorize(Token("x" * 20, "x" * 20))) == {"idTag": "x" * 20}
    assert len(fits(V16, encode.entry(started(token=long), setting()))["idTag"]) == 20


def test_replies_are_read_as_far_as_they_can_be_believed() -> None:
    info = {"status": "Blocked", "parentIdTag": "G1", "expiryDate": "2026-11-23T12:00:00Z"}
    uid = TOKEN.uid
    reply = encode.entry_reply(started(), {"transactionId": -3, "idTagInfo": info})
    assert reply == EntryReply("-3", TokenInfo(uid, TokenStatus.BLOCKED, "G1", AT))
    assert encode.entry_reply(started(), {}) == EntryReply()
    odd: Payload = {"transactionId": "5", "idTagInfo": {"status": "Maybe"}}
    assert encode.entry_reply(started(), odd) == EntryReply()
    odd = {"transactionId": True, "idTagInfo": {"status": "Accepted", "expiryDate": "0001-01-01T00:00:00+23:59"}}
    assert encode.entry_reply(started(), odd) == EntryReply(None, TokenInfo(uid, TokenStatus.ACCEPTED))
    assert encode.entry_reply(ended(), {"idTagInfo": info}).info is not None
    assert encode.entry_reply(ended(token=None), {"idTagInfo": info}) == EntryReply()


S = EvseStatus


@pytest.mark.parametrize(
    ("status", "offered_ma", "transaction", "expected"),
    [
        (S.AVAILABLE, 0, False, "Available"),
        (S.WAITING, 0, False, "Preparing"),
        (S.PLUGGED, 0, False, "Preparing"),
        (S.AUTHORISING, 0, False, "Preparing"),
        (S.STARTING, 0, False, "Preparing"),
        (S.STARTING, 0, True, "SuspendedEVSE"),
        (S.STARTING, 6000, True, "SuspendedEV"),
        (S.CHARGING, 16000, True, "Charging"),
        (S.SUSPENDED_EV, 16000, True, "SuspendedEV"),
        (S.SUSPENDED_EVSE, 0, True, "SuspendedEVSE"),
        (S.SUSPENDED_EV, 0, True, "SuspendedEVSE"),
        (S.FINISHING, 0, False, "Finishing"),
        (S.UNAVAILABLE, 0, False, "Unavailable"),
        (S.FAULTED, 0, False, "Faulted"),
        (S.UNREACHABLE, 0, False, "Faulted"),
    ],
)
def test_r22_status_of_a_connector(status: EvseStatus, offered_ma: int, transaction: bool, expected: str) -> None:
    running = transaction_view("t") if transaction else None
    view = evse_view("A1", status=status, offered_ma=offered_ma, transaction=running, ev_state=EvState.B)
    assert status_of(view) == expected
    payload = fits(V16, encode.status(1, view, AT))
    assert (payload["errorCode"] == "NoError") == (expected != "Faulted")


def test_status_of_the_station_and_triggered_values_fit() -> None:
    assert fits(V16, encode.whole_status(False, AT))["connectorId"] == 0
    assert "transactionId" not in fits(V16, encode.samples(1, evse_view("A1"), AT))
    assert encode.samples(1, evse_view("A1", energy_wh=None, power_w=None), AT) is None


OUTCOMES = [Outcome(result) for result in Result]


@pytest.mark.parametrize(
    ("action", "payload", "command", "words"),
    [
        (
            "RemoteStartTransaction",
            {"connectorId": 2, "idTag": "abc"},
            StartRemotely(Token("ABC", "abc", billed_by=BilledBy.CSMS), "A2"),
            ["Accepted", "Accepted", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "RemoteStartTransaction",
            {"idTag": "ABC"},
            StartRemotely(Token("ABC", "ABC", billed_by=BilledBy.CSMS), None),
            ["Accepted", "Accepted", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "Reset",
            {"type": "Soft"},
            Reset(ResetKind.SOFT, ("A1", "A2")),
            ["Accepted", "Accepted", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "Reset",
            {"type": "Hard"},
            Reset(ResetKind.IMMEDIATE, ("A1", "A2")),
            ["Accepted", "Accepted", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "ChangeAvailability",
            {"connectorId": 0, "type": "Inoperative"},
            SetAvailability(("A1", "A2"), operative=False),
            ["Accepted", "Scheduled", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "ChangeAvailability",
            {"connectorId": 1, "type": "Operative"},
            SetAvailability(("A1",), operative=True),
            ["Accepted", "Scheduled", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "UnlockConnector",
            {"connectorId": 1},
            UnlockConnector("A1"),
            ["Unlocked", "Unlocked", "NotSupported", "NotSupported", "UnlockFailed"],
        ),
    ],
)
def test_commands_are_decoded_and_every_outcome_has_a_word(
    action: str, payload: dict[str, Any], command: object, words: list[str]
) -> None:
    request = decode(action, payload, IDS)
    assert isinstance(request, Asked)
    assert request.command == command
    assert [answer_fits(V16, action, request.answer(outcome))["status"] for outcome in OUTCOMES] == words


@pytest.mark.parametrize(
    ("action", "payload", "status"),
    [
        ("RemoteStartTransaction", {"connectorId": 3, "idTag": "A"}, "Rejected"),
        ("RemoteStartTransaction", {"connectorId": 0, "idTag": "A"}, "Rejected"),
        ("RemoteStartTransaction", {"idTag": ""}, "Rejected"),
        ("ChangeAvailability", {"connectorId": 3, "type": "Operative"}, "Rejected"),
        ("ChangeAvailability", {"connectorId": -1, "type": "Operative"}, "Rejected"),
        ("UnlockConnector", {"connectorId": 0}, "NotSupported"),
        ("ChangeConfiguration", {"key": "Nonsense", "value": "1"}, "NotSupported"),
        ("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"}, "NotImplemented"),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 9}, "Rejected"),
        ("DataTransfer", {"vendorId": "x"}, "UnknownVendorId"),
    ],
)
def test_what_needs_no_site_is_answered_at_once(action: str, payload: dict[str, Any], status: str) -> None:
    request = decode(action, payload, IDS)
    assert isinstance(request, Told)
    assert answer_fits(V16, action, request.payload) == {"status": status}


def test_a_remote_stop_keeps_the_sign_of_its_id() -> None:
    request = decode("RemoteStopTransaction", {"transactionId": -4}, IDS)
    assert isinstance(request, StopByRemoteId)
    assert request.remote_id == "-4"


def test_get_configuration_knows_keys_unknown_keys_and_secrets() -> None:
    present = Present({"OCPPCommCtrlr.HeartbeatInterval": "77"}, (), "1")
    request = decode("GetConfiguration", {"key": ["HeartbeatInterval", "Nope", "AuthorizationKey"]}, IDS)
    assert isinstance(request, ReadVariables)
    payload = answer_fits(V16, "GetConfiguration", request.answer(present))
    assert payload == {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "77"},
            {"key": "AuthorizationKey", "readonly": False},
        ],
        "unknownKey": ["Nope"],
    }
    everything = decode("GetConfiguration", {}, IDS)
    assert isinstance(everything, ReadVariables)
    keys = [
        each["key"] for each in answer_fits(V16, "GetConfiguration", everything.answer(present))["configurationKey"]
    ]
    assert "NumberOfConnectors" in keys
    assert "AuthorizationKey" not in keys


def test_change_configuration_is_an_assignment() -> None:
    request = decode("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "5"}, IDS)
    assert isinstance(request, WriteVariables)
    assert request.assignments == (("HeartbeatInterval", "5"),)
    variable = find("HeartbeatInterval")
    assert variable is not None
    assert answer_fits(V16, "ChangeConfiguration", request.answer([variable])) == {"status": "Accepted"}


def test_triggers_name_their_connectors() -> None:
    request = decode("TriggerMessage", {"requestedMessage": "StatusNotification"}, IDS)
    assert isinstance(request, Trigger)
    assert (request.wanted, request.evses) == (Wanted.STATUS, ("A1", "A2"))
    request = decode("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 2}, IDS)
    assert isinstance(request, Trigger)
    assert (request.wanted, request.evses) == (Wanted.METER_VALUES, ("A2",))
    assert answer_fits(V16, "TriggerMessage", request.answer(True)) == {"status": "Accepted"}


def test_a_local_list_is_decoded_with_what_it_removes() -> None:
    items = [{"idTag": "aa", "idTagInfo": {"status": "Accepted", "parentIdTag": "G"}}, {"idTag": "bb"}]
    payload = {"listVersion": 4, "localAuthorizationList": items, "updateType": "Differential"}
    request = decode("SendLocalList", payload, IDS)
    assert isinstance(request, UpdateList)
    assert request.infos == (TokenInfo("AA", TokenStatus.ACCEPTED, "G"),)
    assert (request.version, request.full, request.removed) == (4, False, ("BB",))
    for result in ListResult:
        answer_fits(V16, "SendLocalList", request.answer(result))
    version = decode("GetLocalListVersion", {}, IDS)
    assert isinstance(version, ListVersion)
    assert answer_fits(V16, "GetLocalListVersion", version.answer(4)) == {"listVersion": 4}
    cache = decode("ClearCache", {}, IDS)
    assert isinstance(cache, EmptyCache)
    assert answer_fits(V16, "ClearCache", cache.answer(False)) == {"status": "Rejected"}


@pytest.mark.parametrize(
    "action", ["CancelReservation", "ReserveNow", "GetDiagnostics", "UpdateFirmware", "GetLog", "Heartbeat"]
)
def test_a_known_action_that_is_not_ours_is_not_supported(action: str) -> None:
    assert known(V16, action)
    with pytest.raises(RefusalError) as refused:
        decode(action, {}, IDS)
    assert refused.value.fault is Fault.NOT_SUPPORTED


def test_heartbeat_fits() -> None:
    assert validate(V16, "Heartbeat", Kind.REQUEST, Message("Heartbeat", {}).payload) is None
