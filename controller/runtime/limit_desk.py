"""Where limits and inputs come together: takes what sources say, tells the cycle, keeps what must not be lost.

What counts is worked out from now whenever the cycle asks, so that nothing here can hold up a cut (R3): `_watch`
only notices that it has changed, brings the next cycle forward, and hands to `_keep` what is to be durable.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping

from controller.charging.commands import Outcome, ReleaseStop, Result, SetLimit, WithdrawLimit
from controller.charging.view import LimitView
from controller.clock import Clock
from controller.runtime.declared import DeclaredLimits, RefusedError, Standing
from controller.runtime.inputs import InputBook
from controller.runtime.limit_slices import LimitsSlice, Unit
from controller.runtime.limits import LimitBook
from controller.store.errors import StoreError
from controller.store.rows import Commit, LimitEvent
from controller.store.store import Store

_log = logging.getLogger(__name__)

STATE_KEY = "limits"
LOOK_S = 1.0
"""How often is looked at what nobody announces: the beginning and end of calendars."""
RETRY_S = 5.0
KEEP_HELD_S = 60.0
"""Held values are written this often at most (flash memory wears); a crash may cost the last minute's."""
LAST_WORD_S = 2.0
"""For what is still to be written when the process ends."""
MOST_EVENTS = 10_000
"""Events that wait for a store that fails; a relay that chatters for days must not fill the memory."""

LimitCommand = SetLimit | WithdrawLimit | ReleaseStop


class LimitDesk:
    def __init__(self, *, store: Store, clock: Clock, prompt: Callable[[], None]) -> None:
        self.inputs = InputBook(clock.mono)
        self.limits = DeclaredLimits(now=clock.now, active=self.inputs.active)
        self.book = LimitBook(self.limits.current, self.inputs.stopped_by)
        self._store = store
        self._clock = clock
        self._prompt = prompt
        self._wake = asyncio.Event()
        self._due = asyncio.Event()
        self._before: tuple[object, ...] = ()
        self._stands: dict[str, Standing] = {}
        self._events: deque[LimitEvent] = deque(maxlen=MOST_EVENTS)
        self._kept: dict[str, object] = {}
        self._kept_s = -KEEP_HELD_S

    def load(self, row: Mapping[str, object] | None) -> None:
        """What was durable: inputs that have stopped the site, and last values that are held."""
        latched, held = (row or {}).get("latched"), (row or {}).get("held")
        if isinstance(latched, list):
            self.inputs.latched = frozenset(str(name) for name in latched)
        if isinstance(held, dict):
            self.limits.held = {name: value if isinstance(value, int) else None for name, value in held.items()}
        self._kept = self._state()

    def change_to(self, plan: LimitsSlice) -> None:
        self.inputs.change_to(plan.inputs)
        self.limits.change_to(plan)
        self._stands = {name: stand for name, stand in self._stands.items() if name in self.limits.slices}
        self._look()

    def sensed(self, sensor: str, value: int | None, t_s: float) -> None:
        """A register or input was read."""
        if sensor in self.inputs:
            self.inputs.sensed(sensor, value, t_s)
        else:
            self.limits.sensed(sensor, value, t_s)
        self._look()

    async def ask(self, command: LimitCommand) -> Outcome:
        match command:
            case ReleaseStop(input):
                return await self._release(input)
            case _:
                return self._hear(command)

    def _hear(self, command: SetLimit | WithdrawLimit) -> Outcome:
        one, voice = self.limits.slices.get(command.limit), command.by.value
        if one is None:
            return Outcome(Result.UNKNOWN, f"site.toml declares no limit {command.limit!r}")
        if one.source.value != voice:
            return Outcome(
                Result.REFUSED, f"limit {one.id} takes its value from {one.source.value}, not by {voice}"
            )
        if command.aged and one.expires_s is not None:
            return Outcome(Result.REFUSED, "a retained message may be of any age, and this limit's values expire")
        try:
            if isinstance(command, SetLimit):
                self.limits.say(one.id, command.value, command.expires_s)
            else:
                self.limits.say(one.id, None)
        except RefusedError as error:
            return Outcome(Result.REFUSED, str(error))
        finally:
            self._look()
        self._wake.set()
        return Outcome(Result.DONE)

    async def _release(self, input: str) -> Outcome:
        """Durable before anything may be energised (R3)."""
        if input in self.inputs.stopping():
            why = "cannot be read" if self.inputs.lost(input) else "is still active"
            return Outcome(Result.REFUSED, f"input {input} {why}")
        if input not in self.inputs.latched:
            known = input in self.inputs
            return Outcome(Result.REFUSED if known else Result.UNKNOWN, f"input {input} has not stopped anything")
        left = self.inputs.latched - {input}
        await self._store.commit(Commit(states={STATE_KEY: self._state(left)}))
        if input in self.inputs.stopping():
            self._kept = {}
            self._due.set()
            return Outcome(Result.REFUSED, f"input {input} is active again")
        self._kept = {}  # what was to be kept meanwhile may have been written after it
        self.inputs.latched -= {input}
        self._note(input, "released")
        self._look()
        return Outcome(Result.DONE, "charging may go on")

    def _state(self, latched: frozenset[str] | None = None) -> dict[str, object]:
        names = self.inputs.latched if latched is None else latched
        return {"version": 1, "latched": sorted(names), "held": dict(self.limits.held)}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._keep())

    async def _watch(self) -> None:
        while True:
            self._look()
            self._wake.clear()
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _pause_s(self) -> float:
        due = [t_s for t_s in (self.limits.next_expiry_s(), self.inputs.next_loss_s()) if t_s is not None]
        return max(0.0, min([LOOK_S, *(t_s - self._clock.mono() for t_s in due)])) + 0.001

    def _look(self) -> None:
        """Notice what has changed since the last look."""
        for input in sorted(self.inputs.stopping() - self.inputs.latched):
            self.inputs.latched |= {input}
            _log.error("input %s has stopped all charging", input)
            self._note(input, "stopped all")
        stands = {name: self.limits.standing(name) for name in self.limits.slices}
        for name, stand in stands.items():
            before = self._stands.get(name)
            if before is None or (before.state, before.value) != (stand.state, stand.value):
                self._changed(name, stand)
        self._stands = stands
        values = tuple((name, stand.value) for name, stand in stands.items())
        now = (values, tuple(self.inputs.states().items()), self.inputs.stopped_by())
        if now != self._before:
            self._before = now
            self._prompt()
            self._wake.set()
        if self._events or self._worth_keeping():
            self._due.set()

    def _worth_keeping(self) -> bool:
        """A stop at once; held values, which a register may change each second, now and then."""
        state = self._state()
        if state == self._kept:
            return False
        old = self._clock.mono() - self._kept_s >= KEEP_HELD_S
        return old or state["latched"] != self._kept.get("latched")

    def _changed(self, name: str, stand: Standing) -> None:
        one = self.limits.slices[name]
        _log.info(
            "limit %s: %s, %s",
            name,
            stand.state.value,
            "none" if stand.value is None else one.unit.text(stand.value),
        )
        if one.log:
            self._note(name, stand.state.value, value=stand.value, unit=one.unit)

    def _note(self, subject: str, what: str, *, value: int | None = None, unit: Unit = Unit.W) -> None:
        in_amperes = unit is Unit.A
        event = LimitEvent(
            at=self._clock.now(),
            subject=subject,
            what=what,
            value_ma=value if in_amperes else None,
            value_w=None if in_amperes else value,
        )
        self._events.append(event)

    async def _keep(self) -> None:
        """Write what has changed, in its order; a store that fails is tried again for as long as it takes."""
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                try:
                    await self._write()
                except StoreError as error:
                    _log.warning("the log of limits cannot be written: %s", error)
                    await asyncio.sleep(RETRY_S)
                    self._due.set()
        finally:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(LAST_WORD_S):
                    await self._write()

    async def _write(self) -> None:
        state, events = self._state(), tuple(self._events)
        if state != self._kept:
            await self._store.commit(Commit(states={STATE_KEY: state}))
            self._kept, self._kept_s = state, self._clock.mono()
        if events:
            await self._store.log_limits(events)
        for event in events:
            if self._events and self._events[0] is event:
                self._events.popleft()

    # what others see

    def alarms(self) -> tuple[str, ...]:
        return (*self.inputs.alarms(), *self.limits.alarms())

    def views(self, binds: Mapping[str, tuple[str, ...]]) -> tuple[LimitView, ...]:
        now_s = self._clock.mono()
        return tuple(self._view(name, now_s, binds.get(name, ())) for name in self.limits.slices)

    def _view(self, name: str, now_s: float, binds: tuple[str, ...]) -> LimitView:
        one, stand = self.limits.slices[name], self.limits.standing(name)
        in_amperes = one.unit is Unit.A
        return LimitView(
            id=name,
            source=one.source.value if one.input is None else f"{one.source.value} {one.input}",
            scope=one.scope.value,
            target=one.target,
            unit=one.unit.value,
            state=stand.state,
            value_ma=stand.value if in_amperes else None,
            value_w=None if in_amperes else stand.value,
            age_s=None if stand.at_s is None else max(0, int(now_s - stand.at_s)),
            expires_in_s=None if stand.until_s is None else max(0, round(stand.until_s - now_s)),
            when_lost=self.limits.consequence(name),
            refused=self.limits.refused(name),
            binds=binds if stand.value is not None else (),
        )
