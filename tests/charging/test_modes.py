"""What each mode asks of the allocation, and when a deadline is one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.allocation.image import Deadline, Demand
from controller.charging.instant import Instant
from controller.charging.local_time import clock_minutes, clock_text, next_at
from controller.charging.modes import (
    ByDeadline,
    Fixed,
    Mode,
    Priority,
    Standard,
    Standing,
    Surplus,
    demand_of,
    kind,
    mode_text,
)

BERLIN = ZoneInfo("Europe/Berlin")
BASE = Demand(since_s=5.0, min_ma=8000)
EVENING = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
"""18:30 in Berlin."""
TWENTY_BY_SEVEN = ByDeadline(20_000, 7 * 60)


def moment(wall: datetime, *, boot: str = "boot-1", trusted: bool = True) -> Instant:
    return Instant(boot, 1000.0 + (wall - EVENING).total_seconds(), wall, trusted)


def standing(
    now: datetime = EVENING, since: Instant | None = None, *, delivered_wh: int = 0, trusted: bool = True
) -> Standing:
    return Standing(moment(now, trusted=trusted), since or moment(EVENING), delivered_wh, BERLIN)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (Standard(), "standard"),
        (Standard(3), "standard (weight 3)"),
        (Priority(2), "priority 2"),
        (ByDeadline(20_000, 420), "deadline 20 kWh by 07:00"),
        (ByDeadline(7_500, 0), "deadline 7.5 kWh by 00:00"),
        (Surplus(), "surplus only"),
        (Fixed(10_500), "fixed 10.5 A"),
    ],
)
def test_the_first_word_of_a_modes_text_is_its_kind(mode: Mode, text: str) -> None:
    assert mode_text(mode) == text
    assert text.split(" ")[0] == kind(mode)


@pytest.mark.parametrize(
    ("mode", "demand"),
    [
        (Standard(), BASE),
        (Standard(3), replace(BASE, weight=3)),
        (Priority(2, 4), replace(BASE, priority=2, weight=4)),
        (Surplus(), replace(BASE, surplus=True)),
        (Fixed(10_000, 2), replace(BASE, max_ma=10_000, weight=2)),
    ],
)
def test_r7_a_mode_changes_what_it_says_and_keeps_the_minimum_of_the_token(mode: Mode, demand: Demand) -> None:
    assert demand_of(mode, BASE, standing()) == (demand, "")


def test_a_deadline_asks_for_what_is_left_by_the_next_time_the_clock_shows_it() -> None:
    demand, note = demand_of(TWENTY_BY_SEVEN, BASE, standing(EVENING + timedelta(hours=1), delivered_wh=5_000))
    assert (demand.deadline, note) == (Deadline(15_000, 1000.0 + 12.5 * 3600), "")
    assert replace(demand, deadline=None) == BASE


def test_who_plugs_in_just_after_the_time_has_until_tomorrow() -> None:
    six = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)  # 07:00 in Berlin
    demand, _ = demand_of(TWENTY_BY_SEVEN, BASE, standing(six, moment(six)))
    assert demand.deadline is not None
    assert demand.deadline.departs_s == moment(six).mono_s + 24 * 3600


def test_a_departure_that_has_passed_leaves_a_standard_session() -> None:
    late = EVENING + timedelta(hours=13)
    assert demand_of(TWENTY_BY_SEVEN, BASE, standing(late)) == (BASE, "standard now: 07:00 has passed")
    assert demand_of(TWENTY_BY_SEVEN, BASE, standing(late + timedelta(days=400)))[0] == BASE


def test_energy_that_is_delivered_leaves_a_standard_session() -> None:
    demand, note = demand_of(TWENTY_BY_SEVEN, BASE, standing(delivered_wh=20_000))
    assert (demand, note) == (BASE, "standard now: that energy is delivered")


def test_r26_a_deadline_is_not_reckoned_with_a_time_that_is_not_certain() -> None:
    assert demand_of(TWENTY_BY_SEVEN, BASE, standing(trusted=False)) == (
        BASE,
        "standard for now: the time is not certain",
    )


def test_r26_a_plug_in_of_this_boot_is_placed_by_the_time_that_is_certain_by_now() -> None:
    """When it came the clock said 2020; by now everybody knows better."""
    uncertain = Instant("boot-1", 1000.0, datetime(2020, 1, 1, tzinfo=UTC), trusted=False)
    demand, _ = demand_of(TWENTY_BY_SEVEN, BASE, standing(EVENING + timedelta(hours=1), uncertain))
    assert demand.deadline == Deadline(20_000, 1000.0 + 12.5 * 3600)


def test_r26_a_plug_in_of_another_boot_counts_where_its_time_was_certain() -> None:
    before = moment(EVENING, boot="boot-0")
    assert demand_of(TWENTY_BY_SEVEN, BASE, standing(since=before))[0].deadline is not None
    demand, note = demand_of(TWENTY_BY_SEVEN, BASE, standing(since=replace(before, trusted=False)))
    assert demand == BASE
    assert note == "standard: it is not certain when the time up to 07:00 began"


def test_a_site_without_local_time_has_no_deadlines() -> None:
    demand, note = demand_of(TWENTY_BY_SEVEN, BASE, replace(standing(), zone=None))
    assert (demand, note) == (BASE, "standard for now: the site has no time zone")


WALLS = st.datetimes(timezones=st.just(UTC))
INSTANTS = st.builds(Instant, st.sampled_from(["boot-1", "boot-0"]), st.floats(-1e12, 1e12), WALLS, st.booleans())


@given(INSTANTS, st.floats(0, 3e8), st.integers(0, 1439), st.integers(1, 100_000), st.integers(0, 100_000))
def test_whatever_a_stored_plug_in_says_a_deadline_lies_within_a_day_from_now_or_is_none(
    since: Instant, ahead_s: float, by_min: int, energy_wh: int, delivered_wh: int
) -> None:
    place = standing(EVENING + timedelta(seconds=ahead_s), since, delivered_wh=delivered_wh)
    demand, note = demand_of(ByDeadline(energy_wh, by_min), BASE, place)
    if demand.deadline is None:
        assert demand == BASE
        assert note
        return
    assert demand.deadline.energy_wh == energy_wh - delivered_wh > 0
    assert 0 < demand.deadline.departs_s - place.now.mono_s <= 25 * 3600 + 1


YEARS = st.datetimes(
    datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2100-01-01"), timezones=st.just(UTC)
)
ZONES = st.sampled_from(["Europe/Berlin", "UTC", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]).map(
    ZoneInfo
)


@given(YEARS, st.integers(0, 1439), ZONES)
def test_the_next_time_is_the_first_after_at_which_the_clock_shows_it(
    after: datetime, by_min: int, zone: ZoneInfo
) -> None:
    found = next_at(by_min, after=after, zone=zone)
    assert after < found <= after + timedelta(hours=49 if zone.key == "Pacific/Apia" else 25)
    local = found.astimezone(zone)
    if (local.hour * 60 + local.minute, local.second) == (by_min, 0):
        earlier = next_shown(by_min, after, found, zone)
        assert earlier is None
    else:  # only on a day on which the clock leaves that time out
        day = local.replace(hour=by_min // 60, minute=by_min % 60, second=0, microsecond=0, tzinfo=None)
        assert not shows(day, zone)


def shows(clock: datetime, zone: ZoneInfo) -> bool:
    return clock.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == clock


def next_shown(by_min: int, after: datetime, before: datetime, zone: ZoneInfo) -> datetime | None:
    """By looking at the clock each minute, which starts with a full one in every zone of today."""
    look = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while look < before:
        local = look.astimezone(zone)
        if local.hour * 60 + local.minute == by_min:
            return look
        look += timedelta(minutes=1)
    return None


@pytest.mark.parametrize(
    ("after", "clock", "found"),
    [
        ("2026-03-28T23:30+00:00", "02:30", "2026-03-29T00:30+00:00"),  # left out: 01:30, an hour early
        ("2026-03-29T00:45+00:00", "02:30", "2026-03-29T01:30+00:00"),  # left out: 03:30
        ("2026-10-24T22:00+00:00", "02:30", "2026-10-25T00:30+00:00"),  # twice: the first
        ("2026-10-25T00:45+00:00", "02:30", "2026-10-25T01:30+00:00"),  # twice: the second
        ("2026-10-24T22:00+00:00", "07:00", "2026-10-25T06:00+00:00"),  # nine hours by the clock, but eight to go
    ],
)
def test_summer_time_comes_and_goes(after: str, clock: str, found: str) -> None:
    moment_after = datetime.fromisoformat(after)
    assert next_at(clock_minutes(clock), after=moment_after, zone=BERLIN) == datetime.fromisoformat(found)


@given(st.integers(0, 1440))
def test_a_time_of_day_reads_as_it_is_written(minutes: int) -> None:
    assert clock_minutes(clock_text(minutes)) == minutes


@pytest.mark.parametrize("text", ["7:00", "24:01", "07:60", "0700", "07:00:00", "", "٠٧:٠٠", " 07:00", "-1:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time of day"):
        clock_minutes(text)
