import asyncio
from types import ModuleType
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from sim.csms import answers16, answers201
from sim.csms.actions import FROM_STATION_16, FROM_STATION_201, from_csms, known_actions
from sim.csms.behaviour import Behaviour, changed
from sim.csms.clerk import Clerk
from sim.csms.registration import Registration
from sim.csms.server import Csms
from tests.sim.csms.stations import Connect, Open


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_boot_that_is_not_accepted_is_to_be_retried_in_2_s(
    open_csms: Open, station: Connect, version: str, status: str
) -> None:
    csms, port = await open_csms(version)
    csms.set_behaviour({"boot": status})
    cs1 = await station(port, version)
    answer = await cs1.boot()
    assert (answer["status"], answer["interval"]) == (status, 2)
    refused = await cs1.call("Heartbeat", {})
    assert refused[:3:2] == [4, "SecurityError"]
    csms.set_behaviour({"boot": "Accepted", "heartbeat_s": 7})
    assert (await cs1.boot())["interval"] == 7
    await cs1.ask("Heartbeat", {})
    assert csms.summary()["violations"] == ["message 3: CS1 sent Heartbeat before it was accepted"]
    assert csms.summary()["boots"] == {"CS1": "Accepted"}


async def test_b02_a_pending_station_may_send_what_it_was_asked_for(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("2.0.1")
    csms.set_behaviour({"boot": "Pending"})
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    calling = asyncio.create_task(csms.call("CS1", "TriggerMessage", {"requestedMessage": "Heartbeat"}))
    unique_id = (await cs1.receive())[1]
    await cs1.socket.send(f'[3,"{unique_id}",{{"status":"Accepted"}}]')
    await calling
    await cs1.ask("Heartbeat", {})
    assert csms.summary()["violations"] == []


@pytest.mark.parametrize("status", [None, "Rejected"])
def test_b03_a_station_that_is_not_pending_may_only_boot_whatever_it_was_asked_for(status: str | None) -> None:
    registration = Registration(status)
    registration.called("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert not registration.allows("Heartbeat")
    assert registration.allows("BootNotification")


async def test_a_station_that_never_booted_here_is_served_and_reported(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.ask("Heartbeat", {})
    assert csms.summary()["violations"] == ["message 1: CS1 sent Heartbeat before it was accepted"]


async def test_an_acceptance_that_never_reached_the_station_is_none(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    csms.set_behaviour({"fail": {"action": "BootNotification", "answer_lost": True}})
    cs1 = await station(port, "1.6")
    await cs1.send("BootNotification", {"chargePointVendor": "A", "chargePointModel": "B"})
    with pytest.raises(ConnectionClosed):
        await cs1.receive()
    again = await station(port, "1.6")
    await again.ask("Heartbeat", {})
    assert csms.summary()["violations"] == ["message 3: CS1 sent Heartbeat before it was accepted"]


async def test_tokens_are_looked_up_regardless_of_case_and_merged(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6", tokens={"04AA": "Blocked"})
    cs1 = await station(port, "1.6")
    await cs1.boot()

    async def verdict(uid: str) -> str:
        status: str = (await cs1.ask("Authorize", {"idTag": uid}))["idTagInfo"]["status"]
        return status

    assert await verdict("04aa") == "Blocked"
    assert await verdict("04BB") == "Accepted"
    csms.set_behaviour({"tokens": {"04bb": "Expired"}, "default_token": "Invalid"})
    assert [await verdict(uid) for uid in ("04AA", "04BB", "04CC")] == ["Blocked", "Expired", "Invalid"]


async def test_201_authorize_and_events_carry_the_verdict(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("2.0.1", tokens={"04AA": "NoCredit"})
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    token = {"idToken": "04AA", "type": "ISO14443"}
    assert await cs1.ask("Authorize", {"idToken": token}) == {"idTokenInfo": {"status": "NoCredit"}}
    event = {"eventType": "Started", "timestamp": "2026-03-01T10:00:00Z", "triggerReason": "Authorized",
             "seqNo": 0, "transactionInfo": {"transactionId": "t1"}}  # fmt: skip
    assert await cs1.ask("TransactionEvent", event | {"idToken": token}) == {"idTokenInfo": {"status": "NoCredit"}}
    assert await cs1.ask("TransactionEvent", event | {"seqNo": 1, "eventType": "Updated"}) == {}
    assert csms.summary()["violations"] == []


async def test_every_message_a_station_may_send_is_answered_by_the_schema(
    open_csms: Open, station: Connect
) -> None:
    _, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    now = "2026-03-01T10:00:00Z"
    calls: dict[str, dict[str, Any]] = {
        "StatusNotification": {"timestamp": now, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        "NotifyReport": {"requestId": 1, "generatedAt": now, "seqNo": 0},
        "SecurityEventNotification": {"type": "StartupOfTheDevice", "timestamp": now},
        "SignCertificate": {"csr": "x"},
        "DataTransfer": {"vendorId": "x"},
        "LogStatusNotification": {"status": "Idle"},
        "FirmwareStatusNotification": {"status": "Idle"},
        "NotifyChargingLimit": {"chargingLimit": {"chargingLimitSource": "EMS"}},
    }
    for action, payload in calls.items():
        assert (await cs1.call(action, payload))[0] == 3


@pytest.mark.parametrize(
    ("version", "rules", "from_station"),
    [("1.6", answers16, FROM_STATION_16), ("2.0.1", answers201, FROM_STATION_201)],
)
def test_every_action_of_a_station_has_an_answer(
    version: str, rules: ModuleType, from_station: frozenset[str]
) -> None:
    assert set(rules.answers(Clerk(version, {}), "CS1")) == from_station | {"DataTransfer"}
    assert from_station <= known_actions(version)
    assert from_csms(version) & from_station == set()


async def test_an_error_is_given_as_often_as_told_and_nothing_is_processed(
    open_csms: Open, station: Connect
) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    csms.set_behaviour({"fail": {"action": "Heartbeat", "error": "InternalError", "times": 2}})
    answers = [(await cs1.call("Heartbeat", {}))[0] for _ in range(3)]
    assert answers == [4, 4, 3]


async def test_no_answer_is_no_answer_and_not_processed(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    csms.set_behaviour({"fail": {"action": "StartTransaction", "no_answer": True}})
    payload = {"connectorId": 1, "idTag": "04AA", "meterStart": 5, "timestamp": "2026-03-01T10:00:00Z"}
    await cs1.send("StartTransaction", payload)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await cs1.socket.recv()
    assert csms.summary()["transactions"] == []
    assert await cs1.ask("StartTransaction", payload) == {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}
    assert csms.summary()["violations"] == []


@pytest.mark.parametrize(("dedupe", "numbers"), [(True, [1]), (False, [1, 2])])
async def test_r25_a_lost_answer_is_stored_and_the_repeat_is_found_out(
    open_csms: Open, station: Connect, dedupe: bool, numbers: list[int]
) -> None:
    csms, port = await open_csms("1.6")
    csms.set_behaviour({"dedupe": dedupe, "fail": {"action": "StartTransaction", "answer_lost": True}})
    cs1 = await station(port, "1.6")
    await cs1.boot()
    payload = {"connectorId": 1, "idTag": "04AA", "meterStart": 5, "timestamp": "2026-03-01T10:00:00Z"}
    await cs1.send("StartTransaction", payload)
    with pytest.raises(ConnectionClosed):
        await cs1.receive()
    assert csms.messages(3)[0]["lost"] is True
    again = await station(port, "1.6")
    number = (await again.ask("StartTransaction", payload))["transactionId"]
    assert number == numbers[-1]
    await again.stop(number)
    summary = csms.summary()
    assert [each["transaction_id"] for each in summary["transactions"]] == numbers
    assert summary["total"]["duplicates"] == 1
    assert summary["total"]["complete"] == 1
    assert summary["violations"] == []


async def test_the_next_fault_may_hit_any_action_and_a_list_replaces_all(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    csms.set_behaviour({"fail": {"action": "*", "error": "GenericError", "times": 50}})
    assert (await cs1.call("Heartbeat", {}))[2] == "GenericError"
    csms.set_behaviour({"fail": []})
    assert (await cs1.call("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize(
    "body",
    [{"boot": "Perhaps"}, {"boot": None}, {"bot": "Accepted"}, {"tokens": []}, {"tokens": {"a": "Fine"}},
     {"tokens": {"": "Accepted"}}, {"tokens": {"a": "NoCredit"}}, {"dedupe": 1}, {"dedupe": "true"},
     {"heartbeat_s": -1}, {"heartbeat_s": True}, {"retry_s": "2"}, {"default_token": 3}, {"fail": 7},
     {"fail": {}}, {"fail": {"action": "Heartbeat"}}, {"fail": {"action": "Hartbeat", "error": "InternalError"}},
     {"fail": {"action": "Heartbeat", "error": "Oops"}}, {"fail": {"action": "Heartbeat", "error": None}},
     {"fail": {"action": "Heartbeat", "no_answer": 1}},
     {"fail": {"action": "Heartbeat", "no_answer": True, "answer_lost": True}},
     {"fail": {"action": "Heartbeat", "no_answer": True, "times": -1}},
     {"fail": {"action": "Heartbeat", "no_answer": True, "tmes": 1}}, {"fail": [{"action": "Heartbeat"}]},
     {"boot": ["Accepted"]}, {"fail": {"action": ["Heartbeat"], "no_answer": True}}],
)  # fmt: skip
def test_a_request_with_a_fault_is_refused_as_a_whole(body: dict[str, Any]) -> None:
    csms = Csms(version="1.6", passwords=None, tokens={})
    with pytest.raises(ValueError, match=r"\w"):
        csms.set_behaviour({"tokens": {"a": "Blocked"}} | body)
    now = Behaviour()
    with pytest.raises(ValueError, match=r"\w"):
        changed(now, {"boot": "Pending", **body}, version="1.6", actions={"Heartbeat"})
    assert now == Behaviour()


def test_a_fault_for_an_action_replaces_the_one_before() -> None:
    body = {"fail": {"action": "Heartbeat", "no_answer": True, "times": 3}}
    once = changed(Behaviour(), body, version="1.6", actions={"Heartbeat"})
    again = changed(
        once, {"fail": {"action": "Heartbeat", "answer_lost": True}}, version="1.6", actions={"Heartbeat"}
    )
    assert [fault.kind for fault in again.faults] == ["answer_lost"]
    ended = {"fail": {"action": "Heartbeat", "times": 0}}
    assert changed(again, ended, version="1.6", actions={"Heartbeat"}).faults == ()
