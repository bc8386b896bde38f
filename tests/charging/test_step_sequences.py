"""Invariants of the session over random histories."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.charging.derive import deadline, permit, status, wants
from controller.charging.instant import Instant
from controller.charging.records import (
    ChargingState,
    Entry,
    MeterValue,
    SampleContext,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    Trigger,
)
from controller.charging.rows import Row, state_from_row, state_to_row
from controller.charging.rules import Rules
from controller.charging.session import (
    Authorising,
    AvailabilityAsked,
    DeadlinePassed,
    Event,
    EvseState,
    FaultSeen,
    LateVerdict,
    Payer,
    Plugged,
    Presented,
    RegisterRead,
    Resumed,
    Running,
    SampleTaken,
    StateSeen,
    StopAsked,
    Unplugged,
    Verdict,
)
from controller.charging.step import step
from controller.charging.tokens import BilledBy, Token, TokenInfo, TokenStatus
from tests.charging.samples import ALICE, ALICES_SON, MALLORY, NOON

TOKENS = (ALICE, ALICES_SON, MALLORY, Token("04AA", "SITE-1", min_ma=8000, billed_by=BilledBy.SITE))
RULES = st.builds(
    Rules,
    connection_timeout_s=st.sampled_from([0, 30, 120]),
    sample_interval_s=st.sampled_from([0, 60, 900]),
    stop_on_invalid=st.booleans(),
)


@dataclass(frozen=True, slots=True)
class Draw:
    """One event to be: what it is, when, and the choices that it needs."""

    kind: int
    gap_s: float
    energy_wh: int
    token: int
    yes: bool
    known: bool
    counter: int | None
    restart: bool


DRAWS = st.builds(
    Draw,
    kind=st.integers(0, 16),
    gap_s=st.sampled_from([0.0, 0.5, 4.0, 40.0, 130.0, 1000.0, 90_000.0]),
    energy_wh=st.sampled_from([0, 1, 500, 60_000]),
    token=st.integers(0, 3),
    yes=st.booleans(),
    known=st.booleans(),
    counter=st.none() | st.integers(0, 2),
    restart=st.integers(0, 9).map(lambda number: number == 9),
)
HISTORIES = st.lists(DRAWS, min_size=1, max_size=40)


class History:
    """Makes events on clocks that go on and a register that only grows, with restarts and reboots between."""

    def __init__(self) -> None:
        self._mono_s = 1000.0
        self._wall_s = 0.0
        self._boot = 0
        self._trusted = True
        self._register_wh = 1000
        self._count = 0

    def restart(self, state: EvseState, draw: Draw) -> EvseState:
        """Through the store, as JSON; sometimes with a reboot of the machine."""
        if draw.yes:
            self._boot += 1
            self._mono_s = 10.0
            self._trusted = draw.known
        return stored(state)

    def event(self, state: EvseState, draw: Draw) -> Event:
        self._mono_s += draw.gap_s
        self._wall_s += draw.gap_s
        self._register_wh += draw.energy_wh
        self._count += 1
        return self._of_people(state, draw) or self._of_devices(draw)

    def _of_people(self, state: EvseState, draw: Draw) -> Event | None:
        at, token = self._now(), TOKENS[draw.token]
        match draw.kind:
            case 0 | 1:
                trigger = Trigger.AUTHORIZED if draw.known else Trigger.REMOTE_START
                return Presented(at, Payer(token, trigger, 7 if draw.known else None), checked=draw.yes)
            case 2:
                return Verdict(at, token, accepted=draw.yes)
            case 3:
                known = state.phase.payer.token if isinstance(state.phase, Authorising) else token
                return Verdict(at, known, accepted=True)
            case 4:
                return StopAsked(at, StopReason.REMOTE, Trigger.REMOTE_STOP)
            case 5:
                running = state.phase.transaction.id if isinstance(state.phase, Running) else "none"
                status = TokenStatus.BLOCKED if draw.known else TokenStatus.ACCEPTED
                return LateVerdict(at, running if draw.yes else "other", TokenInfo(token.uid, status))
            case 6:
                return AvailabilityAsked(at, draw.yes or draw.known)
            case _:
                return None

    def _of_devices(self, draw: Draw) -> Event:
        at, name = self._now(), f"id-{self._count}"
        meter = MeterValue(SampleContext.TRIGGER, self._register_wh)
        match draw.kind:
            case 7 | 8:
                return Plugged(at, name, draw.counter)
            case 9:
                return Unplugged(at)
            case 10 | 11:
                return RegisterRead(at, meter, name)
            case 12:
                state = ChargingState.CHARGING if draw.yes else ChargingState.SUSPENDED_EV
                return StateSeen(at, state, meter if draw.known else None)
            case 13:
                return SampleTaken(at, meter, Trigger.TRIGGER)
            case 14:
                return FaultSeen(at, "overheated" if draw.yes else None)
            case 15:
                return Resumed(at, draw.yes, name, draw.counter, self._register_wh if draw.known else None)
            case _:
                return DeadlinePassed(at, meter if draw.known else None)

    def _now(self) -> Instant:
        wall = Instant("", 0.0, NOON, trusted=True).later(self._wall_s).wall
        return Instant(f"boot-{self._boot}", self._mono_s, wall, self._trusted)


def stored(state: EvseState) -> EvseState:
    return state_from_row(cast(Row, json.loads(json.dumps(state_to_row(state)))))


def check_state(state: EvseState, rules: Rules) -> None:
    """What must hold between any two events."""
    assert not isinstance(state.phase, Running) or state.plug is not None
    assert permit(state) is (isinstance(state.phase, Running) and not state.phase.transaction.invalid)
    assert stored(state) == state
    deadline(state, rules)
    wants(state)
    status(state, pilot=None, reachable=True)


def check_entries(entries: list[Entry], state: EvseState) -> None:
    by_transaction: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_transaction[entry.transaction].append(entry)
    for name, own in by_transaction.items():
        assert [entry.seq for entry in own] == list(range(len(own)))
        assert [isinstance(entry, TransactionStarted) for entry in own] == [True] + [False] * (len(own) - 1)
        assert not any(isinstance(entry, TransactionEnded) for entry in own[:-1])
        first, last = own[0], own[-1]
        if isinstance(last, TransactionEnded):
            assert first.meter is not None
            assert last.meter.energy_wh >= first.meter.energy_wh
            assert not (isinstance(state.phase, Running) and state.phase.transaction.id == name)


@settings(max_examples=200, deadline=None)
@given(HISTORIES, RULES)
def test_any_history_leaves_whole_transactions(draws: list[Draw], rules: Rules) -> None:
    history, state = History(), EvseState("A1")
    entries: list[Entry] = []
    open_now: str | None = None
    for draw in draws:
        if draw.restart:
            state = history.restart(state, draw)
        state, more = step(state, history.event(state, draw), rules)
        for entry in more:
            if isinstance(entry, TransactionStarted):
                assert open_now is None
                open_now = entry.transaction
            else:
                assert entry.transaction == open_now
                open_now = None if isinstance(entry, TransactionEnded) else open_now
        assert not permit(state) or open_now is not None
        entries += more
        check_state(state, rules)
    check_entries(entries, state)


@settings(max_examples=200, deadline=None)
@given(HISTORIES, RULES)
def test_energy_is_never_billed_twice(draws: list[Draw], rules: Rules) -> None:
    """On one register that only grows, the spans of two transactions do not overlap."""
    history, state = History(), EvseState("A1")
    entries: list[Entry] = []
    for draw in draws:
        if draw.restart:
            state = history.restart(state, draw)
        state, more = step(state, history.event(state, draw), rules)
        entries += more
    starts = [entry.meter.energy_wh for entry in entries if isinstance(entry, TransactionStarted)]
    ends = [entry.meter.energy_wh for entry in entries if isinstance(entry, TransactionEnded)]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


@settings(max_examples=200, deadline=None)
@given(HISTORIES, RULES)
def test_r17_whoever_pays_showed_the_card_on_the_same_plug_in_or_before_it(draws: list[Draw], rules: Rules) -> None:
    """A plug-out or another car between the card and the start voids the card."""
    history, state = History(), EvseState("A1")
    shown_on: str | None = None
    for draw in draws:
        event = history.event(state, draw)
        before = state
        state, entries = step(state, event, rules)
        if isinstance(event, Presented) and state.phase != before.phase:
            shown_on = before.plug.id if before.plug else None
        for entry in entries:
            if isinstance(entry, TransactionStarted) and shown_on is not None:
                assert state.plug is not None
                assert state.plug.id == shown_on
