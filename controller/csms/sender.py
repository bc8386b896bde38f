"""Drains the outbox of one route: in order, again and again the same, never dropped (R25-R28)."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from controller.charging.commands import Ask, ReportVerdict
from controller.charging.instant import Instant, wire_utc
from controller.charging.records import Entry, Route, TransactionEnded, TransactionStarted
from controller.charging.tokens import TokenInfo
from controller.clock import Clock
from controller.csms.bell import Bell
from controller.csms.dialect import Dialect, EntryReply, Message, Setting
from controller.csms.lanes import Lane
from controller.csms.link import CallFailedError, CallRefusedError, NotConnectedError
from controller.csms.memory import TokenMemory
from controller.csms.patience import Cause, Failure, Patience, Terms
from controller.csms.requests import Ids
from controller.csms.rpc import ABOUT_THE_MESSAGE, Payload
from controller.csms.schemas import Kind, validate
from controller.csms.variables import Variables
from controller.store.errors import StoreError
from controller.store.rows import Delivery, Depth
from controller.store.store import Store

log = logging.getLogger(__name__)

Call = Callable[[Message, Lane], Awaitable[Payload]]
T = TypeVar("T")

STORE_RETRY_S = 2.0
VERDICT_LIMIT_S = 10.0
RECOUNT_S = 1.0


@dataclass(frozen=True, slots=True)
class Sending:
    """What a sender works with."""

    route: Route
    dialect: Dialect
    ids: Ids
    store: Store
    clock: Clock
    variables: Variables
    call: Call
    ask: Ask
    memory: TokenMemory


class Sender:
    """Sends nothing unless `open` was called after the last `close`."""

    def __init__(self, tools: Sending) -> None:
        self.depth = Depth(0, 0, None)
        self.trouble = ""
        """Why nothing is delivered although the connection works; empty: it is."""
        self._tools = tools
        self._store = tools.store
        self._bell = Bell()
        self._online_since: Instant | None = None
        self._patience = Patience()
        self._counted_s = float("-inf")
        self._held: frozenset[str] = frozenset()
        self._store_error = ""

    def open(self, since: Instant) -> None:
        """The station is accepted, and connected since then."""
        self._online_since = since
        self._bell.ring()

    def close(self) -> None:
        self._online_since = None

    async def run(self) -> None:
        stop = self._store.on_queued(self._on_queued)
        try:
            while True:
                await self._count()
                idle_s = await self._step()
                if idle_s != 0:
                    await self._count(at_once=True)
                    await self._bell.wait(idle_s)
        finally:
            stop()

    async def send_parked_again(self) -> int:
        """Put parked messages back in their places; how many."""
        return await self._store.unpark(self._tools.route)

    def _on_queued(self, route: Route) -> None:
        if route == self._tools.route:
            self._counted_s = float("-inf")
            self._bell.ring()

    async def _count(self, *, at_once: bool = False) -> None:
        now_s = self._tools.clock.mono()
        if at_once or now_s - self._counted_s >= RECOUNT_S:
            self._counted_s = now_s
            self.depth = await self._surely(lambda: self._store.depth(self._tools.route))
            self._held = await self._held_up()

    async def _held_up(self) -> frozenset[str]:
        """Transactions whose later messages must wait for a parked one."""
        if not self._tools.dialect.holds_transaction or self.depth.parked == 0:
            return frozenset()
        parked = await self._surely(lambda: self._store.parked(self._tools.route))
        return frozenset(delivery.transaction for delivery in parked)

    async def _step(self) -> float | None:
        """Deliver one message at most; for how long there is nothing to do, None: until the bell rings."""
        if self._online_since is None:
            return None
        now_s = self._tools.clock.mono()
        waits_s = self._patience.pause_until_s - now_s
        if not self._tools.dialect.holds_transaction:
            waits_s = max(waits_s, self._patience.waits_s(now_s))
        if waits_s > 0:
            return waits_s
        skip = self._patience.skip(now_s) | self._held
        delivery = await self._surely(lambda: self._head(skip))
        if delivery is None:
            return self._patience.next_s(self._tools.clock.mono())
        await self._deliver(delivery, self._online_since)
        return 0

    async def _head(self, skip: set[str]) -> Delivery | None:
        return await self._store.head(self._tools.route, skip=tuple(skip))

    async def _deliver(self, delivery: Delivery, online_since: Instant) -> None:
        message = await self._message(delivery, online_since)
        if message is None:
            return
        try:
            reply = await self._tools.call(message, Lane.QUEUE)
        except NotConnectedError:
            return
        except CallFailedError as error:
            await self._on_failure(delivery, error)
        else:
            await self._on_reply(delivery, message, reply)

    async def _message(self, delivery: Delivery, online_since: Instant) -> Message | None:
        """The frozen payload, or now frozen; None if there is nothing to send, which is then settled."""
        if delivery.wire is not None:
            action, payload = json.loads(delivery.wire)
            return Message(action, payload)
        number = self._tools.ids.number(delivery.evse)
        if number is None:
            await self._park(delivery.seq, delivery.transaction, f"{delivery.evse} is not part of this station now")
            return None
        setting = await self._surely(lambda: self._setting(delivery, number, online_since))
        message = self._tools.dialect.entry(delivery.entry, setting)
        if message is None:
            await self._surely(lambda: self._store.acknowledge(delivery.seq))
            return None
        wire = json.dumps([message.action, message.payload], separators=(",", ":"))
        await self._surely(lambda: self._store.freeze(delivery.seq, wire))
        return message

    async def _setting(self, delivery: Delivery, number: int, online_since: Instant) -> Setting:
        """E11.FR.02 and FR.07: offline is what was queued before this connection."""
        tools, queued = self._tools, delivery.queued
        at = delivery.entry.at
        sync = tools.clock.sync if at.boot == tools.clock.boot else (await self._store.syncs()).get(at.boot)
        return Setting(
            number=number,
            at=wire_utc(at, sync),
            offline=queued.boot != online_since.boot or queued.mono_s < online_since.mono_s,
            remote_id=await self._store.remote_id(tools.route, delivery.transaction),
            measurands=(
                tools.variables.members("SampledDataCtrlr.TxStartedMeasurands"),
                tools.variables.members("SampledDataCtrlr.TxUpdatedMeasurands"),
                tools.variables.members("SampledDataCtrlr.TxEndedMeasurands"),
            ),
        )

    async def _on_reply(self, delivery: Delivery, message: Message, reply: Payload) -> None:
        """A CALLRESULT is an acknowledgement whatever it holds: sending again would only make a second one."""
        problem = validate(self._tools.dialect.version, message.action, Kind.RESPONSE, reply)
        if problem is not None:
            log.warning("%s: answer to %s: %s", self._tools.route.identity, message.action, problem.text)
        told = self._tools.dialect.entry_reply(delivery.entry, reply)
        await self._report(delivery.entry, told.info)
        tokens = await self._surely(lambda: self._to_remember(delivery.entry, told))
        await self._surely(lambda: self._store.acknowledge(delivery.seq, remote_id=told.remote_id, tokens=tokens))
        self.trouble = ""
        self._patience.forget(delivery.transaction)
        for failure in self._patience.succeeded(delivery.seq):
            await self._park(failure.seq, failure.transaction, failure.why)

    async def _report(self, entry: Entry, info: TokenInfo | None) -> None:
        """Before the acknowledgement, so that a crash between them repeats it and loses nothing."""
        if info is None or not isinstance(entry, TransactionStarted):
            return
        try:
            async with asyncio.timeout(VERDICT_LIMIT_S):
                await self._tools.ask(ReportVerdict(entry.transaction, info))
        except TimeoutError:
            log.warning("%s: verdict on %s not taken in time", self._tools.route.identity, entry.transaction)

    async def _to_remember(self, entry: Entry, told: EntryReply) -> tuple[TokenInfo, ...]:
        token = entry.token if isinstance(entry, (TransactionStarted, TransactionEnded)) else None
        return await self._tools.memory.of(token, told.info) if token is not None else ()

    async def _on_failure(self, delivery: Delivery, error: CallFailedError) -> None:
        about_message = isinstance(error, CallRefusedError) and error.fault in ABOUT_THE_MESSAGE
        failure = Failure(
            seq=delivery.seq,
            transaction=delivery.transaction,
            attempts=await self._surely(lambda: self._store.attempted(delivery.seq)),
            cause=Cause.MESSAGE if about_message else Cause.CSMS,
            why=str(error),
        )
        was_sick = self._patience.sick
        if self._patience.failed(failure, self._terms(), self._tools.clock.mono()):
            await self._park(failure.seq, failure.transaction, failure.why)
        if self._patience.sick and not was_sick:
            self.trouble = f"the CSMS is sick, sending pauses: {error}"
            log.error("%s: %s", self._tools.route.identity, self.trouble)

    def _terms(self) -> Terms:
        variables = self._tools.variables
        return Terms(
            attempts=variables.integer("OCPPCommCtrlr.MessageAttempts[TransactionEvent]"),
            interval_s=variables.integer("OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]"),
        )

    async def _park(self, seq: int, transaction: str, why: str) -> None:
        log.error("%s: message %s of %s parked: %s", self._tools.route.identity, seq, transaction, why)
        await self._surely(lambda: self._store.park(seq, why))
        self._patience.forget(transaction)
        await self._count(at_once=True)

    async def _surely(self, act: Callable[[], Awaitable[T]]) -> T:
        """Until the store does it: what the CSMS has answered must not be asked again for want of a disk."""
        while True:
            try:
                done = await act()
            except StoreError as error:
                self._note(str(error))
                await asyncio.sleep(STORE_RETRY_S)
            else:
                self._note("")
                return done

    def _note(self, store_error: str) -> None:
        if store_error and store_error != self._store_error:
            log.error("%s: the store fails: %s", self._tools.route.identity, store_error)
        self._store_error = store_error
