"""Block K against a CSMS built on the `ocpp` package: the cases of the certification's smart charging profile."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from controller.charging.commands import StartRemotely
from controller.clock import Clock
from controller.csms.wire import timestamp
from controller.store.store import Store
from tests.csms.bench import PATIENCE_S, Bench, until
from tests.csms.conftest import MakeBench
from tests.csms.smart_site import KEY, reason, smart_site

DEFAULT, MAX, TX = "TxDefaultProfile", "ChargingStationMaxProfile", "TxProfile"
WORDS = {DEFAULT: "csms operator (default profile)", MAX: "csms operator (station profile)"}
OF_TRANSACTION = "csms operator (transaction profile)"


def profile(number: int, purpose: str, *periods: tuple[int, float], **changes: Any) -> dict[str, Any]:
    """Relative, unless `startSchedule` is among the changes; so is what belongs to the schedule."""
    of_schedule = ("startSchedule", "duration", "chargingRateUnit", "minChargingRate")
    schedule = {name: changes.pop(name) for name in of_schedule if name in changes}
    phases = changes.pop("numberPhases", None)
    told = [{"startPeriod": start, "limit": limit} for start, limit in periods or [(0, 6.0)]]
    if phases is not None:
        told = [{**one, "numberPhases": phases} for one in told]
    made = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": told, **schedule}
    kind = "Absolute" if "startSchedule" in made else "Relative"
    return {
        "id": number,
        "stackLevel": changes.pop("stackLevel", 0),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": changes.pop("chargingProfileKind", kind),
        "chargingSchedule": [made],
        **changes,
    }


def later(clock: Clock, seconds: float) -> str:
    return timestamp(clock.now().wall.replace(microsecond=0) + timedelta(seconds=seconds))


async def put(bench: Bench, evse: int, told: dict[str, Any]) -> str:
    return reason(await bench.call("SetChargingProfile", {"evseId": evse, "chargingProfile": told}))


async def clear(bench: Bench, **payload: Any) -> str:
    return reason(await bench.call("ClearChargingProfile", payload))


async def reported(bench: Bench, request_id: int, **payload: Any) -> tuple[str, list[dict[str, Any]]]:
    """The status, and the reports that followed."""
    answer = await bench.call("GetChargingProfiles", {"requestId": request_id, "chargingProfile": {}, **payload})

    def reports() -> list[dict[str, Any]]:
        return [
            m["payload"] for m in bench.calls("ReportChargingProfiles") if m["payload"]["requestId"] == request_id
        ]

    if answer["status"] == "Accepted":
        await until(lambda: bool(reports()) and not reports()[-1]["tbc"])
    return answer["status"], reports()


async def scheduled(bench: Bench, evse: int, duration: int, **payload: Any) -> list[tuple[int, float]]:
    answer = await bench.call("GetCompositeSchedule", {"evseId": evse, "duration": duration, **payload})
    assert answer["status"] == "Accepted", answer
    schedule = answer["schedule"]
    assert (schedule["evseId"], schedule["duration"]) == (evse, duration)
    return [(one["startPeriod"], one["limit"]) for one in schedule["chargingSchedulePeriod"]]


@pytest.mark.parametrize("evse", [1, 0])
async def test_tc_k_01_and_10_a_default_is_reported_as_it_was_set(bench: MakeBench, evse: int) -> None:
    made = await bench()
    sent = profile(5, DEFAULT, (0, 6.1), (60, 10), numberPhases=3, duration=300, minChargingRate=6.5,
                   startSchedule="2026-11-23T12:00:00.000Z", validFrom="2026-11-23T11:00:00.000Z")  # fmt: skip
    async with smart_site(made):
        assert await put(made, evse, sent) == "Accepted"
        status, reports = await reported(made, 71, chargingProfile={"chargingProfileId": [5]})
    assert status == "Accepted"
    assert [(one["evseId"], one["chargingProfile"], one["tbc"]) for one in reports] == [(evse, [sent], False)]
    assert reports[0]["chargingLimitSource"] == "CSO"
    assert made.violations == []


async def test_k01_fr_07_a_default_limits_each_evse_and_the_limit_names_the_csms(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made) as site:
        assert await put(made, 0, profile(5, DEFAULT, (0, 10))) == "Accepted"
        await until(lambda: site.limits == {(WORDS[DEFAULT], evse): (10_000, None) for evse in ("A1", "A2")})
        assert await clear(made, chargingProfileId=5) == "Accepted"
        await until(lambda: site.limits == {})


async def test_tc_k_03_a_limit_of_the_station_is_one_for_all_its_evses(bench: MakeBench) -> None:
    made = await bench()
    sent = profile(5, MAX, (0, 6900), chargingRateUnit="W", startSchedule=later(made.clock, -10))
    async with smart_site(made) as site:
        assert await put(made, 0, sent) == "Accepted"
        await until(lambda: site.limits == {(WORDS[MAX], "CP-7"): (10_000, 6900)})


async def test_tc_k_04_the_same_id_replaces(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made) as site:
        for limit in (6, 10):
            assert await put(made, 1, profile(5, DEFAULT, (0, limit))) == "Accepted"
        await until(lambda: site.limits == {(WORDS[DEFAULT], "A1"): (10_000, None)})
        _, reports = await reported(made, 1)
    assert [one["id"] for report in reports for one in report["chargingProfile"]] == [5]


async def test_tc_k_05_to_08_and_24_clearing(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made):
        assert await clear(made, chargingProfileId=5) == "Unknown", "TC_K_08"
        for number, evse, level in ((5, 1, 1), (6, 2, 1), (7, 1, 2)):
            assert await put(made, evse, profile(number, DEFAULT, stackLevel=level)) == "Accepted"
        other = {"chargingProfilePurpose": MAX, "stackLevel": 1}
        assert await clear(made, chargingProfileCriteria=other) == "Unknown", "TC_K_07"
        assert await clear(made, chargingProfileCriteria={"evseId": 9}) == "Unknown"
        this = {"chargingProfilePurpose": DEFAULT, "stackLevel": 1}
        assert await clear(made, chargingProfileCriteria=this) == "Accepted", "TC_K_06 and 24"
        status, reports = await reported(made, 1, chargingProfile=this)
        assert (status, reports) == ("NoProfiles", [])
        assert await clear(made, chargingProfileId=7) == "Accepted", "TC_K_05"
        assert await reported(made, 2) == ("NoProfiles", [])
        assert await clear(made, chargingProfileId=7) == "Unknown"


async def test_tc_k_02_11_14_16_what_is_rejected_and_why(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made) as site:
        named = profile(1, TX, transactionId=KEY)
        assert await put(made, 1, named) == "Rejected/TxNotFound", "TC_K_02: none runs"
        site.runs("A1")
        assert await put(made, 1, profile(1, TX, transactionId="UNKNOWN")) == "Rejected/TxNotFound", "TC_K_16"
        assert await put(made, 2, named) == "Rejected/TxNotFound", "it runs elsewhere"
        assert await put(made, 1, profile(1, TX)) == "Rejected/MissingParam"
        assert await put(made, 0, named) == "Rejected/InvalidProfile", "TC_K_11"
        assert await put(made, 3, profile(1, DEFAULT)) == "Rejected/UnknownEvse", "TC_K_14"
        external = profile(1, "ChargingStationExternalConstraints")
        assert await put(made, 1, external) == "Rejected/InvalidProfile", "K01.FR.22"
        assert await put(made, 0, profile(1, MAX)) == "Rejected/InvalidProfile", "K01.FR.38: relative"
        assert await put(made, 1, profile(1, DEFAULT, (5, 6))) == "Rejected/InvalidSchedule", "K01.FR.31"
        assert await put(made, 1, profile(1, DEFAULT, numberPhases=1)) == "Rejected/UnsupportedParam", "K01.FR.43"
        several = profile(1, DEFAULT)
        several["chargingSchedule"] *= 2
        assert await put(made, 1, several) == "Rejected/InvalidProfile", "K01.FR.34"
        assert await put(made, 1, profile(1, DEFAULT, (0, -6))) == "Rejected/InvalidSchedule"
        bad_time = profile(1, DEFAULT, validFrom="soon")
        answer = await made.call("SetChargingProfile", {"evseId": 1, "chargingProfile": bad_time}, validate=False)
        assert answer["error"] == "PropertyConstraintViolation"
        assert site.limits == {}
        assert await made.store.charging_profiles() == {}


async def test_k01_fr_06_52_53_a_clash_is_rejected(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made):
        assert await put(made, 0, profile(1, DEFAULT)) == "Accepted"
        assert await put(made, 1, profile(2, DEFAULT)) == "Rejected/DuplicateProfile"
        assert await put(made, 1, profile(2, DEFAULT, stackLevel=1)) == "Accepted"
        assert await put(made, 0, profile(3, DEFAULT, stackLevel=1)) == "Rejected/DuplicateProfile"


async def test_tc_k_13_profiles_survive_a_restart(bench: MakeBench, store: Store) -> None:
    made = await bench()
    async with smart_site(made):
        assert await put(made, 1, profile(5, DEFAULT, (0, 9))) == "Accepted"
        assert len(await store.charging_profiles()) == 1, "durable before it was accepted"
    async with smart_site(made) as site:
        await until(lambda: site.limits == {(WORDS[DEFAULT], "A1"): (9_000, None)})


async def test_tc_k_19_recurring(bench: MakeBench) -> None:
    made = await bench()
    daily = profile(5, DEFAULT, (0, 9), startSchedule=later(made.clock, -86_460), chargingProfileKind="Recurring",
                    duration=120, stackLevel=1)  # fmt: skip
    async with smart_site(made):
        assert await put(made, 1, daily) == "Rejected/InvalidProfile", "how often?"
        assert await put(made, 1, {**daily, "recurrencyKind": "Daily"}) == "Accepted"
        (first, *rest) = await scheduled(made, 1, 300)
    assert first == (0, 9.0)
    assert rest[0][1] == 32
    assert 50 <= rest[0][0] <= 60


@pytest.mark.parametrize("unit", ["A", "W"])
async def test_tc_k_21_22_and_39_the_composite_of_validity(bench: MakeBench, unit: str) -> None:
    made, times = await bench(), 1 if unit == "A" else 690
    async with smart_site(made):
        assert await scheduled(made, 0, 300, chargingRateUnit=unit) == [(0, 63 * times)], "TC_K_39"
        future = profile(5, DEFAULT, (0, 6), validFrom=later(made.clock, 300))
        assert await put(made, 1, future) == "Accepted"
        (_, (start, limit)) = await scheduled(made, 1, 400, chargingRateUnit=unit)
        assert limit == 6 * times
        assert 290 <= start <= 300
        assert await clear(made, chargingProfileId=5) == "Accepted"
        past = profile(6, DEFAULT, (0, 6), startSchedule=later(made.clock, 0), validTo=later(made.clock, 300))
        assert await put(made, 0, past) == "Accepted"
        for evse, evses in ((0, 2), (1, 1), (2, 1)):
            (now, after) = await scheduled(made, evse, 400, chargingRateUnit=unit)
            assert now == (0, 6.0 * times * evses), "TC_K_22"
            assert 290 <= after[0] <= 300


async def test_tc_k_42_and_47_schedules_that_cannot_be_told(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made):
        answer = await made.call("GetCompositeSchedule", {"evseId": 3, "duration": 300})
        assert reason(answer) == "Rejected/UnknownEvse"
        assert "schedule" not in answer
        for duration in (0, -5, 10**9):
            answer = await made.call("GetCompositeSchedule", {"evseId": 1, "duration": duration})
            assert reason(answer) == "Rejected/ValueOutOfRange"


async def test_tc_k_28_and_09_a_default_reaches_a_running_transaction_and_leaves_it(bench: MakeBench) -> None:
    made = await bench()
    start = later(made.clock, -5)
    async with smart_site(made) as site:
        site.runs("A1")
        assert await put(made, 1, profile(5, DEFAULT, (0, 6), startSchedule=start, duration=300)) == "Accepted"
        assert (await scheduled(made, 1, 200))[0] == (0, 6)
        assert await clear(made, chargingProfileCriteria={"chargingProfilePurpose": DEFAULT}) == "Accepted"
        assert await scheduled(made, 1, 200) == [(0, 32)]


async def test_tc_k_60_a_txprofile_overrules_and_ends_with_its_transaction(bench: MakeBench, store: Store) -> None:
    made = await bench()
    async with smart_site(made) as site:
        site.runs("A1")
        assert await put(made, 1, profile(4, DEFAULT, (0, 6))) == "Accepted"
        assert await put(made, 1, profile(5, TX, (0, 16), transactionId=KEY)) == "Accepted"
        await until(lambda: site.limits == {(OF_TRANSACTION, "A1"): (16_000, None)})
        (report,) = (await reported(made, 1, chargingProfile={"chargingProfileId": [5]}))[1]
        assert report["chargingProfile"][0]["transactionId"] == KEY
        site.ends("A1")
        await until(lambda: site.limits == {(WORDS[DEFAULT], "A1"): (6_000, None)})
        async with asyncio.timeout(PATIENCE_S):
            while await store.charging_profile_count(made.route) != 1:
                await asyncio.sleep(0.02)


async def test_tc_k_29_to_36_profiles_are_found_by_all_that_is_given(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made):
        assert await put(made, 0, profile(1, MAX, startSchedule=later(made.clock, 0), stackLevel=3)) == "Accepted"
        assert await put(made, 1, profile(2, DEFAULT, stackLevel=3)) == "Accepted"
        assert await put(made, 2, profile(3, DEFAULT, stackLevel=4)) == "Accepted"
        asked: list[tuple[dict[str, Any], list[int]]] = [
            ({"evseId": 0}, [1]),
            ({"evseId": 1}, [2]),
            ({}, [1, 2, 3]),
            ({"chargingProfile": {"chargingProfileId": [1, 9]}}, [1]),
            ({"evseId": 2, "chargingProfile": {"stackLevel": 4}}, [3]),
            ({"evseId": 2, "chargingProfile": {"stackLevel": 3}}, []),
            ({"evseId": 1, "chargingProfile": {"chargingLimitSource": ["CSO"]}}, [2]),
            ({"evseId": 1, "chargingProfile": {"chargingLimitSource": ["EMS", "SO"]}}, []),
            ({"evseId": 1, "chargingProfile": {"chargingProfilePurpose": DEFAULT, "stackLevel": 3}}, [2]),
            ({"evseId": 9}, []),
        ]
        for number, (payload, expected) in enumerate(asked, 100):
            status, reports = await reported(made, number, **payload)
            assert sorted(one["id"] for report in reports for one in report["chargingProfile"]) == expected, payload
            assert status == ("Accepted" if expected else "NoProfiles")


async def test_k09_fr_01_and_02_many_profiles_come_in_several_reports(bench: MakeBench) -> None:
    made = await bench()
    async with smart_site(made):
        for level in range(6):
            assert await put(made, 1, profile(10 + level, DEFAULT, stackLevel=level)) == "Accepted"
        assert await put(made, 0, profile(1, MAX, startSchedule=later(made.clock, 0))) == "Accepted"
        _, reports = await reported(made, 9)
    assert [(one["evseId"], len(one["chargingProfile"]), one["tbc"]) for one in reports] == [
        (0, 1, True), (1, 4, True), (1, 2, False),
    ]  # fmt: skip
    assert made.violations == []


async def test_k05_the_profile_of_a_remote_start_goes_with_it(bench: MakeBench) -> None:
    made = await bench()
    start = {"idToken": {"idToken": "CARD", "type": "Central"}, "remoteStartId": 7, "evseId": 1}
    async with smart_site(made):
        answer = await made.call("RequestStartTransaction", {**start, "chargingProfile": profile(5, TX, (0, 8))})
        assert answer["status"] == "Accepted"
        several = profile(5, TX)
        several["chargingSchedule"] *= 2
        answer = await made.call("RequestStartTransaction", {**start, "chargingProfile": several})
        assert reason(answer) == "Rejected/InvalidProfile"
    (command,) = [one for one in made.asked if isinstance(one, StartRemotely)]
    assert command.profile is not None
    assert command.profile.schedule.periods[0].limit_milli == 8_000


async def test_the_variables_say_what_is_supported_and_how_many_are_installed(bench: MakeBench) -> None:
    made = await bench()

    async def value(variable: str, instance: str | None = None) -> str:
        named = {"name": variable} | ({"instance": instance} if instance else {})
        item = {"component": {"name": "SmartChargingCtrlr"}, "variable": named}
        answer = await made.call("GetVariables", {"getVariableData": [item]})
        told: str = answer["getVariableResult"][0]["attributeValue"]
        return told

    async with smart_site(made):
        assert await value("Entries", "ChargingProfiles") == "0"
        level = int(await value("ProfileStackLevel"))
        assert await put(made, 1, profile(1, DEFAULT, stackLevel=level)) == "Accepted"
        assert await put(made, 1, profile(2, DEFAULT, stackLevel=level + 1)) == "Rejected/InvalidStackLevel"
        periods = int(await value("PeriodsPerSchedule"))
        fine = [(second, 6.0) for second in range(periods + 1)]
        assert await put(made, 2, profile(3, DEFAULT, *fine[:-1])) == "Accepted"
        assert await put(made, 2, profile(3, DEFAULT, *fine)) == "Rejected/InvalidSchedule"
        assert await value("Entries", "ChargingProfiles") == "2"
        assert await value("RateUnit") == "A,W"
        assert await value("Phases3to1") == "false"
