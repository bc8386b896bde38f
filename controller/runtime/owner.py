"""The owner of one EVSE's session: one queue, one task, one commit after the other.

    event -> step (pure) -> commit -> publish -> pursue what the new state wants

A falling permit is published as soon as its event is put, everything else after the commit (R3). If the commit
fails, the state does not advance, the event stays at the head, and the permit is down until the store takes it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from controller.charging.derive import Authorise, ReadRegister, Want, deadline, permit, wants
from controller.charging.instant import Instant
from controller.charging.records import Entry, Route, SampleContext
from controller.charging.rows import state_to_row
from controller.charging.rules import Rules
from controller.charging.session import (
    DeadlinePassed,
    Event,
    EvseState,
    Payer,
    RegisterRead,
    Resumed,
    Running,
    Stopping,
    Verdict,
)
from controller.charging.step import step
from controller.clock import Clock
from controller.runtime.registers import BillingRegister
from controller.store.errors import StoreError
from controller.store.store import Commit, Store
from drivers.api import DeviceError, Fault

_log = logging.getLogger(__name__)

RETRY_S = 1.0

Authoriser = Callable[[str, Payer], Awaitable[Verdict]]
StateChanged = Callable[[EvseState, EvseState], None]
Received = tuple[Event, asyncio.Future[EvseState] | None]
"""An event in the inbox, and who waits for its consequences."""


@dataclass(frozen=True, slots=True)
class OwnerParts:
    """What an owner is built from. `rules` is asked anew for each event; `route` None: no CSMS."""

    store: Store
    clock: Clock
    rules: Callable[[], Rules]
    authorise: Authoriser
    register: BillingRegister
    changed: StateChanged
    route: Route | None


class EvseOwner:
    """`state` is the last committed one; `permit` may already be lower.

    `parts` may be replaced at any time and count from the next event on: an owner outlives its devices, so that no
    commit is ever left in the middle.
    """

    def __init__(self, state: EvseState, parts: OwnerParts) -> None:
        self.state = state
        self.offered_ma: int | None = None
        self.parts = parts
        self._ahead = state
        """What `state` will be when all that waits is durable; only a cut is taken from it."""
        self._failing = False
        self._doubted = False
        self._ended = False
        self._inbox: asyncio.Queue[Received] = asyncio.Queue()
        self._asked: asyncio.Future[EvseState] | None = None
        self._pursuit: tuple[Want, asyncio.Task[None]] | None = None

    @property
    def now(self) -> Instant:
        return self.parts.clock.now()

    @property
    def permit(self) -> bool:
        """Whether energy may flow now: both by what is durable and by what is not yet (R3)."""
        return permit(self.state) and permit(self._ahead) and not self._failing

    def put(self, event: Event) -> None:
        self._inbox.put_nowait((event, None))
        self._foresee(event)

    def do(self, event: Event) -> asyncio.Future[EvseState]:
        """Put an event; await the result for the state after it, once that is durable.

        The result is a DeviceError if the owner ends first.
        """
        done: asyncio.Future[EvseState] = asyncio.get_running_loop().create_future()
        if self._ended:
            done.set_exception(self._gone())
            return done
        self._inbox.put_nowait((event, done))
        self._foresee(event)
        return done

    def doubt(self) -> None:
        """The charger is away, or is another one: until Resumed has judged, nothing renews the proof (R17)."""
        self._doubted = True
        self.state, self._ahead = self._unseen(self.state), self._unseen(self._ahead)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._pursue(tasks)
                    event, self._asked = await self._next()
                    await self._apply(event)
                    self._answer()
        finally:
            self._end()

    def _answer(self) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(self.state)
        self._asked = None

    def _end(self) -> None:
        """Nobody waits for an owner that has gone. Its events are lost as in a crash: what is durable counts."""
        self._ended = True
        waiting = [self._asked]
        while not self._inbox.empty():
            waiting.append(self._inbox.get_nowait()[1])
        for done in waiting:
            if done is not None and not done.done():
                done.set_exception(self._gone())

    def _gone(self) -> DeviceError:
        return DeviceError(Fault.CLOSED, f"{self.state.evse}: stopped")

    def _foresee(self, event: Event) -> None:
        """A cut waits neither for its own commit nor for one that is under way on a stalled disk (R3)."""
        permitted = self.permit
        self._ahead, _ = step(self._ahead, event, self.parts.rules())
        if permitted and not self.permit:
            self.parts.changed(self.state, self.state)

    async def _next(self) -> Received:
        if self._inbox.empty():
            self._ahead = self.state
        due = deadline(self.state, self.parts.rules())
        if due is None:
            return await self._inbox.get()
        try:
            async with asyncio.timeout(max(0.0, due.seconds_since(self.now))):
                return await self._inbox.get()
        except TimeoutError:
            event = self._deadline_passed()
            self._foresee(event)
            return event, None

    def _deadline_passed(self) -> DeadlinePassed:
        now = self.now
        shown = self.parts.register.recent(now.mono_s)
        if shown is None:
            return DeadlinePassed(now)
        return DeadlinePassed(now, shown.value(SampleContext.PERIODIC, self.offered_ma))

    async def _apply(self, event: Event) -> None:
        before = self.state
        after, entries = step(before, event, self.parts.rules())
        if after != before or entries:
            await self._make_durable(after, entries)
        if isinstance(event, Resumed):
            self._doubted = False
        self.state = self._unseen(after)
        if after != before or entries:
            self.parts.changed(before, after)

    def _unseen(self, state: EvseState) -> EvseState:
        if not self._doubted or not isinstance(state.phase, Running):
            return state
        return replace(state, phase=replace(state.phase, unseen=True))

    async def _make_durable(self, after: EvseState, entries: tuple[Entry, ...]) -> None:
        commit = Commit(
            states={f"evse:{after.evse}": state_to_row(after)},
            entries=[(entry, self.parts.route) for entry in entries],
        )
        while True:
            try:
                await self.parts.store.commit(commit)
            except StoreError as error:
                if not self._failing:
                    _log.error("%s pauses: its records cannot be stored: %s", after.evse, error)
                self._failing = True
                self.parts.changed(self.state, self.state)
                await asyncio.sleep(RETRY_S)
            else:
                if self._failing:
                    _log.info("%s: its records are stored again", after.evse)
                self._failing = False
                return

    def _pursue(self, tasks: asyncio.TaskGroup) -> None:
        want = wants(self.state)
        if self._pursuit is not None:
            if self._pursuit[0] == want:
                return
            self._pursuit[1].cancel()
            self._pursuit = None
        if want is not None:
            self._pursuit = (want, tasks.create_task(self._fulfil(want)))

    async def _fulfil(self, want: Want) -> None:
        match want:
            case Authorise(payer):
                self.put(await self._authorise(payer))
            case ReadRegister(after):
                self.put(await self._read_register(after))

    async def _authorise(self, payer: Payer) -> Verdict:
        try:
            return await self.parts.authorise(self.state.evse, payer)
        except StoreError as error:
            return Verdict(self.now, payer.token, accepted=False, text=f"it cannot be checked: {error}")

    async def _read_register(self, after: Instant) -> RegisterRead:
        register = self.parts.register
        since_s = min(after.mono_s, self.now.mono_s) if after.boot == self.now.boot else self.now.mono_s
        if isinstance(self.state.phase, Stopping):
            shown = await register.at_rest(since_s)
        else:
            shown = await register.fresh(since_s)
        return RegisterRead(self.now, shown.value(SampleContext.TRIGGER, 0), str(uuid4()))
