"""What counts of a declared limit: values, silence, calendars, inputs."""

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from controller.allocation.image import Limit, Scope
from controller.charging.instant import Instant
from controller.charging.local_time import EVERY_DAY, Window
from controller.charging.view import LimitState
from controller.runtime.declared import DeclaredLimits, RefusedError
from controller.runtime.limit_slices import LimitSlice, LimitsSlice, Source, Span, Unit

BERLIN = ZoneInfo("Europe/Berlin")
MAIN = LimitSlice(
    id="grid",
    source=Source.REST,
    scope=Scope.CIRCUIT,
    target="main",
    unit=Unit.A,
    lowest=6000,
    highest=63_000,
    when_lost=16_000,
    expires_s=120.0,
)


@dataclass
class Hands:
    """Limits under a clock that is set by hand."""

    wall: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)
    mono_s: float = 1000.0
    trusted: bool = True
    active: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.limits = DeclaredLimits(now=self.now, active=lambda name: name in self.active)

    def now(self) -> Instant:
        return Instant("boot-1", self.mono_s, self.wall, self.trusted)

    def wait(self, seconds: float) -> None:
        self.mono_s += seconds
        self.wall += timedelta(seconds=seconds)

    def declare(self, *slices: LimitSlice) -> DeclaredLimits:
        self.limits.change_to(LimitsSlice(slices, zone=BERLIN))
        return self.limits

    def stands(self, name: str = "grid") -> tuple[LimitState, int | None]:
        found = self.limits.standing(name)
        return found.state, found.value


def limit(**changes: Any) -> LimitSlice:
    return replace(MAIN, **changes)


def test_before_the_first_value_the_fall_back_counts() -> None:
    hands = Hands()
    assert list(hands.declare(MAIN).current(0.0)) == [Limit("grid", Scope.CIRCUIT, "main", 16_000)]
    hands.declare(limit(when_lost="release"))
    assert hands.stands() == (LimitState.WAITING, None)


def test_a_value_counts_until_it_is_too_old() -> None:
    hands = Hands()
    limits = hands.declare(MAIN)
    limits.say("grid", 40)
    hands.wait(119.9)
    assert hands.stands() == (LimitState.SET, 40_000)
    hands.wait(0.1)
    assert hands.stands() == (LimitState.LOST, 16_000)
    assert list(limits.alarms()) == ["limit grid: its source is silent; 16 A counts instead"]


@pytest.mark.parametrize(("when_lost", "expected"), [("release", None), ("hold", 40_000), (0, 0)])
def test_what_silence_means_is_as_declared(when_lost: Any, expected: int | None) -> None:
    hands = Hands()
    hands.declare(limit(when_lost=when_lost, lowest=0)).say("grid", 40)
    hands.wait(121)
    assert hands.stands() == (LimitState.LOST, expected)


def test_a_withdrawn_limit_does_not_count_until_its_source_is_silent() -> None:
    hands = Hands()
    limits = hands.declare(MAIN)
    limits.say("grid", None)
    assert hands.stands() == (LimitState.FREE, None)
    assert list(limits.current(0.0)) == []
    hands.wait(121)
    assert hands.stands() == (LimitState.LOST, 16_000)


def test_a_value_without_expiry_counts_until_another_comes() -> None:
    hands = Hands()
    hands.declare(limit(expires_s=None)).say("grid", 40)
    hands.wait(10 * 86_400)
    assert hands.stands() == (LimitState.SET, 40_000)


def test_a_source_may_ask_for_less_time_and_not_for_more() -> None:
    hands = Hands()
    limits = hands.declare(MAIN)
    limits.say("grid", 40, 10)
    hands.wait(11)
    assert hands.stands() == (LimitState.LOST, 16_000)
    for wrong in (121, 0, -1, math.nan, math.inf):
        with pytest.raises(RefusedError, match="at most 120"):
            limits.say("grid", 40, wrong)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "nan is no number"),
        (math.inf, "inf is no number"),
        (-1, "-1 A is negative"),
        (5.9, "5.9 A is below 6 A"),
        (63.001, "63.001 A is above 63 A"),
        (1e300, "above 63 A"),
    ],
)
def test_an_implausible_value_is_refused_and_the_last_good_one_stays(value: float, why: str) -> None:
    hands = Hands()
    limits = hands.declare(MAIN)
    limits.say("grid", 40)
    with pytest.raises(RefusedError, match=why):
        limits.say("grid", value)
    assert hands.stands() == (LimitState.SET, 40_000)
    assert any(why in alarm for alarm in limits.alarms())
    hands.wait(121)
    assert hands.stands() == (LimitState.LOST, 16_000), "a refused value refreshes nothing"
    limits.say("grid", 41)
    assert not list(limits.alarms())


def test_a_limit_is_never_taken_for_more_than_was_said() -> None:
    assert Unit.A.inside(Decimal("15.9999")) == 15_999
    assert Unit.KW.inside(Decimal("4.2")) == 4200
    assert Unit.W.inside(Decimal("4200.9")) == 4200


def test_power_is_a_limit_in_watts() -> None:
    hands = Hands()
    limits = hands.declare(limit(unit=Unit.KW, lowest=0, highest=1_000_000, scope=Scope.CHARGING))
    limits.say("grid", 10.5)
    assert list(limits.current(0.0)) == [Limit("grid", Scope.CHARGING, "main", None, value_w=10_500)]


def test_a_register_is_as_old_as_its_reading() -> None:
    hands = Hands()
    limits = hands.declare(limit(source=Source.MODBUS, expires_s=5.0))
    limits.sensed("grid", 20_000, hands.mono_s - 3)
    hands.wait(1.9)
    assert hands.stands() == (LimitState.SET, 20_000)
    hands.wait(0.2)
    assert hands.stands() == (LimitState.LOST, 16_000)


@pytest.mark.parametrize("value", [None, -5, 64_000])
def test_a_register_that_shows_nonsense_is_refused(value: int | None) -> None:
    hands = Hands()
    limits = hands.declare(limit(source=Source.MODBUS))
    limits.sensed("grid", 20_000, hands.mono_s)
    limits.sensed("grid", value, hands.mono_s)
    assert hands.stands() == (LimitState.SET, 20_000)
    assert "refused" in next(iter(limits.alarms()))


def test_an_input_limits_while_it_is_active() -> None:
    hands = Hands()
    hands.declare(limit(source=Source.INPUT, input="relay", value=8000, when_lost=None, expires_s=None))
    assert hands.stands() == (LimitState.FREE, None)
    hands.active.add("relay")
    assert hands.stands() == (LimitState.SET, 8000)


def calendar(*spans: Span) -> LimitSlice:
    return limit(source=Source.CALENDAR, spans=spans, when_lost=None, expires_s=None)


NIGHT = Span(Window(frozenset({0}), 22 * 60, 6 * 60), 10_000)
NOON = Span(Window(EVERY_DAY, 11 * 60, 13 * 60), 20_000)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-23T21:59", None),
        ("2026-11-23T22:00", 10_000),
        ("2026-11-24T05:59", 10_000),
        ("2026-11-24T06:00", None),
        ("2026-11-24T22:00", None),
        ("2026-11-23T05:00", None),
        ("2026-11-24T12:00", 20_000),
    ],
)
def test_a_calendar_goes_by_local_time_and_over_midnight(local: str, expected: int | None) -> None:
    hands = Hands(datetime.fromisoformat(local).replace(tzinfo=BERLIN).astimezone(UTC))
    hands.declare(calendar(NIGHT, NOON))
    assert hands.stands() == (LimitState.FREE if expected is None else LimitState.SET, expected)


@pytest.mark.parametrize(("utc", "inside"), [("2026-07-06T09:30", True), ("2026-12-07T10:30", True)])
def test_summer_and_winter_are_both_right(utc: str, inside: bool) -> None:
    """11:30 on the wall is 09:30 UTC in July and 10:30 UTC in December."""
    hands = Hands(datetime.fromisoformat(utc).replace(tzinfo=UTC))
    hands.declare(calendar(NOON))
    assert (hands.stands()[1] is not None) is inside


def test_where_windows_overlap_the_lowest_value_counts() -> None:
    hands = Hands(datetime(2026, 11, 23, 11, tzinfo=UTC))
    hands.declare(calendar(NOON, Span(Window(), 12_000)))
    assert hands.stands() == (LimitState.SET, 12_000)


def test_r26_a_calendar_without_certain_time_takes_its_lowest_value() -> None:
    hands = Hands(trusted=False)
    limits = hands.declare(calendar(NIGHT, NOON))
    assert hands.stands() == (LimitState.DOUBT, 10_000)
    assert "the time is not certain" in next(iter(limits.alarms()))


def test_r36_a_limit_that_stays_as_it_was_keeps_its_value() -> None:
    hands = Hands()
    limits = hands.declare(MAIN, limit(id="other"))
    limits.say("grid", 40)
    limits.say("other", 50)
    hands.declare(MAIN, limit(id="other", when_lost=7000), limit(id="third", when_lost="release"))
    assert hands.stands("grid") == (LimitState.SET, 40_000)
    assert hands.stands("other") == (LimitState.WAITING, 7000), "declared anew, so nothing was said of it"
    assert hands.stands("third") == (LimitState.WAITING, None)
    hands.declare(limit(id="other", when_lost=7000))
    assert [one.source for one in limits.current(0.0)] == ["other"]


def test_silence_from_the_start_becomes_an_alarm_after_the_declared_time() -> None:
    hands = Hands()
    limits = hands.declare(limit(when_lost="release"))
    assert not list(limits.alarms())
    hands.wait(121)
    assert list(limits.alarms()) == ["limit grid: no value since the start; it does not limit"]
