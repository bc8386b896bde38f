"""The next step of a stack: every state of two or three contactors, and every path from it."""

import itertools

import pytest

from drivers.dc.moves import Action, Close, Follow, Off, Open, Own, Shown, next_step

OUTLETS = ("A", "B", "C")
STATES = [dict(zip(OUTLETS, found, strict=True)) for found in itertools.product(
    [Shown(commanded, closed) for commanded in (False, True) for closed in (False, True)], repeat=3
)]  # fmt: skip


@pytest.mark.parametrize("wanted", OUTLETS)
def test_r9_in_no_state_of_the_contactors_a_second_one_is_closed_or_one_under_load_switched(wanted: str) -> None:
    for state in STATES:
        live = next_step(wanted, state, proven_off=False)
        assert isinstance(live, Own | Off)
        off = next_step(wanted, state, proven_off=True)
        if isinstance(off, Close):
            assert off.outlet == wanted
            assert not any(shown.commanded or shown.closed for shown in state.values())
        if isinstance(live, Own) or isinstance(off, Own):
            assert state == {name: Shown(name == wanted, name == wanted) for name in OUTLETS}


@pytest.mark.parametrize("wanted", OUTLETS)
def test_r9_after_a_crash_in_any_state_the_steps_lead_to_the_wanted_outlet(wanted: str) -> None:
    for start in STATES:
        state, last = dict(start), list[Action]()
        for _ in range(12):
            action = next_step(wanted, state, proven_off=True)
            last.append(action)
            if isinstance(action, Own):
                break
            state = _done(state, action)
            assert sum(bool(shown.closed) for shown in state.values()) <= max(
                1, sum(bool(shown.closed) for shown in start.values())
            )
        assert last[-1] == Own(wanted), (start, last)


def _done(state: dict[str, Shown], action: Action) -> dict[str, Shown]:
    """What sound contactors show afterwards: an order is followed one step later."""
    match action:
        case Open(outlets):
            return {name: Shown(False, one.closed) if name in outlets else one for name, one in state.items()}
        case Close(outlet):
            return {**state, outlet: Shown(True, state[outlet].closed)}
        case Follow(outlets):
            return {
                name: Shown(one.commanded, one.commanded) if name in outlets else one for name, one in state.items()
            }
        case _:
            return state


@pytest.mark.parametrize("shown", [Shown(None, False), Shown(False, None), Shown(None, None)])
def test_r9_a_contactor_that_does_not_show_its_state_stops_everything(shown: Shown) -> None:
    for other in (Shown(False, False), Shown(True, True)):
        found = next_step("A", {"A": other, "B": shown}, proven_off=True)
        assert isinstance(found, Off)
        assert not found.known
        assert "B" in found.text


def test_a_contactor_that_is_welded_is_waited_for_and_nothing_else_is_closed() -> None:
    welded = {"A": Shown(False, False), "B": Shown(False, True)}
    assert next_step("A", welded, proven_off=True) == Follow(("B",))
    commanded = {"A": Shown(True, False), "B": Shown(False, True)}
    assert next_step("A", commanded, proven_off=True) == Open(("A",))
