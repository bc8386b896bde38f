"""A station: boot, status, heartbeat, authorisation, and what the CSMS can ask of it."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.charging.commands import (
    Outcome,
    ReportVerdict,
    Reset,
    ResetKind,
    Result,
    StartRemotely,
    StopRemotely,
    TakeSample,
)
from controller.charging.tokens import Token, TokenInfo, TokenStatus
from controller.charging.view import EvseStatus
from controller.csms.schemas import Kind, Version, validate
from tests.csms.bench import PATIENCE_S, Bench, Story, transaction_view, until
from tests.csms.conftest import MakeBench

BOTH = pytest.mark.parametrize("version", list(Version))
V16, V201 = Version.V16, Version.V201
T1 = "11111111-2222-3333-4444-555555555555"
CARD = Token("04A1B2C3D4E5F6", "04A1B2C3D4E5F6")
Tell = Callable[..., Story]


def statuses(at: Bench) -> list[tuple[int, str]]:
    payloads = [each["payload"] for each in at.calls("StatusNotification")]
    if at.version is V16:
        return [(each["connectorId"], each["status"]) for each in payloads]
    return [(each["evseId"], each["connectorStatus"]) for each in payloads]


def remote_start(version: Version) -> tuple[str, dict[str, Any]]:
    if version is V16:
        return "RemoteStartTransaction", {"connectorId": 1, "idTag": "AB"}
    return "RequestStartTransaction", {
        "evseId": 1,
        "idToken": {"idToken": "AB", "type": "Central"},
        "remoteStartId": 3,
    }


# boot


@BOTH
async def test_b01_fr_05_after_acceptance_every_status_is_told(version: Version, bench: MakeBench) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
    whole = [(0, "Available")] if version is V16 else []
    assert statuses(at) == [*whole, (1, "Available"), (2, "Available")]
    assert at.calls()[0]["action"] == "BootNotification"
    assert at.violations == []


@BOTH
async def test_every_message_of_a_stay_fits_its_schema(version: Version, bench: MakeBench, story: Tell) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
        tale = story(T1)
        await at.station.authorise(CARD)
        await at.queue(tale.started(), tale.updated(), tale.ended())
        await at.drained()
    for each in at.calls():
        assert validate(version, each["action"], Kind.REQUEST, each["payload"]) is None


async def test_b01_fr_09_the_reason_tells_a_power_up_from_a_restart(bench: MakeBench) -> None:
    at = await bench()
    async with at.running():
        await at.accepted()
    again = Bench(at.version, at.store, at.clock, at.csms, at.variables, at.slice, at.evses)
    async with again.running():
        await again.accepted()
        await until(lambda: len(at.calls("BootNotification")) == 2)
    reasons = [each["payload"]["reason"] for each in at.calls("BootNotification")]
    assert reasons == ["PowerUp", "ApplicationReset"]


@BOTH
async def test_b01_fr_04_the_heartbeat_interval_comes_with_the_boot(version: Version, bench: MakeBench) -> None:
    at = await bench(version, heartbeat_s=1)
    async with at.running():
        await until(lambda: len(at.calls("Heartbeat")) >= 2)
    assert at.variables.integer("OCPPCommCtrlr.HeartbeatInterval") == 1


async def test_b01_the_clock_is_set_and_the_sync_kept(bench: MakeBench) -> None:
    at = await bench()
    async with at.running():
        await at.accepted()
    assert at.clock.sync is not None
    assert at.clock.now().trusted
    assert at.clock.boot in await at.store.syncs()


@BOTH
async def test_b02_pending_is_asked_again_after_its_interval(version: Version, bench: MakeBench) -> None:
    at = await bench(version, boot="Pending", retry_s=1)
    async with at.running():
        await until(lambda: len(at.calls("BootNotification")) >= 3)
    times = [each["mono_s"] for each in at.calls("BootNotification")]
    assert min(b - a for a, b in itertools.pairwise(times)) > 0.9


@BOTH
async def test_b02_fr_05_pending_answers_but_starts_nothing_and_asks_nothing(
    version: Version, bench: MakeBench
) -> None:
    at = await bench(version, boot="Pending", retry_s=600)
    async with at.running():
        await until(lambda: at.station.view().registration == "Pending")
        action, payload = remote_start(version)
        assert (await at.call(action, payload))["status"] == "Rejected"
        assert at.asked == []
        assert await at.station.authorise(CARD) is None
        at.show("A1", status=EvseStatus.PLUGGED)
        if version is V16:
            assert (await at.call("GetConfiguration", {}))["configurationKey"]
        else:
            item = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}
            result = await at.call("GetVariables", {"getVariableData": [item]})
            assert result["getVariableResult"][0]["attributeValue"] == "PowerPathClosed"
        assert {each["action"] for each in at.calls()} == {"BootNotification"}
        evse = {"connectorId": 1} if version is V16 else {"evse": {"id": 1, "connectorId": 1}}
        await at.call("TriggerMessage", {"requestedMessage": "StatusNotification", **evse})
        await until(lambda: len(at.calls("StatusNotification")) == 1)
        await at.call("TriggerMessage", {"requestedMessage": "BootNotification"})
        await until(lambda: len(at.calls("BootNotification")) == 2)


async def test_b03_fr_08_rejected_answers_security_error_in_2x(bench: MakeBench) -> None:
    at = await bench(V201, boot="Rejected", retry_s=600)
    async with at.running():
        await until(lambda: at.station.view().registration == "Rejected")
        assert (await at.call("GetLocalListVersion", {}))["error"] == "SecurityError"
        assert {each["action"] for each in at.calls()} == {"BootNotification"}


async def test_rejected_is_silent_in_16(bench: MakeBench) -> None:
    at = await bench(V16, boot="Rejected", retry_s=600)
    async with at.running():
        await until(lambda: at.station.view().registration == "Rejected")
        assert (await at.call("GetLocalListVersion", {}, timeout_s=0.3))["error"] == "NoAnswer"


async def test_b03_rejected_may_be_accepted_later(bench: MakeBench) -> None:
    at = await bench(V16, boot="Rejected", retry_s=1)
    async with at.running():
        await until(lambda: at.station.view().registration == "Rejected")
        at.csms.set_behaviour({"boot": "Accepted"})
        await at.accepted()
    assert at.violations == []


# reconnection


async def _cut(at: Bench) -> None:
    assert await at.station.authorise(CARD) is not None, "and so all before it has been answered"
    link = at.csms._links[at.identity]
    link.cut()
    await until(lambda: at.csms._links.get(at.identity, link) is not link)
    await until(lambda: at.station.view().connected)


@BOTH
async def test_b04_a_short_absence_brings_no_boot_and_only_what_changed(version: Version, bench: MakeBench) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
        before = len(statuses(at))
        await _cut(at)
        at.show("A2", status=EvseStatus.PLUGGED)
        await until(lambda: len(statuses(at)) > before)
        await at.station.authorise(CARD)
    assert len(at.calls("BootNotification")) == 1
    assert [number for number, _ in statuses(at)[before:]] == [2]


async def test_b04_fr_01_r33_beyond_the_offline_threshold_every_status_is_told(bench: MakeBench) -> None:
    at = await bench(initial={"OCPPCommCtrlr.OfflineThreshold": 0})
    async with at.running():
        await at.accepted()
        await _cut(at)
        await until(lambda: len(statuses(at)) == 4)
    assert len(at.calls("BootNotification")) == 1


@BOTH
async def test_a_change_of_the_site_is_told_once(version: Version, bench: MakeBench) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
        before = len(statuses(at))
        at.show("A1", status=EvseStatus.PLUGGED)
        await until(lambda: len(statuses(at)) == before + 1)
        at.show("A1", status=EvseStatus.PLUGGED, power_w=5)
        at.show("A2", status=EvseStatus.FAULTED, fault="x" * 80)
        await until(lambda: len(statuses(at)) == before + 2)
    word = "Preparing" if version is V16 else "Occupied"
    assert statuses(at)[before:] == [(1, word), (2, "Faulted")]


async def test_16_the_station_itself_is_unavailable_when_all_are(bench: MakeBench) -> None:
    at = await bench(V16)
    async with at.running():
        await at.accepted()
        for evse in ("A1", "A2"):
            at.show(evse, status=EvseStatus.UNAVAILABLE, operative=False)
        await until(lambda: (0, "Unavailable") in statuses(at))


# authorisation


@BOTH
async def test_c01_the_word_of_the_csms_is_returned_and_cached(version: Version, bench: MakeBench) -> None:
    at = await bench(version, tokens={"04A1B2C3D4E5F6": "Expired"})
    async with at.running():
        await at.accepted()
        info = await at.station.authorise(CARD)
    assert info == TokenInfo("04A1B2C3D4E5F6", TokenStatus.EXPIRED)
    assert (await at.store.lookup("operator", CARD.uid)).cached == info


@BOTH
async def test_without_an_answer_there_is_no_word(version: Version, bench: MakeBench) -> None:
    at = await bench(version, fail={"action": "Authorize", "no_answer": True, "times": 1})
    assert await at.station.authorise(CARD) is None
    async with at.running():
        await at.accepted()
        assert await at.station.authorise(CARD) is None
        await at.accepted()


async def test_r33_without_the_cache_nothing_is_cached(bench: MakeBench) -> None:
    at = await bench(initial={"AuthorizationCacheEnabled": False})
    async with at.running():
        await at.accepted()
        assert await at.station.authorise(CARD) is not None
        assert (await at.call("ClearCache", {}))["status"] == "Rejected"
    assert (await at.store.lookup("operator", CARD.uid)).cached is None


async def test_r21_a_tag_too_long_for_16_is_invalid(bench: MakeBench) -> None:
    at = await bench(V16)
    async with at.running():
        await at.accepted()
        assert await at.station.authorise(Token("X" * 21, "X" * 21)) == TokenInfo("X" * 21, TokenStatus.INVALID)
    assert at.calls("Authorize") == []


# requests


@BOTH
async def test_an_unknown_action_is_not_implemented_and_a_known_one_not_supported(
    version: Version, bench: MakeBench
) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
        await at.csms.send_raw(at.identity, json.dumps([2, "u1", "MakeCoffee", {}]))
        await at.csms.send_raw(at.identity, json.dumps([2, "u2", "Heartbeat", {}]))
        await until(lambda: len([m for m in at.csms.messages(0) if m["type"] == "error"]) == 2)
    errors = [m["payload"]["error"] for m in at.csms.messages(0) if m["type"] == "error"]
    assert errors == ["NotImplemented", "NotSupported"]


@pytest.mark.parametrize(
    ("version", "payload", "code"),
    [
        (V16, {}, "ProtocolError"),
        (V16, {"type": "Later"}, "PropertyConstraintViolation"),
        (V16, {"type": 5}, "TypeConstraintViolation"),
        (V16, {"type": "Hard", "x": 1}, "FormationViolation"),
        (V201, {}, "OccurrenceConstraintViolation"),
        (V201, {"type": "Later"}, "PropertyConstraintViolation"),
        (V201, {"type": 5}, "TypeConstraintViolation"),
        (V201, {"type": "OnIdle", "x": 1}, "FormatViolation"),
    ],
)
async def test_a_call_that_breaks_its_schema_is_refused_with_the_right_code(
    bench: MakeBench, version: Version, payload: dict[str, Any], code: str
) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
        answer = await at.call("Reset", payload, validate=False)
        assert answer["error"] == code
        assert at.asked == []
        assert await at.station.authorise(CARD) is not None, "and the station goes on"


@BOTH
async def test_f01_remote_start_asks_the_site(version: Version, bench: MakeBench) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
        action, payload = remote_start(version)
        assert (await at.call(action, payload))["status"] == "Accepted"
        at.outcome = Outcome(Result.REFUSED)
        assert (await at.call(action, payload))["status"] == "Rejected"
    command = at.asked[0]
    assert isinstance(command, StartRemotely)
    assert (command.token.uid, command.evse) == ("AB", "A1")


@BOTH
async def test_while_a_remote_start_is_decided_the_station_can_authorise(
    version: Version, bench: MakeBench
) -> None:
    at = await bench(version)
    at.slow = asyncio.Event()
    async with at.running():
        await at.accepted()
        call = asyncio.create_task(at.call(*remote_start(version)))
        await until(lambda: bool(at.asked))
        async with asyncio.timeout(PATIENCE_S):
            assert await at.station.authorise(CARD) is not None
        assert not call.done()
        at.slow.set()
        assert (await call)["status"] == "Accepted"


async def test_16_remote_stop_finds_the_transaction_by_the_id_of_the_csms(bench: MakeBench, story: Tell) -> None:
    at = await bench(V16)
    async with at.running():
        await at.accepted()
        await at.queue(story(T1).started())
        await at.drained()
        assert (await at.call("RemoteStopTransaction", {"transactionId": 1}))["status"] == "Accepted"
        assert (await at.call("RemoteStopTransaction", {"transactionId": 99}))["status"] == "Rejected"
    stops = [command for command in at.asked if not isinstance(command, ReportVerdict)]
    assert stops == [StopRemotely(T1)]


@BOTH
async def test_b11_r31_a_reset_boots_the_station_anew_when_its_transactions_have_ended(
    version: Version, bench: MakeBench
) -> None:
    at = await bench(version)
    at.show("A1", status=EvseStatus.CHARGING, transaction=transaction_view(T1))
    async with at.running():
        await at.accepted()
        kind = {"type": "Hard"} if version is V16 else {"type": "Immediate"}
        assert (await at.call("Reset", kind))["status"] == "Accepted"
        assert at.asked == [Reset(ResetKind.IMMEDIATE, ("A1", "A2"))]
        await asyncio.sleep(0.2)
        assert len(at.calls("BootNotification")) == 1, "its transaction is still running"
        at.show("A1")
        await until(lambda: len(at.calls("BootNotification")) == 2)
        await until(lambda: at.station.view().registration == "Accepted")
    if version is V201:
        assert at.calls("BootNotification")[1]["payload"]["reason"] == "RemoteReset"
    assert at.violations == []


@BOTH
async def test_triggered_messages_are_sent(version: Version, bench: MakeBench) -> None:
    at = await bench(version)
    at.show("A2", status=EvseStatus.CHARGING, transaction=transaction_view(T1))
    async with at.running():
        await at.accepted()
        assert (await at.call("TriggerMessage", {"requestedMessage": "Heartbeat"}))["status"] == "Accepted"
        await until(lambda: len(at.calls("Heartbeat")) == 1)
        assert (await at.call("TriggerMessage", {"requestedMessage": "MeterValues"}))["status"] == "Accepted"
        if version is V16:
            await until(lambda: at.asked == [TakeSample(("A2",))])
        await until(lambda: len(at.calls("MeterValues")) == (1 if version is V16 else 2))
    numbers = [
        each["payload"].get("connectorId", each["payload"].get("evseId")) for each in at.calls("MeterValues")
    ]
    assert numbers == ([1] if version is V16 else [1, 2])


async def test_f06_a_transaction_event_is_sent_where_a_transaction_runs(bench: MakeBench) -> None:
    at = await bench(V201)
    at.show("A2", status=EvseStatus.CHARGING, transaction=transaction_view(T1))
    async with at.running():
        await at.accepted()
        wanted = {"requestedMessage": "TransactionEvent"}
        assert (await at.call("TriggerMessage", {**wanted, "evse": {"id": 1}}))["status"] == "Rejected"
        assert (await at.call("TriggerMessage", wanted))["status"] == "Accepted"
        await until(lambda: at.asked == [TakeSample(("A2",))])


async def test_f06_fr_17_an_accepted_2x_station_does_not_boot_on_demand(bench: MakeBench) -> None:
    at = await bench(V201)
    async with at.running():
        await at.accepted()
        assert (await at.call("TriggerMessage", {"requestedMessage": "BootNotification"}))["status"] == "Rejected"


async def test_tc_054_an_accepted_16_station_does(bench: MakeBench) -> None:
    at = await bench(V16)
    async with at.running():
        await at.accepted()
        assert (await at.call("TriggerMessage", {"requestedMessage": "BootNotification"}))["status"] == "Accepted"
        await until(lambda: len(at.calls("BootNotification")) == 2)
        await until(lambda: len(statuses(at)) == 6)
    assert statuses(at)[3:] == statuses(at)[:3], "errata 3.19: every status after every accepted boot"


@BOTH
async def test_d01_a_local_list_is_kept_by_version(version: Version, bench: MakeBench) -> None:
    at = await bench(version)

    async def send(number: int, kind: str, *items: tuple[str, str | None]) -> str:
        if version is V16:
            listed = [{"idTag": uid, **({"idTagInfo": {"status": word}} if word else {})} for uid, word in items]
            body: dict[str, Any] = {"listVersion": number}
        else:
            listed = [
                {
                    "idToken": {"idToken": uid, "type": "ISO14443"},
                    **({"idTokenInfo": {"status": word}} if word else {}),
                }
                for uid, word in items
            ]
            body = {"versionNumber": number}
        if listed:
            body["localAuthorizationList"] = listed
        return str((await at.call("SendLocalList", {**body, "updateType": kind}))["status"])

    async def listed(uid: str) -> TokenStatus | None:
        known = (await at.store.lookup("operator", uid)).listed
        return known.status if known else None

    async with at.running():
        await at.accepted()
        assert await send(5, "Full", ("aa", "Accepted"), ("bb", "Blocked")) == "Accepted"
        assert (await listed("AA"), await listed("BB")) == (TokenStatus.ACCEPTED, TokenStatus.BLOCKED)
        assert await send(5, "Differential", ("cc", "Accepted")) == "VersionMismatch"
        assert await send(6, "Differential", ("cc", "Accepted"), ("bb", None)) == "Accepted"
        assert (await listed("BB"), await listed("CC")) == (None, TokenStatus.ACCEPTED)
        assert await send(7, "Full", ("dd", "Accepted"), ("DD", "Blocked")) == "Failed"
        assert await send(7, "Full", ("dd", None)) == "Failed"
        assert await send(0, "Full") == "Failed"
        number = (await at.call("GetLocalListVersion", {})).get(
            "listVersion" if version is V16 else "versionNumber"
        )
        assert number == 6
        assert await send(8, "Full") == "Accepted"
        assert await listed("AA") is None
        await at.variables.set("LocalAuthListEnabled", False)
        assert await send(9, "Full") in {"Failed", "NotSupported"}


@BOTH
async def test_clear_cache_forgets(version: Version, bench: MakeBench) -> None:
    at = await bench(version)
    async with at.running():
        await at.accepted()
        await at.station.authorise(CARD)
        assert (await at.call("ClearCache", {}))["status"] == "Accepted"
    assert (await at.store.lookup("operator", CARD.uid)).cached is None


async def test_b05_a_variable_is_set_read_and_in_effect(bench: MakeBench) -> None:
    at = await bench(V201)
    name = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
    async with at.running():
        await at.accepted()
        for value, status in (("33", "Accepted"), ("soon", "Rejected")):
            answer = await at.call("SetVariables", {"setVariableData": [{**name, "attributeValue": value}]})
            assert answer["setVariableResult"][0]["attributeStatus"] == status
        answer = await at.call("GetVariables", {"getVariableData": [name]})
        assert answer["getVariableResult"][0]["attributeValue"] == "33"
    assert at.variables.rules().connection_timeout_s == 33


async def test_tc_040_a_key_is_changed_refused_or_unknown(bench: MakeBench) -> None:
    at = await bench(V16)
    async with at.running():
        await at.accepted()
        for key, value, status in (
            ("ConnectionTimeOut", "33", "Accepted"),
            ("ConnectionTimeOut", "-1", "Rejected"),
            ("MeterValueSampleInterval", "x", "Rejected"),
            ("NumberOfConnectors", "5", "Rejected"),
            ("Nonsense", "5", "NotSupported"),
        ):
            assert (await at.call("ChangeConfiguration", {"key": key, "value": value}))["status"] == status
        answer = await at.call("GetConfiguration", {"key": ["NumberOfConnectors", "ConnectionTimeOut"]})
        values = {each["key"]: each["value"] for each in answer["configurationKey"]}
    assert values == {"NumberOfConnectors": "2", "ConnectionTimeOut": "33"}
    assert at.variables.rules().connection_timeout_s == 33


async def test_a01_after_a_new_password_the_station_connects_with_it(bench: MakeBench) -> None:
    at = await bench(V16)
    async with at.running():
        await at.accepted()
        change = {"key": "AuthorizationKey", "value": "new-password-000001"}
        link = at.csms._links[at.identity]
        at.csms._passwords = {"CP-7": "new-password-000001"}
        assert (await at.call("ChangeConfiguration", change))["status"] == "Accepted"
        await until(lambda: at.csms._links.get(at.identity, link) is not link)
        assert (await at.call("GetLocalListVersion", {}))["listVersion"] == 0


async def test_b07_a_base_report_comes_in_numbered_parts(bench: MakeBench) -> None:
    at = await bench(V201)
    async with at.running():
        await at.accepted()
        request = {"requestId": 11, "reportBase": "FullInventory"}
        assert (await at.call("GetBaseReport", request))["status"] == "Accepted"
        await until(lambda: any(not each["payload"].get("tbc") for each in at.calls("NotifyReport")))
    parts = [each["payload"] for each in at.calls("NotifyReport")]
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {part["requestId"] for part in parts} == {11}
    identity = [
        item["variableAttribute"][0]["value"]
        for part in parts
        for item in part["reportData"]
        if item["variable"]["name"] == "Identity"
    ]
    assert identity == ["CP-7"]
    assert at.violations == []


async def test_e14_transaction_status_comes_from_the_durable_queue(bench: MakeBench, story: Tell) -> None:
    at = await bench(V201, fail={"action": "TransactionEvent", "error": "FormatViolation", "times": 3})
    async with at.running():
        await at.accepted()
        assert await at.call("GetTransactionStatus", {}) == {"messagesInQueue": False}
        unknown = await at.call("GetTransactionStatus", {"transactionId": "nope"})
        assert unknown == {"ongoingIndicator": False, "messagesInQueue": False}
        at.show("A1", status=EvseStatus.CHARGING, transaction=transaction_view(T1))
        await at.queue(story(T1).started())
        await at.until_depth(0, parked=1)
        known = await at.call("GetTransactionStatus", {"transactionId": T1})
        assert known == {"ongoingIndicator": True, "messagesInQueue": True}
        assert await at.call("GetTransactionStatus", {}) == {"messagesInQueue": True}


async def test_r33_the_heartbeat_interval_counts_at_once(bench: MakeBench) -> None:
    at = await bench(V201, heartbeat_s=600)
    async with at.running():
        await at.accepted()
        began = time.monotonic()
        await at.variables.set("HeartbeatInterval", 1)
        await until(lambda: len(at.calls("Heartbeat")) >= 1)
        assert time.monotonic() - began > 0.8


async def test_a_wrong_time_from_the_csms_is_not_believed(bench: MakeBench) -> None:
    at = await bench(V201)
    await at.station._take_time(None)
    await at.station._take_time(datetime(9999, 12, 31, tzinfo=UTC))
    assert at.clock.now().wall.year < 9999


async def test_r28_r31_two_stations_of_one_csms_have_queues_of_their_own(bench: MakeBench, story: Tell) -> None:
    at = await bench(V201)
    at.csms._passwords = {"CP-7": "secret-password-1", "CP-8": "secret-password-1"}
    others = replace(at.slice, stations=(replace(at.slice.stations[0], identity="CP-8", evses=("A2",)),))
    other = Bench(at.version, at.store, at.clock, at.csms, at.variables, others, at.evses)
    await at.queue(story(T1).started())
    await other.queue(story("2" + T1[1:], evse="A2").started())
    async with at.running(), other.running():
        await at.drained()
        await other.drained()
    sent = {each["identity"]: each["payload"]["evse"]["id"] for each in at.calls("TransactionEvent")}
    assert sent == {"CP-7": 1, "CP-8": 1}
    assert at.violations == []
