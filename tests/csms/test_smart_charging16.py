"""The feature profile SmartCharging of OCPP 1.6 against a CSMS built on the `ocpp` package."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from controller.charging.commands import StartRemotely
from controller.charging.view import DcView
from controller.clock import Clock
from controller.csms.schemas import Version
from controller.csms.wire import timestamp
from tests.csms.bench import Bench, Story, until
from tests.csms.conftest import MakeBench
from tests.csms.smart_site import KEY, reason, smart_site

DEFAULT, MAX, TX = "TxDefaultProfile", "ChargePointMaxProfile", "TxProfile"
WORDS = {
    DEFAULT: "csms operator (default profile)",
    MAX: "csms operator (station profile)",
    TX: "csms operator (transaction profile)",
}


def profile(number: int, purpose: str, *periods: tuple[int, float], **changes: Any) -> dict[str, Any]:
    """Relative, unless `startSchedule` is among the changes; so is what belongs to the schedule."""
    of_schedule = ("startSchedule", "duration", "chargingRateUnit", "minChargingRate")
    schedule = {name: changes.pop(name) for name in of_schedule if name in changes}
    told = [{"startPeriod": start, "limit": limit} for start, limit in periods or [(0, 6.0)]]
    made = {"chargingRateUnit": "A", "chargingSchedulePeriod": told, **schedule}
    kind = "Absolute" if "startSchedule" in made else "Relative"
    return {
        "chargingProfileId": number,
        "stackLevel": changes.pop("stackLevel", 0),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": changes.pop("chargingProfileKind", kind),
        "chargingSchedule": made,
        **changes,
    }


def later(clock: Clock, seconds: float) -> str:
    return timestamp(clock.now().wall.replace(microsecond=0) + timedelta(seconds=seconds))


async def put(bench: Bench, connector: int, told: dict[str, Any]) -> str:
    return reason(await bench.call("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": told}))


async def clear(bench: Bench, **payload: Any) -> str:
    return reason(await bench.call("ClearChargingProfile", payload))


async def scheduled(bench: Bench, connector: int, duration: int, **payload: Any) -> list[tuple[int, float]]:
    asked = {"connectorId": connector, "duration": duration, **payload}
    answer = await bench.call("GetCompositeSchedule", asked)
    assert answer["status"] == "Accepted", answer
    schedule = answer["chargingSchedule"]
    assert (answer["connectorId"], schedule["duration"]) == (connector, duration)
    assert "startSchedule" not in schedule, "errata 3.57"
    return [(one["startPeriod"], one["limit"]) for one in schedule["chargingSchedulePeriod"]]


@pytest.fixture
async def made(bench: MakeBench) -> Bench:
    return await bench(Version.V16)


async def test_tc_056_a_default_limits_each_connector(made: Bench) -> None:
    async with smart_site(made) as site:
        assert await put(made, 0, profile(1, DEFAULT, (0, 16.1), (60, 10))) == "Accepted"
        await until(lambda: site.limits == {(WORDS[DEFAULT], evse): (16_100, None) for evse in ("A1", "A2")})
        assert await scheduled(made, 1, 90) == [(0, 16.1), (60, 10)]
        assert await put(made, 2, profile(2, DEFAULT, (0, 8))) == "Accepted", "3.13.1: replaced there alone"
        await until(lambda: site.limits[WORDS[DEFAULT], "A2"] == (8_000, None))
        assert site.limits[WORDS[DEFAULT], "A1"] == (16_100, None)
    assert made.violations == []


async def test_tc_057_a_txprofile_needs_a_running_transaction(made: Bench, story: Callable[..., Story]) -> None:
    async with smart_site(made) as site:
        assert await put(made, 1, profile(1, TX)) == "Rejected"
        await made.queue(story(KEY).started())
        await made.drained()
        number = int(await made.store.remote_id(made.route, KEY) or "")
        site.runs("A1")
        assert await put(made, 1, profile(1, TX, transactionId=number + 1)) == "Rejected"
        assert await put(made, 0, profile(1, TX, transactionId=number)) == "Rejected"
        assert await put(made, 1, profile(1, TX, (0, 9), transactionId=number)) == "Accepted"
        await until(lambda: site.limits == {(WORDS[TX], "A1"): (9_000, None)})
        assert await put(made, 1, profile(2, TX, (0, 7))) == "Accepted", "of the one that runs; the same level"
        await until(lambda: site.limits == {(WORDS[TX], "A1"): (7_000, None)})
        site.ends("A1")
        await until(lambda: site.limits == {})


async def test_section_5_16_the_same_purpose_and_level_replaces(made: Bench) -> None:
    async with smart_site(made) as site:
        assert await put(made, 1, profile(1, DEFAULT, (0, 9))) == "Accepted"
        assert await put(made, 1, profile(2, DEFAULT, (0, 8))) == "Accepted"
        await until(lambda: site.limits == {(WORDS[DEFAULT], "A1"): (8_000, None)})
        assert await clear(made, id=1) == "Unknown"
        assert await clear(made, id=2) == "Accepted"


async def test_tc_067_and_errata_3_25_clearing(made: Bench) -> None:
    async with smart_site(made) as site:
        assert await clear(made) == "Unknown", "there is nothing"
        for number, connector, level in ((1, 1, 0), (2, 1, 1), (3, 2, 0)):
            assert await put(made, connector, profile(number, DEFAULT, stackLevel=level)) == "Accepted"
        assert await clear(made, connectorId=9) == "Unknown"
        assert await clear(made, connectorId=1, stackLevel=0, chargingProfilePurpose=MAX) == "Unknown"
        assert await clear(made, connectorId=1, stackLevel=0, chargingProfilePurpose=DEFAULT) == "Accepted"
        assert await clear(made, id=3, connectorId=1) == "Accepted", "errata 3.26: the id alone counts"
        await until(lambda: set(site.limits) == {(WORDS[DEFAULT], "A1")})
        assert await clear(made) == "Accepted", "nothing given: all"
        await until(lambda: site.limits == {})


async def test_tc_066_and_072_the_composite_of_levels_and_purposes(made: Bench) -> None:
    start = later(made.clock, 0)
    async with smart_site(made):
        assert await put(made, 0, profile(1, MAX, (0, 12), startSchedule=start, duration=86_400)) == "Accepted"
        low = profile(2, DEFAULT, (0, 6), (100, 8), (200, 20), startSchedule=start, duration=400)
        high = profile(3, DEFAULT, (0, 7), (100, 9), startSchedule=start, duration=150, stackLevel=1)
        assert await put(made, 1, low) == "Accepted"
        assert await put(made, 1, high) == "Accepted"
        (now, *rest) = await scheduled(made, 1, 350)
        watts = await scheduled(made, 1, 350, chargingRateUnit="W")
    assert now == (0, 7.0)
    assert [limit for _, limit in rest] == [9, 8, 12]
    assert [limit for _, limit in watts] == [690 * amperes for amperes in (7, 9, 8, 12)]
    assert [later_ - rest[0][0] for later_, _ in rest] == [0, 50, 100]


async def test_errata_3_34_a_power_limit_is_left_to_the_phases_in_use(made: Bench) -> None:
    async with smart_site(made) as site:
        assert await put(made, 1, profile(1, DEFAULT, (0, 4140), chargingRateUnit="W")) == "Accepted"
        await until(lambda: site.limits == {(WORDS[DEFAULT], "A1"): (None, 4140)})
        assert await scheduled(made, 1, 60) == [(0, 6)]


@pytest.mark.parametrize("kind", ["Relative", "Absolute"])
async def test_a_limit_of_the_charge_point_without_a_start_begins_when_it_is_set(made: Bench, kind: str) -> None:
    async with smart_site(made) as site:
        told = profile(1, MAX, (0, 20), (3600, 40), chargingProfileKind=kind)
        assert await put(made, 0, told) == "Accepted"
        await until(lambda: site.limits == {(WORDS[MAX], "CP-7"): (20_000, None)})
        (_, (change, _)) = await scheduled(made, 0, 4000)
        assert 3590 <= change <= 3600


async def test_what_is_rejected(made: Bench) -> None:
    async with smart_site(made):
        assert await put(made, 1, profile(1, MAX, startSchedule=later(made.clock, 0))) == "Rejected"
        assert await put(made, 1, profile(1, DEFAULT, (5, 6))) == "Rejected"
        assert await put(made, 1, profile(1, DEFAULT, stackLevel=10)) == "Rejected"
        empty = profile(1, DEFAULT)
        empty["chargingSchedule"]["chargingSchedulePeriod"] = []
        assert await put(made, 1, empty) == "Rejected"
        assert reason(await made.call("GetCompositeSchedule", {"connectorId": 3, "duration": 60})) == "Rejected"
        unknown = {"connectorId": 3, "csChargingProfiles": profile(1, DEFAULT)}
        assert (await made.call("SetChargingProfile", unknown))["error"] == "PropertyConstraintViolation"
        unit = profile(1, DEFAULT, chargingRateUnit="Wh")
        answer = await made.call(
            "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": unit}, validate=False
        )
        assert answer["error"] == "PropertyConstraintViolation", "errata 3.38"


async def test_tc_059_the_profile_of_a_remote_start_goes_with_it(made: Bench) -> None:
    async with smart_site(made):
        payload = {"connectorId": 1, "idTag": "CARD", "chargingProfile": profile(5, TX, (0, 8))}
        assert (await made.call("RemoteStartTransaction", payload))["status"] == "Accepted"
    (command,) = [one for one in made.asked if isinstance(one, StartRemotely)]
    assert command.profile is not None
    assert command.profile.schedule.periods[0].limit_milli == 8_000


async def test_section_9_4_the_configuration_keys(made: Bench) -> None:
    async with smart_site(made):
        answer = await made.call("GetConfiguration", {})
    told = {one["key"]: (one["value"], one["readonly"]) for one in answer["configurationKey"] if "value" in one}
    assert told["ChargingScheduleAllowedChargingRateUnit"] == ("Current,Power", True)
    assert told["ChargeProfileMaxStackLevel"] == ("9", True)
    assert told["ChargingScheduleMaxPeriods"] == ("300", True)
    assert told["MaxChargingProfilesInstalled"] == ("200", True)
    assert told["ConnectorSwitch3to1PhaseSupported"] == ("false", True)
    assert "SmartCharging" in told["SupportedFeatureProfiles"][0].split(",")


@pytest.mark.parametrize(
    ("kinds", "units"),
    [((True, True), "Power"), ((True, False), "Current,Power"), ((False, False), "Current,Power")],
)
async def test_r9_a_station_of_dc_outlets_alone_takes_watts_only(
    made: Bench, kinds: tuple[bool, bool], units: str
) -> None:
    for evse, dc in zip(made.slice.stations[0].evses, kinds, strict=True):
        made.show(evse, dc=DcView(0, None, ()) if dc else None)
    values = made.station.present().values
    assert values["ChargingScheduleAllowedChargingRateUnit"] == units
    assert values["SmartChargingCtrlr.RateUnit"] == ("W" if all(kinds) else "A,W")
