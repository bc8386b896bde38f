"""The way of a record to the CSMS: in order, the same again and again, never dropped."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller.charging.commands import ReportVerdict
from controller.charging.tokens import BilledBy, Token, TokenInfo, TokenStatus
from controller.csms.schemas import Version
from controller.csms.table import CURRENT, ENERGY, POWER
from controller.store.store import Commit
from tests.csms.bench import PATIENCE_S, Bench, Story, until
from tests.csms.conftest import MakeBench

BOTH = pytest.mark.parametrize("version", list(Version))
V16, V201 = Version.V16, Version.V201
TELL = ("StartTransaction", "MeterValues", "StopTransaction", "TransactionEvent")
T1, T2, T3, T4 = (f"{number}1111111-2222-3333-4444-555555555555" for number in (1, 2, 3, 4))
Tell = Callable[..., Story]


def started_action(version: Version) -> str:
    return "StartTransaction" if version is V16 else "TransactionEvent"


def told(bench: Bench) -> list[dict[str, Any]]:
    return [each["payload"] for each in bench.calls(*TELL)]


def steps(bench: Bench) -> list[tuple[str, int]]:
    return [(each["transactionInfo"]["transactionId"], each["seqNo"]) for each in told(bench)]


@BOTH
async def test_e11_what_was_queued_offline_is_delivered_in_order(
    version: Version, bench: MakeBench, story: Tell
) -> None:
    at = await bench(version)
    first, second = story(T1), story(T2, evse="A2")
    await at.queue(first.started(), second.started(), first.updated(), second.updated(), first.ended())
    async with at.running():
        await at.drained()
    report = at.csms.summary()
    assert report["violations"] == []
    assert report["total"]["events"] == 5
    assert [each["actions"] if "actions" in each else each["out_of_order"] for each in report["transactions"]] == [
        0,
        0,
    ]


async def test_e11_fr_02_only_what_was_queued_before_the_connection_is_offline(
    bench: MakeBench, story: Tell
) -> None:
    at = await bench()
    tale = story(T1)
    await at.queue(tale.started())
    async with at.running():
        await at.drained()
        await at.queue(tale.updated())
        await at.drained()
    assert [each["offline"] for each in told(at)] == [True, False]


@BOTH
async def test_b01_fr_08_nothing_is_sent_before_accepted(version: Version, bench: MakeBench, story: Tell) -> None:
    at = await bench(version, boot="Pending", retry_s=1)
    await at.queue(story(T1).started())
    async with at.running():
        await until(lambda: len(at.calls("BootNotification")) >= 2)
        at.station.site_changed()
        assert {each["action"] for each in at.calls()} == {"BootNotification"}
        at.csms.set_behaviour({"boot": "Accepted"})
        await at.drained()
    assert at.violations == []


@BOTH
async def test_r25_an_answer_that_got_lost_makes_no_second_transaction(
    version: Version, bench: MakeBench, story: Tell
) -> None:
    action = started_action(version)
    at = await bench(version, fail={"action": action, "answer_lost": True, "times": 2})
    tale = story(T1)
    await at.queue(tale.started(), tale.updated(), tale.ended())
    async with at.running():
        await at.drained()
    sent = at.calls(*TELL)
    assert len(sent) == 5
    assert sent[0]["payload"] == sent[1]["payload"] == sent[2]["payload"], "a retry is the same payload"
    assert len({each["id"] for each in sent}) == 5, "with a new message id"
    total = at.csms.summary()["total"]
    assert (total["transactions"], total["changed_repeats"]) == (1, 0)
    assert at.violations == []


@BOTH
async def test_r26_a_retry_after_a_restart_is_identical(version: Version, bench: MakeBench, story: Tell) -> None:
    at = await bench(version, fail={"action": started_action(version), "answer_lost": True, "times": 1})
    await at.queue(replace(story(T1).started(), at=replace(at.clock.now(), trusted=False)))
    async with at.running():
        await until(lambda: len(at.calls(*TELL)) == 1)
    at.clock.set_trusted(at.clock.now().wall.replace(year=2027), "test")
    again = Bench(at.version, at.store, at.clock, at.csms, at.variables, at.slice, at.evses)
    async with again.running():
        await again.drained()
    first, second = told(at)
    assert first == second


async def test_r26_an_untrusted_time_is_derived_from_the_sync_of_its_boot(bench: MakeBench, story: Tell) -> None:
    at = await bench()
    now = at.clock.now()
    entry = story(T1).started(at=replace(now, wall=now.wall.replace(year=2000), trusted=False))
    await at.queue(entry)
    async with at.running():
        await at.drained()
    assert told(at)[0]["timestamp"][:4] == str(now.wall.year)


@BOTH
async def test_a_cut_socket_is_no_attempt(version: Version, bench: MakeBench, story: Tell) -> None:
    initial = {"TransactionMessageAttempts": 1}
    at = await bench(
        version, initial=initial, fail={"action": started_action(version), "answer_lost": True, "times": 4}
    )
    await at.queue(story(T1).started())
    async with at.running():
        await at.drained()
    assert len(at.calls(*TELL)) == 5


async def test_tc_037_16_the_id_of_the_csms_is_used_and_kept(bench: MakeBench, story: Tell) -> None:
    at = await bench(V16)
    tale = story(T1)
    await at.queue(tale.started(), tale.updated(), tale.ended())
    async with at.running():
        await at.drained()
    assert await at.store.remote_id(at.route, T1) == "1"
    assert [each.get("transactionId") for each in told(at)] == [None, 1, 1]


@pytest.mark.parametrize("code", ["FormatViolation", "FormationViolation", "PropertyConstraintViolation"])
async def test_errata_3_18_after_a_parked_start_the_rest_goes_on_with_minus_one(
    bench: MakeBench, story: Tell, code: str
) -> None:
    at = await bench(V16, fail={"action": "StartTransaction", "error": code, "times": 3})
    tale = story(T1)
    await at.queue(tale.started(), tale.updated(), tale.ended())
    async with at.running():
        await at.until_depth(0, parked=1)
    assert [each["action"] for each in at.calls(*TELL)] == ["StartTransaction"] * 3 + [
        "MeterValues",
        "StopTransaction",
    ]
    assert [each["transactionId"] for each in told(at)[3:]] == [-1, -1]


async def test_r27_in_2x_a_parked_message_holds_up_only_its_own_transaction(bench: MakeBench, story: Tell) -> None:
    at = await bench(fail={"action": "TransactionEvent", "error": "FormatViolation", "times": 3})
    first, second = story(T1), story(T2, evse="A2")
    async with at.running():
        await at.accepted()
        await at.queue(first.started(), first.updated(), second.started(), second.ended())
        await at.until_depth(1, parked=1)
        await at.queue(first.ended())
        await at.until_depth(2, parked=1)
        assert steps(at) == [(T1, 0)] * 3 + [(T2, 0), (T2, 1)]
        assert await at.station.send_parked_again() == 1
        await at.drained()
    assert steps(at)[5:] == [(T1, 0), (T1, 1), (T1, 2)]
    assert at.violations == []


async def test_r27_a_restart_keeps_a_parked_transaction_back(bench: MakeBench, story: Tell) -> None:
    at = await bench()
    tale = story(T1)
    numbers = await at.store.commit(Commit(entries=[(tale.started(), at.route), (tale.updated(), at.route)]))
    await at.store.park(numbers[0], "test")
    other = story(T2, evse="A2")
    await at.queue(other.started())
    async with at.running():
        await at.until_depth(1, parked=1)
        assert steps(at) == [(T2, 0)]
        await until(lambda: at.station.view().parked == 1)


@BOTH
async def test_r27_a_sick_csms_pauses_the_queue_and_nothing_is_parked(
    version: Version, bench: MakeBench, story: Tell
) -> None:
    at = await bench(version, fail={"action": started_action(version), "error": "InternalError", "times": 40})
    now = at.clock.now()
    for number, key in enumerate((T1, T2, T3, T4)):
        await at.queue(story(key, energy_wh=1000 * number).started(at=now.later(number - 60)))
    async with at.running():
        await at.accepted()
        await until(lambda: len(at.calls(*TELL)) >= 3)
        await asyncio.sleep(0.5)
        before_pause = len(at.calls(*TELL))
        assert before_pause <= 12, "attempts 3, interval 0: without a pause there would be hundreds"
        assert (await at.store.depth(at.route)).parked == 0
        assert "sick" in at.station.view().last_error
        at.csms.set_behaviour({"fail": []})
        await at.drained()
        await until(lambda: at.station.view().last_error == "")
    assert at.csms.summary()["total"]["transactions"] == 4
    assert at.violations == []


@BOTH
async def test_r27_one_poisonous_message_is_parked_once_others_pass(
    version: Version, bench: MakeBench, story: Tell
) -> None:
    initial = {
        "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": 1,
        "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": 600,
    }
    fault = {"action": started_action(version), "error": "InternalError", "times": 1}
    at = await bench(version, initial=initial, fail=fault)
    first, second = story(T1), story(T2, evse="A2")
    async with at.running():
        await at.accepted()
        await at.queue(first.started())
        await until(lambda: len(at.calls(*TELL)) == 1)
        assert (await at.store.depth(at.route)).parked == 0, "it might be the CSMS"
        await at.queue(second.started())
        await at.until_depth(0, parked=1)
    assert [each.transaction for each in await at.store.parked(at.route)] == [T1]


@BOTH
async def test_e13_no_answer_counts_as_an_attempt_and_the_connection_is_made_anew(
    version: Version, bench: MakeBench, story: Tell
) -> None:
    at = await bench(version, fail={"action": started_action(version), "no_answer": True, "times": 1})
    await at.queue(story(T1).started())
    async with at.running():
        await at.drained()
    sent = at.calls(*TELL)
    assert [each["connection"] for each in sent] == [1, 2]
    assert sent[0]["payload"] == sent[1]["payload"]
    assert len(at.calls("BootNotification")) == 1, "no boot without a reboot (B04)"


@pytest.mark.parametrize("attempts", [1, 2])
async def test_r33_message_attempts_bound_the_tries(bench: MakeBench, story: Tell, attempts: int) -> None:
    initial = {"OCPPCommCtrlr.MessageAttempts[TransactionEvent]": attempts}
    at = await bench(initial=initial, fail={"action": "TransactionEvent", "error": "FormatViolation", "times": 9})
    await at.queue(story(T1).started())
    async with at.running():
        await at.until_depth(0, parked=1)
    assert len(at.calls(*TELL)) == attempts


async def test_r33_message_attempt_interval_separates_the_tries(bench: MakeBench, story: Tell) -> None:
    initial = {"OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": 1}
    at = await bench(initial=initial, fail={"action": "TransactionEvent", "error": "FormatViolation", "times": 2})
    await at.queue(story(T1).started())
    async with at.running():
        await at.drained()
    times = [each["mono_s"] for each in at.calls(*TELL)]
    assert times[1] - times[0] > 0.9
    assert times[2] - times[1] > 1.9


async def test_r33_measurands_are_those_configured(bench: MakeBench, story: Tell) -> None:
    initial = {
        "SampledDataCtrlr.TxStartedMeasurands": POWER,
        "SampledDataCtrlr.TxUpdatedMeasurands": CURRENT,
        "SampledDataCtrlr.TxEndedMeasurands": f"{ENERGY},{POWER}",
    }
    at = await bench(initial=initial)
    tale = story(T1)
    await at.queue(tale.started(), tale.updated(), tale.ended())
    async with at.running():
        await at.drained()
    sampled = [{each["measurand"] for each in one["meterValue"][0]["sampledValue"]} for one in told(at)]
    assert sampled == [{POWER}, {CURRENT}, {ENERGY, POWER}]


@BOTH
async def test_e05_a_late_verdict_reaches_the_site_and_the_cache(
    version: Version, bench: MakeBench, story: Tell
) -> None:
    at = await bench(version, tokens={"04A1B2C3D4E5F6": "Blocked"})
    tale = story(T1)
    await at.queue(tale.started(), tale.updated())
    async with at.running():
        await at.drained()
    assert at.asked == [ReportVerdict(T1, TokenInfo("04A1B2C3D4E5F6", TokenStatus.BLOCKED))]
    known = await at.store.lookup("operator", "04A1B2C3D4E5F6")
    assert known.cached is not None
    assert known.cached.status is TokenStatus.BLOCKED


@pytest.mark.parametrize(
    "token",
    [Token("08A1B2C3", "08A1B2C3"), Token("04A1B2C3D4E5F6", "SITE-1", billed_by=BilledBy.FREE)],
    ids=["r21 random id", "r20 site account"],
)
async def test_r20_r21_some_tokens_never_enter_the_cache(bench: MakeBench, story: Tell, token: Token) -> None:
    at = await bench()
    await at.queue(story(T1, token=token).started())
    async with at.running():
        await at.drained()
    for uid in (token.uid, token.shown):
        assert (await at.store.lookup("operator", uid)).cached is None


async def test_a_listed_token_is_not_cached(bench: MakeBench, story: Tell) -> None:
    at = await bench()
    await at.store.replace_list("operator", 1, [TokenInfo("04A1B2C3D4E5F6", TokenStatus.ACCEPTED)], full=True)
    await at.queue(story(T1).started())
    async with at.running():
        await at.drained()
    assert (await at.store.lookup("operator", "04A1B2C3D4E5F6")).cached is None


async def test_an_evse_that_left_the_station_has_its_rows_parked(bench: MakeBench, story: Tell) -> None:
    at = await bench()
    await at.queue(story(T1, evse="Z9").started(), story(T2).started())
    async with at.running():
        await at.until_depth(0, parked=1)
    assert steps(at) == [(T2, 0)]
    assert "Z9" in (await at.store.parked(at.route))[0].why


async def test_rows_without_a_message_are_settled_in_silence(bench: MakeBench, story: Tell) -> None:
    at = await bench(V16)
    tale = story(T1)
    await at.queue(tale.started(), replace(tale.updated(), meter=None), tale.ended())
    async with at.running():
        await at.drained()
    assert [each["action"] for each in at.calls(*TELL)] == ["StartTransaction", "StopTransaction"]


async def test_authorise_goes_ahead_of_a_long_queue(bench: MakeBench, story: Tell) -> None:
    at = await bench()
    tale = story(T1)
    await at.queue(tale.started(), *(tale.updated() for _ in range(60)))
    async with at.running():
        await until(lambda: len(at.calls(*TELL)) >= 5)
        async with asyncio.timeout(PATIENCE_S):
            info = await at.station.authorise(Token("AB", "AB"))
        assert info is not None
        assert (await at.store.depth(at.route)).waiting > 0
        await at.drained()
    assert at.violations == []


async def test_the_view_counts_what_waits(bench: MakeBench, story: Tell) -> None:
    at = await bench()
    tale = story(T1)
    await at.queue(tale.started(), tale.updated())
    await at.csms.stop()
    async with at.running():
        await until(lambda: at.station.view().outbox_depth == 2)
        view = at.station.view()
        assert (view.connected, view.registration) == (False, "")
        await until(lambda: bool(at.station.view().last_error))


async def test_a_wire_text_is_action_and_payload(bench: MakeBench, story: Tell) -> None:
    at = await bench(fail={"action": "TransactionEvent", "error": "InternalError", "times": 90})
    await at.queue(story(T1).started())
    async with at.running():
        await until(lambda: len(at.calls(*TELL)) >= 1)
        delivery = await at.store.head(at.route)
    assert delivery is not None
    assert delivery.wire is not None
    assert json.loads(delivery.wire) == ["TransactionEvent", told(at)[0]]
