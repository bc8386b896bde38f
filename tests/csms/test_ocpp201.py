"""OCPP 2.0.1: tables of what is said and what is understood."""

from dataclasses import replace
from typing import Any

import pytest

from controller.charging.commands import (
    Outcome,
    Reset,
    ResetKind,
    Result,
    SetAvailability,
    StartRemotely,
    StopRemotely,
    UnlockConnector,
)
from controller.charging.records import ChargingState, Entry, StopReason, Trigger
from controller.charging.tokens import BilledBy, Token, TokenInfo, TokenStatus
from controller.charging.view import DcView, EvseStatus
from controller.csms.dialect import BootReason, EntryReply
from controller.csms.ocpp2 import encode
from controller.csms.ocpp2.decode import decode
from controller.csms.ocpp2.status import status_of
from controller.csms.requests import (
    Asked,
    Ids,
    ListResult,
    Present,
    ReadVariables,
    RefusalError,
    SendReport,
    Told,
    TransactionStatus,
    UpdateList,
    Wanted,
    WriteVariables,
)
from controller.csms.requests import Trigger as TriggerRequest
from controller.csms.rpc import Fault, Payload
from controller.csms.schemas import Kind, Version, known, validate
from controller.csms.table import ENERGY, TABLE, Access
from controller.csms.variables import VariableError, find
from drivers.api import EvState
from tests.csms.bench import evse_view
from tests.csms.messages import AT, DC_METER, KEY, TOKEN, answer_fits, ended, fits, setting, started, updated

V201 = Version.V201
IDS = Ids(("A1", "A2"))
PRESENT = Present({v.name: v.default for v in TABLE}, (evse_view("A1"), None), "1.2.3")


@pytest.mark.parametrize("reason", list(BootReason))
def test_b01_fr_09_boot_tells_its_reason(reason: BootReason) -> None:
    assert fits(V201, encode.boot(reason, "1.2.3", "CP-7"))["reason"] == reason.value


def test_e02_a_started_event() -> None:
    payload = fits(V201, encode.entry(started(remote_start_id=9), setting(offline=True)))
    sampled = payload.pop("meterValue")[0]["sampledValue"]
    assert payload == {
        "eventType": "Started",
        "timestamp": "2026-11-23T12:00:00.000Z",
        "triggerReason": "Authorized",
        "seqNo": 0,
        "offline": True,
        "transactionInfo": {"transactionId": KEY, "chargingState": "EVConnected", "remoteStartId": 9},
        "evse": {"id": 2, "connectorId": 1},
        "idToken": {"idToken": "04A1B2C3D4E5F6", "type": "ISO14443"},
    }
    told = [
        (each["measurand"], each.get("phase"), each["value"], each["unitOfMeasure"]["unit"]) for each in sampled
    ]
    assert told == [
        ("Energy.Active.Import.Register", None, 12345, "Wh"),
        ("Power.Active.Import", None, 11040, "W"),
        ("Current.Import", "L1", 16.0, "A"),
        ("Current.Import", "L2", 15.9, "A"),
        ("Current.Import", "L3", 16.032, "A"),
        ("Current.Offered", None, 16.0, "A"),
    ]


def test_r9_a_dc_outlet_tells_power_and_charge_and_no_currents_of_its_input() -> None:
    sampled = fits(V201, encode.entry(updated(meter=DC_METER), setting()))["meterValue"][0]["sampledValue"]
    told = [(each["measurand"], each["value"], each["unitOfMeasure"]["unit"], each["location"]) for each in sampled]
    assert told == [
        ("Energy.Active.Import.Register", 12345, "Wh", "Outlet"),
        ("Power.Active.Import", 41200, "W", "Outlet"),
        ("Power.Offered", 60000, "W", "Outlet"),
        ("SoC", 57, "Percent", "EV"),
    ]


@pytest.mark.parametrize(
    ("variable", "value"), [("ConnectorType", "cCCS2"), ("SupplyPhases", "0"), ("AvailabilityState", "Available")]
)
def test_r9_a_dc_outlet_is_a_ccs_connector_without_phases(variable: str, value: str) -> None:
    view = replace(evse_view("DC1"), dc=DcView(0, None, ("stack-1",)))
    item = _item("Connector", variable, component={"evse": {"id": 1, "connectorId": 1}})
    request = decode("GetVariables", {"getVariableData": [item]}, IDS)
    assert isinstance(request, ReadVariables)
    told = request.answer(replace(PRESENT, evses=(view, None)))
    assert answer_fits(V201, "GetVariables", told)["getVariableResult"][0]["attributeValue"] == value


@pytest.mark.parametrize("trigger", list(Trigger))
@pytest.mark.parametrize("state", list(ChargingState))
def test_every_trigger_and_state_fits(trigger: Trigger, state: ChargingState) -> None:
    payload = fits(V201, encode.entry(updated(trigger=trigger, state=state, meter=None), setting()))
    assert payload["transactionInfo"] == {"transactionId": KEY, "chargingState": state.value}
    assert "meterValue" not in payload
    assert "idToken" not in payload


@pytest.mark.parametrize("reason", list(StopReason))
def test_an_ended_event_tells_why_and_who(reason: StopReason) -> None:
    payload = fits(V201, encode.entry(ended(reason=reason), setting()))
    expected = "Remote" if reason is StopReason.UNLOCK_COMMAND else reason.value
    assert payload["transactionInfo"]["stoppedReason"] == expected
    assert payload["idToken"]["idToken"] == TOKEN.shown
    assert "idToken" not in fits(V201, encode.entry(ended(token=None), setting()))


def test_an_estimated_register_is_marked() -> None:
    assert "customData" not in fits(V201, encode.entry(ended(), setting()))
    assert fits(V201, encode.entry(ended(estimated=True), setting()))["customData"]["estimated"] is True


def test_measurands_are_those_of_the_event() -> None:
    none, energy = frozenset[str](), frozenset({ENERGY})
    table: list[tuple[Entry, tuple[frozenset[str], frozenset[str], frozenset[str]]]] = [
        (started(), (energy, none, none)),
        (updated(), (none, energy, none)),
        (ended(), (none, none, energy)),
    ]
    for entry, measurands in table:
        payload = fits(V201, encode.entry(entry, setting(measurands=measurands)))
        assert [each["measurand"] for each in payload["meterValue"][0]["sampledValue"]] == [ENERGY]
        assert "meterValue" not in fits(V201, encode.entry(entry, setting(measurands=(none, none, none))))


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (Token("04AA", "04AA"), {"idToken": "04AA", "type": "ISO14443"}),
        (Token("ABC", "abc", kind="Central"), {"idToken": "abc", "type": "Central"}),
        (Token("04AA", "SITE-1"), {"idToken": "SITE-1", "type": "Local"}),
        (Token("04AA", "04AA", kind="felica"), {"idToken": "04AA", "type": "Local"}),
    ],
)
def test_r20_the_csms_sees_the_alias_of_a_site_account(token: Token, told: dict[str, str]) -> None:
    assert fits(V201, encode.authorize(token))["idToken"] == told


def test_replies_are_read_as_far_as_they_can_be_believed() -> None:
    group = {"idToken": "G1", "type": "Central"}
    info = {"status": "ConcurrentTx", "groupIdToken": group, "cacheExpiryDateTime": "2026-11-23T12:00:00Z"}
    reply = encode.entry_reply(started(), {"idTokenInfo": info})
    assert reply == EntryReply(None, TokenInfo(TOKEN.uid, TokenStatus.CONCURRENT, "G1", AT))
    odds: list[Payload] = [
        {},
        {"idTokenInfo": []},
        {"idTokenInfo": {"status": 5}},
        {"idTokenInfo": {"status": ["x"]}},
    ]
    for odd in odds:
        assert encode.entry_reply(started(), odd) == EntryReply()
    assert encode.entry_reply(updated(), {"idTokenInfo": info}) == EntryReply()


S = EvseStatus


@pytest.mark.parametrize(
    ("status", "pilot", "expected"),
    [
        (S.AVAILABLE, EvState.A, "Available"),
        (S.WAITING, EvState.A, "Available"),
        (S.PLUGGED, EvState.B, "Occupied"),
        (S.AUTHORISING, EvState.A, "Available"),
        (S.AUTHORISING, EvState.B, "Occupied"),
        (S.AUTHORISING, None, "Available"),
        (S.STARTING, EvState.B, "Occupied"),
        (S.CHARGING, EvState.C, "Occupied"),
        (S.SUSPENDED_EV, EvState.B, "Occupied"),
        (S.SUSPENDED_EVSE, EvState.B, "Occupied"),
        (S.FINISHING, EvState.B, "Occupied"),
        (S.UNAVAILABLE, EvState.A, "Unavailable"),
        (S.FAULTED, None, "Faulted"),
        (S.UNREACHABLE, None, "Faulted"),
    ],
)
def test_g01_status_of_a_connector(status: EvseStatus, pilot: EvState | None, expected: str) -> None:
    view = evse_view("A1", status=status, ev_state=pilot)
    assert status_of(view) == expected
    assert fits(V201, encode.status(1, view, AT)) == {
        "timestamp": "2026-11-23T12:00:00.000Z",
        "connectorStatus": expected,
        "evseId": 1,
        "connectorId": 1,
    }


def test_triggered_values_fit() -> None:
    assert fits(V201, encode.samples(1, evse_view("A1"), AT))["evseId"] == 1
    assert encode.samples(1, evse_view("A1", energy_wh=None, power_w=None), AT) is None


OUTCOMES = [*(Outcome(result) for result in Result), Outcome(Result.REFUSED, transaction=KEY)]
REMOTE = {"idToken": {"idToken": "abc", "type": "Central"}, "remoteStartId": 9}
CENTRAL = Token("ABC", "abc", kind="Central", billed_by=BilledBy.CSMS)


@pytest.mark.parametrize(
    ("action", "payload", "command", "words"),
    [
        (
            "RequestStartTransaction",
            {**REMOTE, "evseId": 2},
            StartRemotely(CENTRAL, "A2", 9),
            ["Accepted", "Accepted", "Rejected", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "RequestStartTransaction",
            REMOTE,
            StartRemotely(CENTRAL, None, 9),
            ["Accepted", "Accepted", "Rejected", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "RequestStopTransaction",
            {"transactionId": KEY},
            StopRemotely(KEY),
            ["Accepted", "Accepted", "Rejected", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "Reset",
            {"type": "OnIdle"},
            Reset(ResetKind.ON_IDLE, ("A1", "A2")),
            ["Accepted", "Scheduled", "Rejected", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "Reset",
            {"type": "Immediate", "evseId": 2},
            Reset(ResetKind.IMMEDIATE, ("A2",)),
            ["Accepted", "Scheduled", "Rejected", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "ChangeAvailability",
            {"operationalStatus": "Inoperative"},
            SetAvailability(("A1", "A2"), operative=False),
            ["Accepted", "Scheduled", "Rejected", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "ChangeAvailability",
            {"operationalStatus": "Operative", "evse": {"id": 2, "connectorId": 1}},
            SetAvailability(("A2",), operative=True),
            ["Accepted", "Scheduled", "Rejected", "Rejected", "Rejected", "Rejected"],
        ),
        (
            "UnlockConnector",
            {"evseId": 1, "connectorId": 1},
            UnlockConnector("A1"),
            [
                "Unlocked",
                "Unlocked",
                "UnlockFailed",
                "UnknownConnector",
                "UnlockFailed",
                "OngoingAuthorizedTransaction",
            ],
        ),
    ],
)
def test_commands_are_decoded_and_every_outcome_has_a_word(
    action: str, payload: dict[str, Any], command: object, words: list[str]
) -> None:
    assert validate(V201, action, Kind.REQUEST, payload) is None
    request = decode(action, payload, IDS)
    assert isinstance(request, Asked)
    assert request.command == command
    assert [answer_fits(V201, action, request.answer(outcome))["status"] for outcome in OUTCOMES] == words


def test_r31_only_a_reset_of_the_whole_station_boots_it() -> None:
    whole, one = decode("Reset", {"type": "OnIdle"}, IDS), decode("Reset", {"type": "OnIdle", "evseId": 1}, IDS)
    assert isinstance(whole, Asked)
    assert whole.reboots
    assert isinstance(one, Asked)
    assert not one.reboots


@pytest.mark.parametrize(
    ("action", "payload", "status"),
    [
        ("RequestStartTransaction", {**REMOTE, "evseId": 3}, "Rejected"),
        ("RequestStartTransaction", {**REMOTE, "evseId": 0}, "Rejected"),
        ("Reset", {"type": "OnIdle", "evseId": 3}, "Rejected"),
        ("ChangeAvailability", {"operationalStatus": "Operative", "evse": {"id": 3}}, "Rejected"),
        ("ChangeAvailability", {"operationalStatus": "Operative", "evse": {"id": 1, "connectorId": 2}}, "Rejected"),
        ("UnlockConnector", {"evseId": 3, "connectorId": 1}, "UnknownConnector"),
        ("UnlockConnector", {"evseId": 1, "connectorId": 2}, "UnknownConnector"),
        ("TriggerMessage", {"requestedMessage": "LogStatusNotification"}, "NotImplemented"),
        ("TriggerMessage", {"requestedMessage": "StatusNotification"}, "Rejected"),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1}}, "Rejected"),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 7}}, "Rejected"),
        ("GetBaseReport", {"requestId": 1, "reportBase": "SummaryInventory"}, "NotSupported"),
        ("DataTransfer", {"vendorId": "x"}, "UnknownVendorId"),
    ],
)
def test_what_needs_no_site_is_answered_at_once(action: str, payload: dict[str, Any], status: str) -> None:
    assert validate(V201, action, Kind.REQUEST, payload) is None
    request = decode(action, payload, IDS)
    assert isinstance(request, Told)
    assert answer_fits(V201, action, request.payload)["status"] == status


def _item(name: str, named: str, **more: Any) -> dict[str, Any]:
    component: dict[str, Any] = {"name": name, **more.pop("component", {})}
    return {"component": component, "variable": {"name": named, **more.pop("variable", {})}, **more}


@pytest.mark.parametrize(
    ("item", "status", "value"),
    [
        (_item("OCPPCommCtrlr", "HeartbeatInterval"), "Accepted", "300"),
        (_item("ocppcommctrlr", "heartbeatinterval"), "Accepted", "300"),
        (_item("OCPPCommCtrlr", "MessageTimeout", variable={"instance": "Default"}), "Accepted", "30"),
        (_item("OCPPCommCtrlr", "MessageTimeout"), "UnknownVariable", None),
        (_item("OCPPCommCtrlr", "HeartbeatInterval", attributeType="Target"), "NotSupportedAttributeType", None),
        (_item("OCPPCommCtrlr", "Nothing"), "UnknownVariable", None),
        (_item("Nothing", "HeartbeatInterval"), "UnknownComponent", None),
        (_item("OCPPCommCtrlr", "HeartbeatInterval", component={"instance": "x"}), "UnknownComponent", None),
        (_item("SecurityCtrlr", "BasicAuthPassword"), "Rejected", None),
        (_item("EVSE", "AvailabilityState", component={"evse": {"id": 1}}), "Accepted", "Available"),
        (_item("EVSE", "AvailabilityState", component={"evse": {"id": 2}}), "Accepted", "Unavailable"),
        (_item("EVSE", "AvailabilityState", component={"evse": {"id": 9}}), "UnknownComponent", None),
        (_item("EVSE", "Nothing", component={"evse": {"id": 1}}), "UnknownVariable", None),
        (
            _item("Connector", "ConnectorType", component={"evse": {"id": 1, "connectorId": 1}}),
            "Accepted",
            "cType2",
        ),
        (_item("ChargingStation", "Model"), "Accepted", "Site controller"),
    ],
)
def test_b06_get_variables(item: dict[str, Any], status: str, value: str | None) -> None:
    request = decode("GetVariables", {"getVariableData": [item]}, IDS)
    assert isinstance(request, ReadVariables)
    result = answer_fits(V201, "GetVariables", request.answer(PRESENT))["getVariableResult"][0]
    assert (result["attributeStatus"], result.get("attributeValue")) == (status, value)
    assert (result["component"], result["variable"]) == (item["component"], item["variable"])


def test_b05_set_variables_answers_each_item_in_order() -> None:
    items = [
        {**_item("Nothing", "X"), "attributeValue": "1"},
        {**_item("ocppcommctrlr", "heartbeatinterval"), "attributeValue": "5"},
        {**_item("OCPPCommCtrlr", "HeartbeatInterval", attributeType="MinSet"), "attributeValue": "5"},
        {**_item("TxCtrlr", "StopTxOnInvalidId"), "attributeValue": "perhaps"},
        {**_item("ChargingStation", "Model"), "attributeValue": "x"},
        {**_item("TxCtrlr", "Nothing"), "attributeValue": "x"},
    ]
    request = decode("SetVariables", {"setVariableData": items}, IDS)
    assert isinstance(request, WriteVariables)
    assert request.assignments == (
        ("OCPPCommCtrlr.HeartbeatInterval", "5"),
        ("TxCtrlr.StopTxOnInvalidId", "perhaps"),
    )
    variable = find("HeartbeatInterval")
    assert variable is not None
    payload = request.answer([variable, VariableError("x", "bad")])
    statuses = [each["attributeStatus"] for each in answer_fits(V201, "SetVariables", payload)["setVariableResult"]]
    assert statuses == [
        "UnknownComponent",
        "Accepted",
        "NotSupportedAttributeType",
        "Rejected",
        "Rejected",
        "UnknownVariable",
    ]


def test_too_many_items_are_refused() -> None:
    with pytest.raises(RefusalError) as refused:
        decode("GetVariables", {"getVariableData": [_item("A", "B")] * 101}, IDS)
    assert refused.value.fault is Fault.OCCURRENCE


@pytest.mark.parametrize("base", ["FullInventory", "ConfigurationInventory"])
def test_b07_a_base_report_fits_and_hides_secrets(base: str) -> None:
    request = decode("GetBaseReport", {"requestId": 4, "reportBase": base}, IDS)
    assert isinstance(request, SendReport)
    data = request.data(PRESENT)
    payload: dict[str, Any] = {
        "requestId": 4,
        "generatedAt": "2026-11-23T12:00:00Z",
        "seqNo": 0,
        "reportData": list(data),
    }
    assert validate(V201, "NotifyReport", Kind.REQUEST, payload) is None
    names = {(each["component"]["name"], each["variable"]["name"]) for each in payload["reportData"]}
    assert ("OCPPCommCtrlr", "HeartbeatInterval") in names
    assert (("EVSE", "AvailabilityState") in names) == (base == "FullInventory")
    for each in payload["reportData"]:
        attribute = each["variableAttribute"][0]
        assert (attribute["mutability"] == Access.WRITE_ONLY.value) == ("value" not in attribute)


def test_f06_triggers_name_their_evses() -> None:
    payload = {"requestedMessage": "StatusNotification", "evse": {"id": 2, "connectorId": 1}}
    request = decode("TriggerMessage", payload, IDS)
    assert isinstance(request, TriggerRequest)
    assert (request.wanted, request.evses, request.boot_again) == (Wanted.STATUS, ("A2",), False)


def test_d01_a_local_list_is_decoded_with_what_it_removes() -> None:
    items = [
        {"idToken": {"idToken": "aa", "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}},
        {"idToken": {"idToken": "bb", "type": "ISO14443"}},
    ]
    payload = {"versionNumber": 4, "localAuthorizationList": items, "updateType": "Differential"}
    assert validate(V201, "SendLocalList", Kind.REQUEST, payload) is None
    request = decode("SendLocalList", payload, IDS)
    assert isinstance(request, UpdateList)
    assert request.infos == (TokenInfo("AA", TokenStatus.ACCEPTED),)
    assert request.removed == ("BB",)
    for result in ListResult:
        answer_fits(V201, "SendLocalList", request.answer(result))


def test_e14_transaction_status_fits() -> None:
    request = decode("GetTransactionStatus", {"transactionId": KEY}, IDS)
    assert isinstance(request, TransactionStatus)
    assert answer_fits(V201, "GetTransactionStatus", request.answer(False, True)) == {
        "ongoingIndicator": False,
        "messagesInQueue": True,
    }
    assert request.answer(None, False) == {"messagesInQueue": False}


@pytest.mark.parametrize("action", ["CancelReservation", "ReserveNow", "GetReport", "SetNetworkProfile", "GetLog"])
def test_a_known_action_that_is_not_ours_is_not_supported(action: str) -> None:
    assert known(V201, action)
    with pytest.raises(RefusalError) as refused:
        decode(action, {}, IDS)
    assert refused.value.fault is Fault.NOT_SUPPORTED
