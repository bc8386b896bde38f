"""Which rule matches, and which never can."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.charging.charging_rules import (
    ChargingRule,
    Circumstances,
    RuleBook,
    When,
    first_match,
    never_reached,
)
from controller.charging.local_time import DAY_MIN, EVERY_DAY, WEEK_MIN, WHOLE_WEEK, Window
from controller.charging.modes import STANDARD, ByDeadline, Mode, Priority, Surplus
from controller.charging.tokens import Token

NIGHT = Window(from_min=22 * 60, to_min=6 * 60)
TUESDAY_3 = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ALICE = Token("04A1B2C3", "04A1B2C3", group="Staff")
NOW = Circumstances("A1", ALICE, TUESDAY_3, active=lambda name: name == "sun")


def rule(name: str, when: When) -> ChargingRule:
    return ChargingRule(name, when, Surplus())


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        (When(), True),
        (When(users=frozenset({"04a1b2c3", "x"})), True),
        (When(users=frozenset({"04666666"})), False),
        (When(groups=frozenset({"staff"})), True),
        (When(groups=frozenset({"guests"})), False),
        (When(groups=frozenset({"guests"}), members=frozenset({"04a1b2c3"})), True),
        (When(evses=frozenset({"A1", "A2"})), True),
        (When(evses=frozenset({"A2"})), False),
        (When(window=NIGHT), True),
        (When(window=Window(from_min=6 * 60, to_min=22 * 60)), False),
        (When(input="sun"), True),
        (When(input="rain"), False),
        (When(evses=frozenset({"A1"}), input="rain"), False),
        (When(users=frozenset({"04a1b2c3"}), groups=frozenset({"guests"})), False),
    ],
)
def test_all_conditions_of_a_rule_hold_together(when: When, matches: bool) -> None:
    assert (first_match([rule("r", when)], NOW) is not None) is matches


def test_the_first_rule_that_matches_wins() -> None:
    rules = [rule("other", When(evses=frozenset({"A2"}))), rule("night", When(window=NIGHT)), rule("all", When())]
    assert first_match(rules, NOW) is rules[1]
    assert first_match(rules, replace(NOW, local=TUESDAY_3.replace(hour=12))) is rules[2]
    assert first_match(rules[:2], replace(NOW, evse="B1", local=None)) is None


def test_r26_a_rule_by_time_does_not_match_while_the_time_is_not_certain() -> None:
    rules = [rule("night", When(window=NIGHT)), rule("all", When())]
    assert first_match(rules, replace(NOW, local=None)) is rules[1]


def test_a_token_without_a_group_is_in_none() -> None:
    alone = replace(NOW, token=Token("04FF", "04FF"))
    assert first_match([rule("r", When(groups=frozenset({"staff"})))], alone) is None


@pytest.mark.parametrize(
    ("rules", "needs"),
    [
        ((), False),
        ((rule("r", When()),), False),
        ((rule("r", When(window=NIGHT)),), True),
        ((ChargingRule("r", When(), ByDeadline(1000, 0)),), True),
    ],
)
def test_a_book_knows_whether_it_needs_the_time(rules: tuple[ChargingRule, ...], needs: bool) -> None:
    assert RuleBook(rules).needs_time is needs


@pytest.mark.parametrize(
    ("mode", "needs"), [(ByDeadline(1000, 0), "site.time_zone"), (Surplus(), "meter at the grid connection")]
)
def test_a_mode_that_a_site_cannot_have_says_what_it_needs(mode: Mode, needs: str) -> None:
    assert needs in (RuleBook().hindrance(mode) or "")
    assert RuleBook(zone=UTC, export_measured=True).hindrance(mode) is None


MINUTES = st.integers(0, DAY_MIN - 1)
DAYS = st.frozensets(st.integers(0, 6), min_size=1)
WINDOWS = st.builds(Window, DAYS, MINUTES, st.integers(0, DAY_MIN)).filter(lambda one: one.from_min != one.to_min)
MOMENTS = st.datetimes(datetime.fromisoformat("2020-01-01"), timezones=st.just(UTC))
BERLIN = ZoneInfo("Europe/Berlin")


@given(WINDOWS, MOMENTS)
def test_a_window_holds_from_a_begin_on_one_of_its_days_until_the_next_end(window: Window, now: datetime) -> None:
    """By the clock on the wall, back to the last time that it showed the begin."""
    local = now.astimezone(BERLIN)
    minute = local.hour * 60 + local.minute
    begin = local.replace(tzinfo=None) - timedelta(minutes=(minute - window.from_min) % DAY_MIN)
    length = (window.to_min - window.from_min) % DAY_MIN or DAY_MIN
    inside = (minute - window.from_min) % DAY_MIN < length and begin.weekday() in window.days
    assert window.holds(local) is inside


@given(MINUTES, MINUTES, MOMENTS)
@example(120, 180, datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC))
@example(120, 180, datetime(2026, 3, 29, 1, 0, tzinfo=UTC))
@example(120, 180, datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
@example(120, 180, datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
def test_at_any_moment_either_a_window_or_the_rest_of_the_day_holds(begin: int, end: int, now: datetime) -> None:
    if begin == end:
        return
    local = now.astimezone(BERLIN)
    inside = Window(EVERY_DAY, begin, end).holds(local)
    outside = Window(EVERY_DAY, end, begin or DAY_MIN).holds(local)
    assert inside is not outside


@pytest.mark.parametrize(
    ("clock", "inside"),
    [
        ("2026-03-29T00:59+00:00", False),  # 01:59, then the clock shows 03:00
        ("2026-03-29T01:00+00:00", False),
        ("2026-10-25T00:30+00:00", True),  # 02:30 for the first time
        ("2026-10-25T01:30+00:00", True),  # and for the second
        ("2026-10-25T02:00+00:00", False),
    ],
)
def test_an_hour_left_out_is_in_no_window_and_one_shown_twice_is_in_it_twice(clock: str, inside: bool) -> None:
    window = Window(from_min=2 * 60, to_min=3 * 60)
    assert window.holds(datetime.fromisoformat(clock).astimezone(BERLIN)) is inside


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday_night = Window(frozenset({4}), 22 * 60, 6 * 60)
    friday = datetime(2026, 11, 27, tzinfo=UTC)
    assert [friday_night.holds(friday + timedelta(hours=hours)) for hours in (3, 21, 22, 27, 30, 46)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


@given(WINDOWS)
def test_the_minutes_of_a_window_are_those_in_which_it_holds(window: Window) -> None:
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    bits = window.week()
    assert 0 < bits <= WHOLE_WEEK
    for minute in range(0, WEEK_MIN, 7):
        assert bool(bits >> minute & 1) is window.holds(monday + timedelta(minutes=minute))


def hidden(*rules: ChargingRule) -> list[tuple[str, list[str]]]:
    found = never_reached(rules, frozenset({"A1", "A2"}))
    return [(one.id, hiding) for one, hiding in found]


STAFF = When(groups=frozenset({"staff"}))
DAY = Window(from_min=6 * 60, to_min=22 * 60)


def test_a_rule_behind_one_that_always_matches_never_does() -> None:
    assert hidden(rule("all", When()), rule("staff", STAFF)) == [("staff", ["all"])]
    assert hidden(rule("staff", STAFF), rule("all", When())) == []


def test_naming_every_evse_is_as_wide_as_naming_none() -> None:
    both = rule("both", When(evses=frozenset({"A1", "A2"})))
    assert hidden(both, rule("staff", STAFF)) == [("staff", ["both"])]
    assert hidden(rule("one", When(evses=frozenset({"A1"}))), rule("staff", STAFF)) == []


def test_a_rule_behind_a_wider_one_of_the_same_sort_never_matches() -> None:
    wide = rule("wide", When(users=frozenset({"a", "b"}), input="sun"))
    assert hidden(wide, rule("n", When(users=frozenset({"a"}), input="sun"))) == [("n", ["wide"])]
    assert hidden(wide, rule("n", When(users=frozenset({"a"}), input="rain"))) == []
    assert hidden(wide, rule("n", When(users=frozenset({"a", "c"}), input="sun"))) == []
    assert hidden(wide, rule("n", When(input="sun"))) == []


def test_windows_hide_together_what_none_hides_alone() -> None:
    day, night = rule("day", When(window=DAY)), rule("night", When(window=NIGHT))
    lunch = rule("lunch", When(window=Window(frozenset({0}), 11 * 60, 23 * 60)))
    assert hidden(day, night, lunch) == [("lunch", ["day", "night"])]
    assert hidden(day, lunch) == []
    other = rule("rain", When(window=NIGHT, input="rain"))
    assert hidden(day, other, lunch) == []


def test_r26_windows_hide_no_rule_that_counts_while_the_time_is_not_certain() -> None:
    assert hidden(rule("day", When(window=DAY)), rule("night", When(window=NIGHT)), rule("all", When())) == []


SETS = st.frozensets(st.sampled_from(["a", "b"]))
WHENS = st.builds(
    When,
    users=SETS,
    groups=SETS,
    evses=SETS.map(lambda names: frozenset(name.upper() for name in names)),
    window=st.none() | st.builds(Window, DAYS, st.sampled_from([0, 360, 720]), st.sampled_from([240, 600, 1440])),
    input=st.sampled_from([None, "sun", "rain"]),
)
SITUATIONS = st.builds(
    Circumstances,
    evse=st.sampled_from(["A", "B"]),
    token=st.builds(
        Token, st.sampled_from(["a", "b", "c"]), st.just(""), group=st.sampled_from([None, "a", "b", "c"])
    ),
    local=st.none() | st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2026-12-31")),
    active=st.frozensets(st.sampled_from(["sun", "rain"])).map(lambda names: names.__contains__),
)


@given(st.lists(WHENS, min_size=2, max_size=4), st.lists(SITUATIONS, min_size=1, max_size=20))
def test_what_is_said_never_to_match_never_does(whens: list[When], situations: list[Circumstances]) -> None:
    rules = [ChargingRule(str(place), when, Priority() if place else STANDARD) for place, when in enumerate(whens)]
    never = {one.id for one, _ in never_reached(rules, frozenset({"A", "B"}))}
    for situation in situations:
        match = first_match(rules, situation)
        assert match is None or match.id not in never
