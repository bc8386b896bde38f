"""Charging rules are read as they say, and what cannot be meant is named by its key."""

import tomllib
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.charging.charging_rules import ChargingRule, When
from controller.charging.local_time import EVERY_DAY, Window
from controller.charging.modes import ByDeadline, Fixed, Priority, Standard, Surplus
from controller.config.read import read
from tests.config.conftest import Desk
from tests.config.test_any_data import SOUND, VALUES, Path_, changed, examine, places

ZONE = ("cycle_s = 1.0", 'cycle_s = 1.0\ntime_zone = "Europe/Berlin"')
GROUP = ('alias = "SITE-1" ', 'group = "Staff"\nalias = "SITE-1" ')

RULES = """
[[rules]]
id = "caretaker"
when = { users = ["Caretaker"], evses = ["A1", "A2"] }
mode = "priority"
priority = 2
weight = 3

[[rules]]
id = "staff-by-day"
when = { groups = ["Staff"], from = "08:00", to = "16:30", days = ["mo", "fr"] }
mode = "surplus"

[[rules]]
id = "night"
when = { from = "22:00", to = "06:00" }
mode = "deadline"
energy_kwh = 20.5
by = "07:00"

[[rules]]
id = "sunday"
when = { days = ["su"] }
mode = "fixed"
max_current_a = 10.5

[[rules]]
id = "guests"
when = { users = ["04:b2:c3:d4", "app-77"] }
mode = "standard"

[[rules]]
id = "everybody"
mode = "standard"
weight = 2
"""


def rule(*lines: str, name: str = "r") -> str:
    return "\n".join(["", "[[rules]]", f'id = "{name}"', *lines, ""])


def with_rules(desk: Desk, text: str) -> None:
    desk.text += text


def test_rules_are_read_in_their_order_as_they_say(desk: Desk) -> None:
    with_rules(desk, RULES)
    book = read(desk.write(ZONE, GROUP)).rules
    assert book.zone == ZoneInfo("Europe/Berlin")
    caretaker = When(users=frozenset({"04a1b2c3d4e5f6"}), evses=frozenset({"A1", "A2"}))
    staff = When(
        groups=frozenset({"staff"}),
        members=frozenset({"04a1b2c3d4e5f6"}),
        window=Window(frozenset({0, 4}), 8 * 60, 16 * 60 + 30),
    )
    assert book.rules == (
        ChargingRule("caretaker", caretaker, Priority(2, 3)),
        ChargingRule("staff-by-day", staff, Surplus()),
        ChargingRule("night", When(window=Window(EVERY_DAY, 22 * 60, 6 * 60)), ByDeadline(20_500, 7 * 60)),
        ChargingRule("sunday", When(window=Window(frozenset({6}))), Fixed(10_500)),
        ChargingRule("guests", When(users=frozenset({"04b2c3d4", "app-77"})), Standard()),
        ChargingRule("everybody", When(), Standard(2)),
    )


def test_a_rule_may_look_at_a_digital_input(desk: Desk) -> None:
    with_rules(desk, '\n[[inputs]]\nid = "sun"\npath = "sun.txt"\n')
    with_rules(desk, rule('mode = "surplus"', 'when = { input = "sun" }'))
    assert read(desk.write()).rules.rules == (ChargingRule("r", When(input="sun"), Surplus()),)


def test_a_site_without_rules_needs_no_time_zone(desk: Desk) -> None:
    book = read(desk.write()).rules
    assert (book.rules, book.zone, book.export_measured) == ((), None, True)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (['mode = "turbo"'], "mode: must be 'standard', 'priority', 'deadline', 'surplus' or 'fixed', not 'turbo'"),
        (
            ['mode = "surplus"', "weight = 2"],
            "weight: belongs to mode standard or priority or fixed, not to surplus",
        ),
        (
            ['mode = "fixed"', "max_current_a = 8", "energy_kwh = 5.0"],
            "energy_kwh: belongs to mode deadline, not to fixed",
        ),
        (['mode = "deadline"', 'by = "07:00"'], "energy_kwh: is missing; mode deadline needs it"),
        (['mode = "deadline"', "energy_kwh = 5.0"], "by: is missing; mode deadline needs it"),
        (['mode = "fixed"'], "max_current_a: is missing; mode fixed needs it"),
        (
            ['mode = "fixed"', "max_current_a = 5.9", 'when = { evses = ["A1"] }'],
            "max_current_a: below the minimum of EVSE 'A1', 6 A: it would never charge",
        ),
        (['mode = "priority"', "priority = 10"], "priority: must be at most 9, not 10"),
        (['mode = "priority"', "priority = 0"], "priority: must be at least 1, not 0"),
        (['mode = "deadline"', "energy_kwh = 5.0", 'by = "24:00"'], "by: 24:00 is the end of a day; write 00:00"),
        (['mode = "deadline"', "energy_kwh = 5.0", 'by = "7:00"'], "by: '7:00' is no time of day such as 07:30"),
        (
            ['mode = "deadline"', "energy_kwh = 5.0", "by = 07:00:00"],
            'by: must be a time of day in quotes, such as "07:30"',
        ),
        (['mode = "standard"', 'when = { input = "sun" }'], "when.input: there is no input 'sun'"),
        (['mode = "standard"', 'when = { evses = ["Z9"] }'], "when.evses: there is no EVSE 'Z9'"),
        (
            ['mode = "standard"', 'when = { from = "25:00", to = "06:00" }'],
            "when.from: '25:00' is no time of day such as 07:30",
        ),
        (['mode = "standard"', 'when = { from = "06:00" }'], "when.to: is missing"),
        (['mode = "standard"', 'when = { to = "06:00" }'], "when.from: is missing"),
        (
            ['mode = "standard"', 'when = { from = "06:00", to = "06:00" }'],
            "when.to: is the same as from; leave both out for the whole day",
        ),
        (
            ['mode = "standard"', 'when = { days = ["monday"] }'],
            "when.days[1]: must be 'mo', 'tu', 'we', 'th', 'fr', 'sa' or 'su', not 'monday'",
        ),
        (
            ['mode = "standard"', 'when = { user = ["x"] }'],
            "when.user: unknown key; did you mean `users`?",
        ),
        (
            ['mode = "standard"', 'when = { users = ["08:11:22:33"] }'],
            "when.users: '08:11:22:33' is random, another one at each tap (4 bytes from 08)",
        ),
        (['mode = "standard"', "speed = 3"], "speed: unknown key; remove it"),
        ([], "mode: is missing"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(desk: Desk, lines: list[str], problem: str) -> None:
    with_rules(desk, rule(*lines))
    assert desk.problems(ZONE) == [f"rules[r].{problem}"]


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        (
            'users = ["Nobody"]',
            "users: 'Nobody' is neither the name nor the uid of a [[tokens]] entry, and there is no CSMS",
        ),
        (
            'groups = ["Guests"]',
            "groups: no [[tokens]] entry is in group 'Guests', and there is no CSMS that could tell one",
        ),
    ],
)
def test_without_a_csms_nobody_is_known_but_the_sites_own_tokens(desk: Desk, when: str, problem: str) -> None:
    desk.cut_csms()
    with_rules(desk, rule('mode = "standard"', f"when = {{ {when} }}"))
    assert desk.problems(ZONE, GROUP) == [f"rules[r].when.{problem}"]


@pytest.mark.parametrize(
    "when", ['users = ["04:a1:b2:c3:d4:e5:f6"]', 'groups = ["staff"]', 'users = ["Caretaker"]']
)
def test_without_a_csms_the_sites_own_tokens_are_known(desk: Desk, when: str) -> None:
    desk.cut_csms()
    with_rules(desk, rule('mode = "standard"', f"when = {{ {when} }}"))
    rules = read(desk.write(GROUP)).rules.rules
    assert rules[0].when.users | rules[0].when.members == {"04a1b2c3d4e5f6"}


@pytest.mark.parametrize(
    "lines",
    [['mode = "deadline"', "energy_kwh = 5.0", 'by = "07:00"'], ['mode = "surplus"', 'when = { days = ["mo"] }']],
)
def test_rules_by_local_time_need_a_time_zone(desk: Desk, lines: list[str]) -> None:
    with_rules(desk, rule(*lines))
    assert desk.problems() == [
        'site.time_zone: is missing, and rules go by local time; for instance "Europe/Berlin"'
    ]


@pytest.mark.parametrize("zone", ["Europe", "Middle/Earth", "../../etc/passwd", "", "Europe/Berlin\\u0000"])
def test_what_is_no_time_zone_is_said_once(desk: Desk, zone: str) -> None:
    with_rules(desk, rule('mode = "surplus"', 'when = { days = ["mo"] }'))
    problems = desk.problems(("cycle_s = 1.0", f'cycle_s = 1.0\ntime_zone = "{zone}"'))
    assert len(problems) == 1
    assert problems[0].startswith("site.time_zone: ")
    assert "is no time zone such as Europe/Berlin" in problems[0]


def test_surplus_needs_a_meter_at_the_grid_connection(desk: Desk) -> None:
    with_rules(desk, rule('mode = "surplus"'))
    assert desk.problems(('meter = "grid"\n', "")) == [
        "rules[r].mode: surplus needs a meter at the grid connection that shows the power of each phase"
    ]


def test_two_rules_of_one_name_are_refused(desk: Desk) -> None:
    with_rules(desk, rule('mode = "surplus"', 'when = { evses = ["A1"] }') + rule('mode = "standard"'))
    assert desk.problems() == ["rules[r].id: is used twice"]


def test_a_rule_that_can_never_match_is_refused_with_those_that_hide_it(desk: Desk) -> None:
    with_rules(desk, rule('mode = "standard"', 'when = { evses = ["A1", "A2", "A3", "B1"] }', name="all"))
    with_rules(desk, rule('mode = "surplus"', 'when = { users = ["Caretaker"] }', name="late"))
    assert desk.problems() == ["rules[late]: never matches, because of 'all' before it; move it up, or remove it"]


def test_windows_that_hide_a_rule_together_are_named_together(desk: Desk) -> None:
    with_rules(desk, rule('mode = "standard"', 'when = { from = "06:00", to = "22:00" }', name="day"))
    with_rules(desk, rule('mode = "surplus"', 'when = { from = "22:00", to = "06:00" }', name="night"))
    with_rules(desk, rule('mode = "surplus"', 'when = { days = ["su"] }', name="sunday"))
    assert desk.problems(ZONE) == [
        "rules[sunday]: never matches, because of 'day' and 'night' before it; move it up, or remove it"
    ]


def test_faults_of_rules_are_listed_with_all_others(desk: Desk) -> None:
    with_rules(desk, rule('mode = "turbo"') + rule('mode = "fixed"', name="second"))
    assert set(desk.problems(('circuit = "board-b"', 'circuit = "board-c"'))) >= {
        "rules[r].mode: must be 'standard', 'priority', 'deadline', 'surplus' or 'fixed', not 'turbo'",
        "rules[second].max_current_a: is missing; mode fixed needs it",
    }


WITH_RULES = {
    **SOUND,
    "site": {**SOUND["site"], "time_zone": "Europe/Berlin"},
    "rules": tomllib.loads(RULES)["rules"],
}
PLACES = [path for path in places(WITH_RULES) if path[:1] == ("rules",) or path == ("site", "time_zone")]
TIMES = st.sampled_from(["00:00", "24:00", "12:00", "mo", "su", "fixed", "surplus", "deadline", "Caretaker"])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), VALUES | TIMES, st.booleans())
def test_rules_with_any_one_value_changed_are_read_or_refused(path: Path_, value: object, cut: bool) -> None:
    examine(changed(WITH_RULES, path, value, cut=cut))
