"""The store as the event loop sees it: awaits that resolve when something is durable, or has been read.

A stalled disk stalls whoever awaits it, never the loop.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.billing import ledger
from controller.billing.ledger import GENESIS, Break, Record
from controller.charging.instant import Sync
from controller.charging.records import Route
from controller.charging.tokens import TokenInfo
from controller.store import chain, limitlog, outbox, profiles, settings, tokens
from controller.store.database import FILE, FolderLock
from controller.store.errors import Kind, StoreError
from controller.store.faultpoint import FaultPoint
from controller.store.medium import T, Work
from controller.store.outbox import Acknowledgement
from controller.store.reader import Reader
from controller.store.rows import Commit, Delivery, DeliveryState, Depth, Known, LimitEvent
from controller.store.tokens import ListUpdate
from controller.store.writer import Writer

__all__ = ["Commit", "Delivery", "DeliveryState", "Depth", "Kind", "Known", "Store", "StoreError"]

STALLED_S = 5.0
CLOSE_WITHIN_S = 10.0
VERIFY_PAGE = 1000


class Store:
    """All that survives, in one folder.

    Every method may raise StoreError. A cancelled caller does not cancel what it asked to be written.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._lock: FolderLock | None = None
        self._writer = Writer(folder / FILE, FaultPoint(environment))
        self._reader = Reader(folder / FILE)
        self._pending: dict[asyncio.Future[Any], float] = {}
        self._listeners: list[Callable[[Route], None]] = []

    async def open(self) -> None:
        """Examine what is there, bring it to this release's schema, and start the writer.

        Raises:
            StoreError: CORRUPT or NEWER leave the file untouched; BUSY: another process works in the folder.
        """
        self._lock = FolderLock(self._folder)
        try:
            await asyncio.shield(asyncio.wrap_future(self._writer.start()))
        except StoreError:
            self._release()
            raise

    async def close(self) -> None:
        """After everything that waits has been written.

        Raises:
            StoreError: IO, the medium does not answer; closing goes on and may be awaited again.
        """
        if self._lock is None:
            return
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await asyncio.shield(asyncio.wrap_future(self._reader.close()))
                await asyncio.shield(asyncio.wrap_future(self._writer.stop()))
        except TimeoutError as error:
            raise StoreError(Kind.IO, "the medium does not answer") from error
        self._release()

    @property
    def failing(self) -> bool:
        """Whether the last attempt to write failed, or one has been waiting for longer than STALLED_S."""
        return self._writer.failing or self._stalled()

    @property
    def last_error(self) -> StoreError | None:
        return self._writer.last_error

    def on_queued(self, callback: Callable[[Route], None]) -> Callable[[], None]:
        """Call back in the loop whenever rows for a route have become durable; returns how to stop that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    # what happened, and where things stand

    async def commit(self, commit: Commit) -> tuple[int, ...]:
        """Make states, ledger records and outbox rows durable together; the entries' ledger numbers.

        After a StoreError the same commit may be tried again: if it did reach the medium it is not done twice.
        """
        prepared = chain.prepare(commit)
        key = prepared if prepared.entries else None
        return await self._write(lambda tables: chain.write(tables, prepared), routes=prepared.routes, key=key)

    async def states(self) -> dict[str, dict[str, object]]:
        return await self._read(chain.read_states)

    async def ledger(self, since: int = 0, limit: int = 1000) -> list[Record]:
        """Records with numbers above `since`, in order."""
        return await self._read(lambda tables: chain.read_records(tables, since, limit))

    async def verify(self) -> Break | None:
        """Check the whole chain, in pieces between which others may read."""
        head = await self._read(chain.read_head)
        last = GENESIS
        while last.seq < head.seq:
            page = await self.ledger(last.seq, min(VERIFY_PAGE, head.seq - last.seq))
            found = ledger.verify(page, after=last)
            if found is not None or not page:
                return found or ledger.verify([], head, after=last)
            last = page[-1].head
        return ledger.verify([], head, after=last)

    # the way to a CSMS

    async def head(self, route: Route, *, skip: Collection[str] = ()) -> Delivery | None:
        """The oldest row that is neither delivered nor parked and whose transaction is not in `skip`."""
        return await self._read(lambda tables: outbox.head(tables, route, skip))

    async def parked(self, route: Route) -> tuple[Delivery, ...]:
        return await self._read(lambda tables: outbox.parked(tables, route))

    async def freeze(self, seq: int, wire: str) -> None:
        """Remember the exact payload before it is sent for the first time; a payload frozen before stays.

        Raises:
            LookupError: no such row.
        """
        await self._write(lambda tables: outbox.freeze(tables, seq, wire))

    async def attempted(self, seq: int) -> int:
        """Count a transmission; the number so far.

        Raises:
            LookupError: no such row.
        """
        return await self._write(lambda tables: outbox.attempted(tables, seq))

    async def acknowledge(
        self,
        seq: int,
        *,
        remote_id: str | None = None,
        tokens: Sequence[TokenInfo] = (),
        at: datetime | None = None,
    ) -> None:
        """The CSMS has it: with its own id of the transaction and its word on tokens, in one commit.

        `at` is when the tokens were used; None: when the row was queued.

        Raises:
            LookupError: no such row.
        """
        answer = Acknowledgement(seq, remote_id, tuple(tokens), at)
        await self._write(lambda tables: outbox.acknowledge(tables, answer))

    async def park(self, seq: int, why: str) -> None:
        """Set a row aside that the CSMS refuses (R27); one that was acknowledged meanwhile stays so.

        Raises:
            LookupError: no such row.
        """
        await self._write(lambda tables: outbox.park(tables, seq, why))

    async def unpark(self, route: Route) -> int:
        """Queue all parked rows of a route again, with their frozen payloads; how many."""
        return await self._write(lambda tables: outbox.unpark(tables, route), routes=[route])

    async def depth(self, route: Route) -> Depth:
        return await self._read(lambda tables: outbox.depth(tables, route))

    async def pending_of(self, transaction: str) -> int:
        """Rows of a transaction that are not delivered, parked ones among them."""
        return await self._read(lambda tables: outbox.pending_of(tables, transaction))

    async def remote_id(self, route: Route, transaction: str) -> str | None:
        return await self._read(lambda tables: outbox.remote_id(tables, route, transaction))

    async def transaction_of(self, route: Route, remote_id: str) -> str | None:
        return await self._read(lambda tables: outbox.transaction_of(tables, route, remote_id))

    # tokens

    async def lookup(self, csms: str, uid: str) -> Known:
        return await self._read(lambda tables: tokens.lookup(tables, csms, uid))

    async def remember(self, csms: str, infos: Sequence[TokenInfo], at: datetime) -> None:
        """Cache what a CSMS said of tokens that were used at `at`; random uids are left out (R21)."""
        infos = tuple(infos)
        await self._write(lambda tables: tokens.remember(tables, csms, infos, at))

    async def clear_cache(self, csms: str) -> None:
        await self._write(lambda tables: tokens.clear_cache(tables, csms))

    async def list_version(self, csms: str) -> int:
        """0 while no list was ever sent."""
        return await self._read(lambda tables: tokens.list_version(tables, csms))

    async def replace_list(
        self,
        csms: str,
        version: int,
        infos: Sequence[TokenInfo],
        *,
        full: bool,
        removed: Collection[str] = (),
    ) -> None:
        """Bring a CSMS' local list to `version`: replace it (`full`), or merge `infos` and `removed`."""
        update = ListUpdate(version, tuple(infos), full, tuple(removed))
        await self._write(lambda tables: tokens.update_list(tables, csms, update))

    # settings and time

    async def variables(self, csms: str) -> dict[str, str]:
        return await self._read(lambda tables: settings.variables(tables, csms))

    async def set_variables(self, csms: str, values: Mapping[str, str]) -> None:
        values = dict(values)
        await self._write(lambda tables: settings.set_variables(tables, csms, values))

    async def syncs(self) -> dict[str, Sync]:
        """By boot id."""
        return await self._read(settings.syncs)

    async def add_sync(self, sync: Sync) -> None:
        """Replaces an earlier one of the same boot."""
        await self._write(lambda tables: settings.add_sync(tables, sync))

    async def last_known_time(self) -> datetime | None:
        return await self._read(settings.last_known_time)

    async def keep_time(self, at: datetime) -> None:
        await self._write(lambda tables: settings.keep_time(tables, at))

    # charging profiles

    async def charging_profiles(self) -> dict[Route, list[str]]:
        """Rows of those of every station of every CSMS, in the order in which they came."""
        return await self._read(profiles.read)

    async def charging_profile_count(self, route: Route) -> int:
        return await self._read(lambda tables: profiles.count(tables, route))

    async def change_profiles(self, route: Route, removed: Collection[int], added: Mapping[int, str]) -> None:
        """Take ids out and put rows in, together or not at all; an id that is there is replaced."""
        removed, added = tuple(removed), dict(added)
        await self._write(lambda tables: profiles.change(tables, route, (removed, added)))

    # limits

    async def log_limits(self, events: Sequence[LimitEvent]) -> None:
        """Append to the log of limits; an event that is in it already is not put twice."""
        events = tuple(events)
        await self._write(lambda tables: limitlog.append(tables, events))

    async def limit_log(self, subject: str | None = None) -> list[LimitEvent]:
        """Oldest first, of one limit or of all."""
        return await self._read(lambda tables: limitlog.read(tables, subject))

    async def _write(self, work: Work[T], *, routes: Sequence[Route] = (), key: Hashable = None) -> T:
        loop = asyncio.get_running_loop()
        future = asyncio.wrap_future(self._writer.put(work, key))
        self._pending[future] = loop.time()
        future.add_done_callback(lambda done: self._written(done, routes))
        return await asyncio.shield(future)

    def _written(self, done: asyncio.Future[T], routes: Sequence[Route]) -> None:
        self._pending.pop(done, None)
        if done.cancelled() or done.exception() is not None:
            return
        for route in routes:
            for listener in tuple(self._listeners):
                listener(route)

    async def _read(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self._reader.ask(work))

    def _stalled(self) -> bool:
        oldest = next(iter(self._pending.values()), None)
        return oldest is not None and asyncio.get_running_loop().time() - oldest > STALLED_S

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
