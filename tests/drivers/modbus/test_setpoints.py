from typing import Any

import pytest

from drivers.api import Setpoint
from drivers.modbus.setpoints import Step, Target, Unheard, kept, on_grid, steps, target


def plan(profile: Any, current_ma: int, enabled: bool) -> list[tuple[str, int]]:
    wanted = Target(current_ma, enabled)
    return [(step.what, step.value) for step in steps(wanted, profile, profile.setpoint)]


def test_energising_sets_the_current_before_the_release(charger: Any) -> None:
    assert plan(charger(), 16000, True) == [("current", 16000), ("enable", 1)]


def test_locking_takes_the_release_away_first(charger: Any) -> None:
    assert plan(charger(), 0, False) == [("enable", 0), ("current", 0)]


def test_a_pause_is_said_as_the_model_wants_it(charger: Any) -> None:
    assert plan(charger(), 0, True) == [("current", 0), ("enable", 1)]
    assert plan(charger(pause='"disable"'), 0, True) == [("enable", 0)]
    assert plan(charger(pause='"disable"'), 0, False) == [("enable", 0)]
    assert plan(charger(pause="0.1"), 0, True) == [("current", 100), ("enable", 1)]


@pytest.mark.parametrize(
    ("asked_ma", "held_ma"),
    [(16000, 16000), (13279, 13200), (32000, 16000), (6000, 6000), (5999, 0), (1, 0), (0, 0), (-5, 0)],
)
def test_setpoints_are_rounded_down_and_never_lie_between_zero_and_the_minimum(
    charger: Any, new_evse: Any, asked_ma: int, held_ma: int
) -> None:
    profile = charger()
    assert target(Setpoint(asked_ma, True, 0), new_evse(), profile.setpoint).current_ma == held_ma
    assert on_grid(asked_ma, new_evse(), profile.setpoint) == held_ma


@pytest.mark.parametrize(
    ("written", "read", "same_register", "fine"),
    [
        (13200, 13200, True, True),
        (13200, 13000, True, True),
        (13200, 12200, True, False),
        (13200, 13300, True, False),
        (13200, 13300, False, False),
        (13200, 0, True, False),
        (13200, 0, False, True),
        (0, 100, False, False),
        (0, 0, True, True),
    ],
)
def test_a_read_back_may_be_lower_but_never_higher(
    written: int, read: int, same_register: bool, fine: bool
) -> None:
    assert kept(Step("current", written), read, same_register=same_register) is fine
    assert kept(Step("enable", 1), 0, same_register=True) is False


def test_an_outlet_that_is_not_heard_is_told_the_same_less_and_less_often_and_another_cut_at_once() -> None:
    unheard, pause, lock = Unheard(), Target(0, True), Target(0, False)
    told = [tenth / 10 for tenth in range(6000) if unheard.may_be_told(pause, tenth / 10)]
    assert told[:7] == [0, 1, 3, 7, 15, 31, 63]
    assert told[7] - told[6] == told[-1] - told[-2] == 60
    assert unheard.may_be_told(lock, 600.0)
    assert not unheard.may_be_told(lock, 600.9)
    assert unheard.may_be_told(lock, 601.0)
