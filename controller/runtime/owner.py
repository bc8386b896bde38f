"""The owner of one EVSE's session: one queue, one task, one commit after the other.

    event -> step (pure) -> commit -> publish -> pursue what the new state wants

A falling permit is published before the commit, everything else after it (R3). If the commit fails, the state
does not advance, the event stays at the head, and the permit is down until the store takes it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
    Stopping,
    Verdict,
)
from controller.charging.step import step
from controller.clock import Clock
from controller.runtime.registers import BillingRegister
from controller.store.errors import StoreError
from controller.store.store import Commit, Store

_log = logging.getLogger(__name__)

RETRY_S = 1.0
BELIEVABLE_S = 5.0
"""A sample older than this is left out of the records rather than passed off as current."""

Authoriser = Callable[[str, Payer], Awaitable[Verdict]]
StateChanged = Callable[[EvseState, EvseState], None]


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
    """`state` is the last committed one; `permit` may already be lower."""

    def __init__(self, state: EvseState, parts: OwnerParts) -> None:
        self.state = state
        self.permit = permit(state)
        self.offered_ma: int | None = None
        self._parts = parts
        self._inbox: asyncio.Queue[tuple[Event, asyncio.Future[EvseState] | None]] = asyncio.Queue()
        self._pursuit: tuple[Want, asyncio.Task[None]] | None = None

    @property
    def now(self) -> Instant:
        return self._parts.clock.now()

    def put(self, event: Event) -> None:
        self._inbox.put_nowait((event, None))

    async def do(self, event: Event) -> EvseState:
        """Put an event and wait until its consequences are durable; the state after it."""
        done: asyncio.Future[EvseState] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((event, done))
        return await done

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._pursue(tasks)
                event, done = await self._next()
                await self._apply(event)
                if done is not None and not done.done():
                    done.set_result(self.state)

    async def _next(self) -> tuple[Event, asyncio.Future[EvseState] | None]:
        due = deadline(self.state, self._parts.rules())
        if due is None:
            return await self._inbox.get()
        try:
            async with asyncio.timeout(max(0.0, due.seconds_since(self.now))):
                return await self._inbox.get()
        except TimeoutError:
            return self._deadline_passed(), None

    def _deadline_passed(self) -> DeadlinePassed:
        now = self.now
        shown = self._parts.register.shown()
        if shown is None or now.mono_s - shown.t_s > BELIEVABLE_S:
            return DeadlinePassed(now)
        return DeadlinePassed(now, shown.value(SampleContext.PERIODIC, self.offered_ma))

    async def _apply(self, event: Event) -> None:
        before = self.state
        after, entries = step(before, event, self._parts.rules())
        if after == before and not entries:
            return
        if self.permit and not permit(after):
            self.permit = False
            self._parts.changed(before, before)
        await self._make_durable(after, entries)
        self.state = after
        self.permit = permit(after)
        self._parts.changed(before, after)

    async def _make_durable(self, after: EvseState, entries: tuple[Entry, ...]) -> None:
        commit = Commit(
            states={f"evse:{after.evse}": state_to_row(after)},
            entries=[(entry, self._parts.route) for entry in entries],
        )
        while True:
            try:
                await self._parts.store.commit(commit)
            except StoreError as error:
                if self.permit:
                    _log.error("%s pauses: its records cannot be stored: %s", after.evse, error)
                self.permit = False
                self._parts.changed(self.state, self.state)
                await asyncio.sleep(RETRY_S)
            else:
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
                self.put(await self._parts.authorise(self.state.evse, payer))
            case ReadRegister(after):
                self.put(await self._read_register(after))

    async def _read_register(self, after: Instant) -> RegisterRead:
        register = self._parts.register
        since_s = min(after.mono_s, self.now.mono_s) if after.boot == self.now.boot else self.now.mono_s
        if isinstance(self.state.phase, Stopping):
            shown = await register.at_rest(since_s)
        else:
            shown = await register.newer_than(since_s)
        return RegisterRead(self.now, shown.value(SampleContext.TRIGGER, 0), str(uuid4()))
