"""Limits from outside the CSMS are told to it: K11 to K13, R32."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from controller.charging.view import CircuitView, EvseStatus, LimitState, LimitView
from controller.csms.external import _matters
from controller.csms.limits import ExternalLimit, LimitSource
from controller.csms.ocpp2.profiles import external_limit
from controller.csms.schemas import Version
from drivers.api import Phases
from tests.csms.bench import Bench, evse_view, until
from tests.csms.conftest import MakeBench
from tests.csms.messages import fits
from tests.csms.smart_site import smart_site

KINDS = ("NotifyChargingLimit", "ClearedChargingLimit")


def limit(name: str = "dimming", **changes: Any) -> LimitView:
    view = LimitView(
        id=name,
        source="rest",
        scope="charging",
        target="main",
        unit="a",
        state=LimitState.SET,
        value_ma=16_000,
        value_w=None,
        age_s=0,
        expires_in_s=None,
        when_lost="",
        refused="",
        binds=(),
    )
    return replace(view, **changes)


def told(bench: Bench) -> list[tuple[str, dict[str, Any]]]:
    return [(one["action"], one["payload"]) for one in bench.calls(*KINDS)]


async def says(bench: Bench, *limits: LimitView) -> None:
    bench.limits = limits
    bench.station.site_changed()


async def test_k12_fr_02_and_k13_a_limit_is_told_when_it_comes_and_when_it_goes(bench: MakeBench) -> None:
    made = await bench()
    async with made.running():
        await made.accepted()
        await says(made, limit())
        await until(lambda: told(made) == [(KINDS[0], {"chargingLimit": {"chargingLimitSource": "EMS"}})])
        await says(made, limit(value_ma=None))
        await until(lambda: len(told(made)) == 2)
        assert told(made)[1] == (KINDS[1], {"chargingLimitSource": "EMS"})
    assert made.violations == []


async def test_sc_03_a_change_below_the_significance_is_kept_back(bench: MakeBench) -> None:
    made = await bench(initial={"SmartChargingCtrlr.LimitChangeSignificance": "10.5"})
    async with made.running():
        await made.accepted()
        await says(made, limit(value_ma=20_000))
        await until(lambda: len(told(made)) == 1)
        for value_ma in (18_000, 17_950, 17_800):
            await says(made, limit(value_ma=value_ma))
            await asyncio.sleep(0.05)
        await until(lambda: len(told(made)) == 2)


async def test_k11_fr_03_the_schedule_is_told_where_the_csms_wants_it(bench: MakeBench) -> None:
    made = await bench(initial={"SmartChargingCtrlr.NotifyChargingLimitWithSchedules": True})
    async with made.running():
        await made.accepted()
        watts = limit("dso", source="input relay", scope="evse", target="A2", value_ma=None, value_w=4200)
        await says(made, watts)
        await until(lambda: len(told(made)) == 1)
    ((_, payload),) = told(made)
    assert (payload["evseId"], payload["chargingLimit"]) == (2, {"chargingLimitSource": "SO"})
    (schedule,) = payload["chargingSchedule"]
    assert schedule["chargingRateUnit"] == "W"
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 4200}]
    assert made.violations == []


async def test_r32_only_limits_that_concern_the_station_are_told(bench: MakeBench) -> None:
    made = await bench()
    strangers = [
        limit("other evse", scope="evse", target="B1"),
        limit("other circuit", target="elsewhere"),
        limit("other group", scope="group", target="CP-8"),
        limit("nothing", value_ma=None),
    ]
    async with made.running():
        await made.accepted()
        await says(made, *strangers, limit("ours", scope="group", target="CP-7"))
        await until(lambda: len(told(made)) == 1)
        await says(made)
        await until(lambda: len(told(made)) == 2)
    assert [action for action, _ in told(made)] == list(KINDS)


async def test_what_changed_while_the_csms_was_away_is_told_when_it_is_back(bench: MakeBench) -> None:
    made = await bench()
    made.limits = (limit(),)
    async with made.running():
        await until(lambda: len(told(made)) == 1)


async def test_k11_fr_06_external_limits_are_reported_as_profiles(bench: MakeBench) -> None:
    made = await bench()
    made.limits = (
        limit("nothing", value_ma=None),
        limit("dso", source="input relay", scope="evse", target="A2", value_ma=None, value_w=4200),
        limit("ems"),
    )

    async def found(request_id: int, **payload: Any) -> list[tuple[int, str, int]]:
        """EVSE, source and id of all that is reported."""
        asked = {"requestId": request_id, "chargingProfile": {}, **payload}
        status = (await made.call("GetChargingProfiles", asked))["status"]

        def reports() -> list[dict[str, Any]]:
            calls = [one["payload"] for one in made.calls("ReportChargingProfiles")]
            return [one for one in calls if one["requestId"] == request_id]

        if status == "Accepted":
            await until(lambda: bool(reports()) and not reports()[-1]["tbc"])
        return [
            (one["evseId"], one["chargingLimitSource"], profile["id"])
            for one in reports()
            for profile in one["chargingProfile"]
        ]

    async with smart_site(made):
        assert await found(1) == [(2, "SO", -2), (0, "EMS", -3)]
        assert await found(2, chargingProfile={"chargingLimitSource": ["SO"]}) == [(2, "SO", -2)]
        assert await found(3, chargingProfile={"chargingProfilePurpose": "TxProfile"}) == []
        assert await found(4, evseId=0) == [(0, "EMS", -3)]
        assert await found(5, chargingProfile={"chargingProfileId": [-2]}) == [(2, "SO", -2)]
        answer = await made.call("ClearChargingProfile", {"chargingProfileId": -2})
        assert answer["status"] == "Unknown", "K10.FR.09"
        profile = {
            "id": -2,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": [
                {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}
            ],
        }
        answer = await made.call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidProfile"), "K01.FR.05"
    (one,) = next(call["payload"] for call in made.calls("ReportChargingProfiles"))["chargingProfile"]
    assert one["chargingProfilePurpose"] == "ChargingStationExternalConstraints"
    assert one["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 4200}]
    assert made.violations == []


async def test_1_6_has_no_message_for_it(bench: MakeBench) -> None:
    made = await bench(Version.V16)
    made.limits = (limit(),)
    async with made.running():
        await made.accepted()
        made.show("A1", status=EvseStatus.UNAVAILABLE)
        await until(lambda: len(made.calls("StatusNotification")) > 3)
        assert told(made) == []


async def test_a_limit_of_a_circuit_concerns_the_evses_below_it(bench: MakeBench) -> None:
    made = await bench()
    made.evses["A1"] = evse_view("A1", circuit="board")
    nothing = Phases(0, 0, 0)
    made.circuits = tuple(
        CircuitView(name, parent, nothing, nothing, nothing, nothing, measured=False, limited_by="")
        for name, parent in (("site", None), ("hall", "site"), ("board", "hall"))
    )
    made.limits = (limit("above", target="hall"), limit("beside", target="yard"))
    async with made.running():
        await made.accepted()
        await until(lambda: len(told(made)) == 1)
        await says(made)
        await until(lambda: len(told(made)) == 2)


@pytest.mark.parametrize(
    ("before", "after", "percent", "matters"),
    [
        (None, 16, 5, True),
        (16, 16, 0, False),
        (16, 15, 0, True),
        (100, 95, 5, False),
        (100, 94, 5, True),
        (0, 1, 5, True),
    ],
)
def test_sc_03_what_matters(before: int | None, after: int, percent: float, matters: bool) -> None:
    def of(value: int) -> ExternalLimit:
        return ExternalLimit("x", LimitSource.OTHER, None, value)

    assert _matters(None if before is None else of(before), of(after), percent) is matters


def test_another_unit_is_another_limit() -> None:
    amperes, watts = (ExternalLimit("x", LimitSource.OTHER, None, *values) for values in ((16, None), (None, 16)))
    assert _matters(amperes, watts, 50)


def test_the_messages_fit_their_schemas() -> None:
    for one in (ExternalLimit("x", LimitSource.GRID, 1, 6_100), ExternalLimit("x", LimitSource.OTHER, None)):
        fits(Version.V201, external_limit(one, with_schedule=True))
