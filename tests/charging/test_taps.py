"""R18: what a tap means."""

from dataclasses import replace

import pytest

from controller.charging.session import Authorising, EvseState, Idle, Phase, Running, Starting, Stopping, Waiting
from controller.charging.taps import Assignment, AwaitPlug, Choose, Ignore, Start, Stop, TapSeen, assign
from controller.charging.tokens import Token
from tests.charging.samples import ALICE, ALICES_SON, MALLORY, at, payer, plug, stopping, transaction

NOW = 1000.0
TIMEOUT_S = 120.0


def free(name: str, plugged_at: float | None = None) -> EvseState:
    return EvseState(name, Idle(), None if plugged_at is None else plug(plugged_at))


def busy(name: str, phase: Phase | None = None) -> EvseState:
    return EvseState(name, phase or Running(transaction()), plug())


def tap(
    *served: EvseState,
    token: Token = ALICE,
    previous: TapSeen | None = None,
    oldest_first: bool = False,
    seconds: float = NOW,
) -> Assignment:
    seen = TapSeen("door", token, at(seconds))
    return assign(seen, served, previous=previous, timeout_s=TIMEOUT_S, oldest_first=oldest_first)


def test_r18_the_only_car_that_waits_is_meant() -> None:
    assert tap(free("A1", NOW - 30), free("A2"), busy("A3"), token=MALLORY) == Start("A1")


def test_r18_several_waiting_cars_are_offered_as_a_choice_longest_waiting_first() -> None:
    served = (free("A1", NOW - 30), free("A2", NOW - 60), free("A3"))
    assert tap(*served) == Choose(("A2", "A1"))
    assert tap(*served, oldest_first=True) == Start("A2")


def test_r18_without_a_car_the_tap_waits_for_a_plug() -> None:
    assert tap(free("A1"), free("A2")) == AwaitPlug()


def test_r18_at_the_reader_of_one_evse_there_is_no_other_meaning() -> None:
    assert tap(free("A1")) == Start("A1")
    assert tap(free("A1", NOW - 10 * TIMEOUT_S)) == Start("A1")


def test_r18_a_car_that_stands_there_for_long_is_not_a_candidate_at_a_shared_reader() -> None:
    assert tap(free("A1", NOW - TIMEOUT_S - 1), free("A2", NOW - 5)) == Start("A2")
    assert isinstance(tap(free("A1", NOW - TIMEOUT_S - 1), free("A2", NOW - TIMEOUT_S - 1)), Ignore)
    assert tap(free("A1", NOW - TIMEOUT_S), free("A2")) == Start("A1")


def test_r18_a_stay_counts_as_unpaid_from_the_end_of_its_last_transaction() -> None:
    long_ago = replace(plug(0), free_since=at(NOW - 10), finished=True)
    assert tap(EvseState("A1", Idle(), long_ago), free("A2")) == Start("A1")


def test_r18_an_evse_out_of_service_is_not_a_candidate() -> None:
    closed = replace(free("A1", NOW - 5), operative=False)
    assert tap(closed, free("A2", NOW - 5)) == Start("A2")
    assert isinstance(tap(closed), Ignore)


def test_r18_the_payer_of_a_session_ends_it() -> None:
    assert tap(busy("A1")) == Stop("A1")
    assert tap(busy("A1"), token=ALICES_SON) == Stop("A1")


def test_r18_a_stranger_ends_nothing() -> None:
    assert isinstance(tap(busy("A1"), token=MALLORY), Ignore)


def test_r18_of_several_sessions_the_one_that_started_last_is_ended() -> None:
    later = replace(transaction(), id="tx-2", started=at(500))
    assert tap(busy("A1"), busy("A2", Running(later)), busy("A3")) == Stop("A2")


@pytest.mark.parametrize(("gap_s", "repeated"), [(0.0, True), (4.9, True), (5.0, False)])
def test_r18_the_same_card_within_five_seconds_is_the_same_gesture(gap_s: float, repeated: bool) -> None:
    previous = TapSeen("door", ALICE, at(NOW - gap_s))
    assert isinstance(tap(busy("A1"), previous=previous), Ignore) is repeated


def test_r18_another_card_within_five_seconds_is_another_gesture() -> None:
    previous = TapSeen("door", MALLORY, at(NOW - 1))
    assert tap(busy("A1"), previous=previous) == Stop("A1")


def test_r18_a_session_that_has_only_just_begun_is_not_stopped() -> None:
    assert isinstance(tap(busy("A1"), seconds=14.9), Ignore)
    assert tap(busy("A1"), seconds=15) == Stop("A1")


@pytest.mark.parametrize(
    "phase",
    [Authorising(payer(), at(NOW)), Waiting(payer(), at(NOW)), Starting(payer(), at(NOW)), stopping()],
    ids=lambda phase: type(phase).__name__,
)
def test_r18_a_card_that_is_being_served_means_nothing_more(
    phase: Authorising | Waiting | Starting | Stopping,
) -> None:
    assert isinstance(tap(busy("A1", phase)), Ignore)


def test_a_payer_with_a_session_starts_a_second_for_a_car_that_waits() -> None:
    assert tap(busy("A1"), free("A2", NOW - 5)) == Start("A2")
