"""The composite schedule: worked by hand from the specifications, and against a reckoning second by second."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.charging.charging_profiles import (
    STATION,
    ChargingProfile,
    Period,
    ProfileKind,
    Purpose,
    RateUnit,
    Recurrence,
    Schedule,
)
from controller.charging.composite import Circumstances, Held, composite, held, held_by_station, milliseconds
from controller.charging.profile_book import Installed
from tests.charging.profiles import DAILY, NOON, WEEKLY, at, default, now, of_transaction, spans, station

DAY = 86_400
Curve = list[tuple[float, float | None]]


def curve(installed: list[Installed], when: Circumstances, duration_s: int, evse: str = "A1") -> Curve:
    """The lowest of what holds, all of one unit: (start, amperes or watts; None: no limit)."""
    told: Curve = []
    for span in spans(installed, when, duration_s, evse):
        limits = [one.limit_milli / 1000 for one in (*span.own, *span.shared)]
        lowest = min(limits) if limits else None
        if not told or told[-1][1] != lowest:
            told.append((span.start_ms / 1000, lowest))
    return told


def test_without_a_profile_nothing_is_limited() -> None:
    assert curve([], now(), 300) == [(0, None)]


def test_k08_stacking_as_in_tc_k_40() -> None:
    """Level 1 for its 150 s, then level 0 where it has got to meanwhile."""
    low = default(1, (0, 6), (100, 8), (200, 10), evse="A1", duration_s=400, valid_from=0, valid_to=401)
    high = default(2, (0, 7), (100, 9), evse="A1", level=1, duration_s=150, valid_from=0, valid_to=401)
    assert curve([low, high], now(5), 350) == [(0, 7), (95, 9), (145, 8), (195, 10)]


def test_k08_purposes_as_in_tc_k_41() -> None:
    """The lowest of the station's and the transaction's; the default below the TxProfile does not count."""
    most = station(1, (0, 10), duration_s=DAY)
    usual = default(2, (0, 6), (60, 10), (120, 8), (180, 15), (260, 8), evse="A1", duration_s=300)
    this = of_transaction(3, (0, 8), (50, 11), (140, 16), (200, 6), (240, 12), start=0, duration_s=260)
    running = now(0, transaction="t-1", elapsed_ms=0)
    assert curve([most, usual, this], running, 400) == [(0, 8), (50, 10), (200, 6), (240, 10), (260, 8), (300, 10)]


def test_k01_fr_30_a_schedule_limits_from_its_start_only() -> None:
    """TC_K_23."""
    one = default(1, (0, 6), evse="A1", start=60, valid_from=50, valid_to=400)
    assert curve([one], now(), 300) == [(0, None), (60, 6)]


def test_k01_fr_36_and_37_validity_begins_at_valid_from_and_ends_before_valid_to() -> None:
    """TC_K_21 and 22."""
    relative = default(1, (0, 6), start=None, valid_from=300)
    assert curve([relative], now(), 400) == [(0, None), (300, 6)]
    absolute = default(2, (0, 6), valid_from=-10, valid_to=300)
    assert curve([absolute], now(), 400) == [(0, 6), (300, None)]


def test_1_6_section_3_13_7_six_kilowatts_by_day_eleven_by_night() -> None:
    watts = RateUnit.WATT
    start = (datetime(2013, 1, 1, tzinfo=UTC) - NOON).total_seconds()
    one = default(100, (0, 11000, 3), (28800, 6000, 3), (72000, 11000, 3), unit=watts, start=start,
                  duration_s=DAY, recurrence=DAILY)  # fmt: skip
    eight_hours, twenty_hours = 8 * 3600, 20 * 3600
    assert curve([one], now(), DAY) == [(0, 6000), (eight_hours, 11000), (twenty_hours, 6000)]


def test_2_0_1_section_3_6_1_two_kilowatts_at_peak_but_not_on_sundays_and_christmas() -> None:
    """The specification's duration of 1080 is taken as the three hours that its text says."""
    watts = RateUnit.WATT

    def since_noon(year: int, month: int, day: int, hour: int = 0) -> float:
        return (datetime(year, month, day, hour, tzinfo=UTC) - NOON).total_seconds()

    peak = default(10, (0, 2000), unit=watts, level=1, start=since_noon(2020, 1, 9, 17), duration_s=10_800,
                   recurrence=DAILY)  # fmt: skip
    sunday = default(11, (0, 999999), unit=watts, level=2, start=since_noon(2020, 1, 5), duration_s=DAY,
                     recurrence=WEEKLY)  # fmt: skip
    christmas = default(12, (0, 999999), unit=watts, level=3, start=since_noon(2020, 12, 25), duration_s=DAY,
                        valid_from=since_noon(2020, 1, 1), valid_to=since_noon(2021, 1, 1))  # fmt: skip
    several = [peak, sunday, christmas]

    def at_six_in_the_evening(year: int, month: int, day: int) -> float | None:
        found = curve(several, now(since_noon(year, month, day, 18)), 1)
        return found[0][1]

    assert at_six_in_the_evening(2020, 12, 24) == 2000, "a Thursday"
    assert at_six_in_the_evening(2020, 12, 25) == 999999, "Christmas, a Friday"
    assert at_six_in_the_evening(2020, 12, 27) == 999999, "a Sunday"
    assert at_six_in_the_evening(2021, 12, 25) == 2000, "a Saturday of another year"
    assert curve(several, now(since_noon(2020, 12, 24, 12)), 86_400) == [
        (0, None), (5 * 3600, 2000), (8 * 3600, None), (12 * 3600, 999999),
    ]  # fmt: skip


def test_k01_fr_11_a_period_that_begins_past_the_duration_is_not_executed() -> None:
    one = default(1, (0, 6), (50, 8), (100, 10), duration_s=80)
    assert curve([one], now(), 200) == [(0, 6), (50, 8), (80, None)]


def test_1_6_errata_3_44_what_lasts_longer_than_the_recurrence_is_cut_off() -> None:
    one = default(1, (0, 6), (DAY - 10, 8), (DAY + 10, 10), duration_s=2 * DAY, recurrence=DAILY)
    assert curve([one], now(), DAY + 30) == [(0, 6), (DAY - 10, 8), (DAY, 6)]


def test_k01_fr_13_between_recurrences_a_lower_level_holds() -> None:
    night = default(1, (0, 6), duration_s=100, recurrence=DAILY, level=3)
    always = default(2, (0, 20), start=None)
    assert curve([night, always], now(), DAY + 50) == [(0, 6), (100, 20), (DAY, 6)]


def test_1_6_errata_3_7_the_highest_level_without_a_duration_never_falls_back() -> None:
    high, low = default(1, (0, 6), (60, 20), level=1), default(2, (0, 10), level=0)
    assert curve([low, high], now(), 200) == [(0, 6), (60, 20)]


def test_k01_fr_42_a_relative_schedule_counts_from_the_start_of_the_transaction() -> None:
    one = of_transaction(1, (0, 6), (100, 16))
    assert curve([one], now(0, transaction="t-1", elapsed_ms=70_000), 60) == [(0, 6), (30, 16)]


def test_k08_fr_06_without_a_transaction_the_default_begins_now() -> None:
    one = default(1, (0, 6), (100, 16), start=None)
    assert curve([one], now(12345), 200) == [(0, 6), (100, 16)]


def test_a_txprofile_is_for_its_transaction_on_its_evse_alone() -> None:
    one, usual = of_transaction(1, (0, 6)), default(2, (0, 20), start=None)
    assert curve([one, usual], now(transaction="t-1"), 9) == [(0, 6)]
    assert curve([one, usual], now(transaction="t-2"), 9) == [(0, 20)]
    assert curve([one, usual], now(), 9) == [(0, 20)]
    assert curve([one, usual], now(transaction="t-1"), 9, evse="A2") == [(0, 20)]


def test_k05_the_profile_of_a_start_holds_before_its_transaction_has_begun() -> None:
    one = Installed("A1", of_transaction(1, (0, 6), transaction=None).profile, start="7:CARD")
    assert curve([one], now(start="7:CARD"), 9) == [(0, 6)]
    assert curve([one], now(start="8:CARD"), 9) == [(0, None)]


def test_1_6_section_3_13_1_a_connectors_own_default_replaces_the_one_for_all_of_its_level() -> None:
    everywhere, own = default(1, (0, 6), start=None), default(2, (0, 16), start=None, evse="A1")
    assert curve([own, everywhere], now(), 9) == [(0, 16)]
    assert curve([own, everywhere], now(), 9, evse="A2") == [(0, 6)]


def test_the_stations_limit_is_kept_apart_for_it_is_shared() -> None:
    (span,) = spans([station(1, (0, 10)), default(2, (0, 6), start=None)], now(), 9)
    assert [one.purpose for one in span.own] == [Purpose.TX_DEFAULT]
    assert [one.purpose for one in span.shared] == [Purpose.STATION_MAX]


def test_too_many_boundaries_are_refused_rather_than_reckoned() -> None:
    busy = default(1, *((second, 6 + second % 2) for second in range(300)), recurrence=DAILY)
    assert composite([busy], "A1", now(), until_ms=7 * DAY * 1000, most=1000) is None


# what is not known


def lowest_known(installed: list[Installed], when: Circumstances) -> float | None:
    found = held(installed, "A1", when)
    return min((one.limit_milli / 1000 for one in found.ceilings), default=None)


def test_r26_without_a_trusted_clock_the_lowest_value_of_a_dated_schedule_holds() -> None:
    one = default(1, (0, 16), (3600, 7), (7200, 20))
    assert lowest_known([one], Circumstances(None)) == 7
    assert held([one], "A1", Circumstances(None)).doubt
    assert not held([one], "A1", now()).doubt


def test_r26_what_is_never_executed_is_not_the_lowest_either() -> None:
    assert lowest_known([default(1, (0, 16), (3600, 7), duration_s=3600)], Circumstances(None)) == 16


def test_r26_a_doubtful_level_does_not_hide_a_lower_one() -> None:
    dated, always = default(1, (0, 16), level=5), default(2, (0, 10), start=None)
    assert lowest_known([dated, always], Circumstances(None)) == 10
    assert lowest_known([dated, always], now()) == 16


def test_r26_a_doubtful_txprofile_does_not_hide_the_default() -> None:
    dated, always = of_transaction(1, (0, 32), start=0), default(2, (0, 10), start=None)
    assert lowest_known([dated, always], Circumstances(None, transaction="t-1")) == 10
    assert lowest_known([dated, always], now(transaction="t-1")) == 32


def test_r26_a_relative_schedule_needs_no_clock() -> None:
    one = of_transaction(1, (0, 6), (60, 16))
    assert lowest_known([one], Circumstances(None, transaction="t-1", elapsed_ms=61_000)) == 16


def test_r26_nobody_knows_how_long_a_transaction_has_run_after_a_reboot_without_a_clock() -> None:
    one = of_transaction(1, (0, 16), (60, 6), (120, 32))
    assert lowest_known([one], Circumstances(None, transaction="t-1", elapsed_ms=None)) == 6


def test_the_stations_limit_too_falls_to_its_lowest_value_in_doubt() -> None:
    found = held_by_station([station(1, (0, 40), (60, 25))], Circumstances(None))
    assert ([one.limit_milli for one in found.ceilings], found.doubt) == ([40_000, 25_000], True)


# against a reckoning that knows no shortcuts


def brute(installed: list[Installed], when: Circumstances, second: int) -> set[tuple[Purpose, int]]:
    """What holds in a second, straight from the words of the specification."""
    holding = set()
    for purposes in ((Purpose.TX, Purpose.TX_DEFAULT), (Purpose.STATION_MAX,)):
        for purpose in purposes:
            best = None
            for place, one in enumerate(installed):
                limit = _brute_limit(one.profile, when, second)
                if one.profile.purpose is not purpose or limit is None or not _concerns(one, when):
                    continue
                rank = (one.profile.stack_level, one.evse == "A1", place)
                if best is None or rank > best[0]:
                    best = (rank, limit)
            if best is not None:
                holding.add((purpose, best[1]))
                break
    return holding


def _concerns(one: Installed, when: Circumstances) -> bool:
    if one.profile.purpose is Purpose.TX:
        return one.evse == "A1" and one.profile.transaction == when.transaction
    return one.evse in {STATION, "A1"}


def _brute_limit(one: ChargingProfile, when: Circumstances, second: int) -> int | None:
    assert when.wall_ms is not None
    assert when.elapsed_ms is not None
    wall = datetime.fromtimestamp(when.wall_ms // 1000 + second, UTC)
    if (one.valid_from and wall < one.valid_from) or (one.valid_to and wall >= one.valid_to):
        return None
    if one.kind is ProfileKind.RELATIVE:
        passed = when.elapsed_ms // 1000 + second
    else:
        assert one.schedule.start is not None
        passed = int((wall - one.schedule.start).total_seconds())
    if passed < 0:
        return None
    if one.kind is ProfileKind.RECURRING:
        passed %= 86_400 if one.recurrence is Recurrence.DAILY else 7 * 86_400
    if one.schedule.duration_s is not None and passed >= one.schedule.duration_s:
        return None
    return [period.limit_milli for period in one.schedule.periods if period.start_s <= passed][-1]


@st.composite
def profiles(draw: st.DrawFn, number: int) -> Installed:
    purpose = draw(st.sampled_from([Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.TX]))
    kinds = list(ProfileKind)[: 2 if purpose is Purpose.STATION_MAX else 3]
    kind = draw(st.sampled_from(kinds))
    starts = sorted({0, *draw(st.lists(st.integers(1, 90), max_size=4))})
    periods = tuple(Period(start, draw(st.integers(0, 32)) * 1000) for start in starts)
    far = draw(st.sampled_from([0, 0, -86_400, -7 * 86_400, -3 * 86_400, 86_400]))
    begin = None if kind is ProfileKind.RELATIVE else at(far + draw(st.integers(-120, 120)))
    duration = draw(st.none() | st.integers(1, 100))
    valid_from = draw(st.none() | st.integers(-60, 60).map(at))
    valid_to = draw(st.none() | st.integers(-60, 90).map(at))
    recurrence = draw(st.sampled_from(list(Recurrence))) if kind is ProfileKind.RECURRING else None
    schedule = Schedule(RateUnit.AMPERE, periods, begin, duration)
    places = {Purpose.STATION_MAX: [STATION], Purpose.TX_DEFAULT: [STATION, "A1", "A2"], Purpose.TX: ["A1", "A2"]}
    transaction = draw(st.sampled_from(["t-1", "t-2"])) if purpose is Purpose.TX else None
    one = ChargingProfile(
        number, draw(st.integers(0, 3)), purpose, kind, schedule, recurrence, valid_from, valid_to, transaction
    )
    return Installed(draw(st.sampled_from(places[purpose])), one)


@given(st.data(), st.integers(0, 8), st.integers(0, 120), st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_composite_is_what_holds_in_each_second(
    data: st.DataObject, count: int, elapsed: int, busy: bool
) -> None:
    installed = [data.draw(profiles(number)) for number in range(count)]
    when = Circumstances(milliseconds(NOON), "t-1" if busy else None, elapsed_ms=elapsed * 1000)
    found = spans(installed, when, 180)
    assert found[0].start_ms == 0
    assert all(one.start_ms < other.start_ms for one, other in pairwise(found))
    for second in range(180):
        span = next(one for one in reversed(found) if one.start_ms <= second * 1000)
        told = {(one.purpose, one.limit_milli) for one in (*span.own, *span.shared)}
        assert told == brute(installed, when, second), second


@given(st.data(), st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_no_value_that_holds_is_below_what_is_reckoned_without_a_clock(data: st.DataObject, count: int) -> None:
    """The lowest that can apply is never above what really applies, whatever the time is."""
    installed = [data.draw(profiles(number)) for number in range(count)]
    blind = Circumstances(None, "t-1", elapsed_ms=None)
    for offset in (0, 30, 3600, 86_400 + 7):
        truly = Circumstances(milliseconds(NOON + timedelta(seconds=offset)), "t-1", elapsed_ms=offset * 1000)
        for real, assumed in (
            (held(installed, "A1", truly), held(installed, "A1", blind)),
            (held_by_station(installed, truly), held_by_station(installed, blind)),
        ):
            if real.ceilings:
                assert _lowest(assumed) <= _lowest(real)


def _lowest(found: Held) -> int:
    return min(one.limit_milli for one in found.ceilings)
