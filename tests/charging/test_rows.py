"""Stored states: they come back as they were, or are refused as damaged; nothing between."""

import copy
import json
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.charging.modes import ByDeadline, Chosen, Fixed, Mode, Priority, Standard, Surplus
from controller.charging.records import Trigger
from controller.charging.rows import Row, RowError, state_from_row, state_to_row, token_from_row, token_to_row
from controller.charging.session import EvseState, Payer, Running, Waiting
from controller.charging.tokens import BilledBy, Token
from tests.charging.samples import STATES, at, transaction

TOKEN = Token("04A1", "SITE-1", "ISO15693", "G", 8000, BilledBy.SITE)


def stored(state: EvseState) -> Row:
    return cast(Row, json.loads(json.dumps(state_to_row(state))))


@pytest.mark.parametrize("name", STATES)
def test_every_state_comes_back_through_json(name: str) -> None:
    assert state_from_row(stored(STATES[name])) == STATES[name]


def test_every_field_of_a_payer_comes_back() -> None:
    payer = Payer(TOKEN, Trigger.REMOTE_START, 7)
    state = EvseState("A1", Waiting(payer, at(5)), None, True, False, "hot", "wait")
    assert state_from_row(stored(state)) == state
    assert token_from_row(token_to_row(TOKEN)) == TOKEN


@pytest.mark.parametrize(
    "mode", [Standard(3), Priority(9, 2), ByDeadline(20_500, 420), ByDeadline(100, 0), Surplus(), Fixed(10_500, 4)]
)
def test_a_chosen_mode_comes_back(mode: Mode) -> None:
    state = EvseState("A1", Running(transaction(chosen=Chosen(mode, at(70)))))
    assert state_from_row(stored(state)) == state


def version_1(row: Row) -> Row:
    """The row as the first version wrote it."""
    old = copy.deepcopy(row)
    phase = cast(Row, old["phase"])
    if "transaction" in phase:
        del cast(Row, phase["transaction"])["chosen"]
    return {**old, "version": 1}


@pytest.mark.parametrize("name", [name for name in STATES if "chosen" not in name])
def test_a_row_of_version_1_is_still_read(name: str) -> None:
    assert state_from_row(version_1(stored(STATES[name]))) == STATES[name]


@pytest.mark.parametrize("cut", ["invalid", "payer"])
def test_a_damaged_row_of_version_1_is_refused(cut: str) -> None:
    row = version_1(stored(STATES["Running, plug"]))
    del cast(Row, cast(Row, row["phase"])["transaction"])[cut]
    with pytest.raises(RowError, match="damaged"):
        state_from_row(row)


def test_r17_a_running_transaction_comes_back_unseen() -> None:
    phase = state_from_row(stored(STATES["Running, plug"])).phase
    assert isinstance(phase, Running)
    assert phase.unseen


@pytest.mark.parametrize("version", [0, 3, None, "1", True, 1.0])
def test_a_row_of_another_version_is_refused(version: object) -> None:
    with pytest.raises(RowError, match="version"):
        state_from_row({**stored(STATES["Idle, plug"]), "version": version})


def places(value: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [path, *(place for key in value for place in places(value[key], (*path, key)))]


ROWS = [stored(state) for state in STATES.values()]
PLACES = [(number, path) for number, row in enumerate(ROWS) for path in places(row) if path]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-11-23T12:00:00", "boot"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def damaged(place: tuple[int, tuple[str, ...]], value: object, *, cut: bool) -> Row:
    number, path = place
    row = copy.deepcopy(ROWS[number])
    inner: dict[str, object] = row
    for key in path[:-1]:
        inner = cast(dict[str, object], inner[key])
    if cut:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return row


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), ODD, st.booleans())
def test_a_damaged_row_is_refused_or_reads_as_what_it_says(
    place: tuple[int, tuple[str, ...]], value: object, cut: bool
) -> None:
    try:
        state = state_from_row(damaged(place, value, cut=cut))
    except RowError:
        return
    assert not cut
    assert state_from_row(stored(state)) == state


@pytest.mark.parametrize(("number", "path"), PLACES)
def test_a_row_without_one_of_its_fields_is_refused(number: int, path: tuple[str, ...]) -> None:
    with pytest.raises(RowError):
        state_from_row(damaged((number, path), None, cut=True))


WRONG: dict[str, tuple[tuple[str, ...], object]] = {
    "a switch as a word": (("operative",), "no"),
    "a switch as a number": (("plug", "finished"), 0),
    "a name as a number": (("evse",), 7),
    "a register as a fraction": (("phase", "transaction", "last_wh"), 5000.5),
    "a register as a switch": (("phase", "transaction", "last_wh"), True),
    "a moment without a zone": (("plug", "since", "wall"), "2026-11-23T12:00:00"),
    "a moment outside the calendar": (("plug", "since", "wall"), "0001-01-01T00:00:00+14:00"),
    "a moment that is no number": (("plug", "since", "mono_s"), float("nan")),
    "an unknown phase": (("phase", "name"), "dreaming"),
    "a chosen mode as a word": (("phase", "transaction", "chosen"), "surplus"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_field_of_the_wrong_sort_is_refused(what: str) -> None:
    path, value = WRONG[what]
    place = (list(STATES).index("Running, plug"), path)
    with pytest.raises(RowError, match="damaged"):
        state_from_row(damaged(place, value, cut=False))


WRONG_MODES: dict[str, Row] = {
    "an unknown mode": {"name": "turbo"},
    "no energy": {"name": "deadline", "energy_wh": 0, "by_min": 420},
    "a time after the day": {"name": "deadline", "energy_wh": 1000, "by_min": 1440},
    "a weight as a switch": {"name": "standard", "weight": True},
    "a class beyond all": {"name": "priority", "level": 10, "weight": 1},
    "a current as a fraction": {"name": "fixed", "max_ma": 6000.5, "weight": 1},
    "no name": {"max_ma": 6000},
}


@pytest.mark.parametrize("what", WRONG_MODES)
def test_a_mode_that_cannot_be_is_refused(what: str) -> None:
    place = (list(STATES).index("Running, mode chosen, plug"), ("phase", "transaction", "chosen", "mode"))
    with pytest.raises(RowError, match="damaged"):
        state_from_row(damaged(place, WRONG_MODES[what], cut=False))
