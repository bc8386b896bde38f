"""The charging profiles of all stations: a change is durable before anybody sees it, one after the other."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from controller.charging.charging_profiles import Refusal
from controller.charging.profile_book import Book, Change, Criteria
from controller.charging.profile_rows import profile_from_text, profile_to_text
from controller.charging.records import Route
from controller.charging.rows import RowError
from controller.store.errors import StoreError
from controller.store.store import Store

_log = logging.getLogger(__name__)

RETRY_S = 1.0

Plan = Callable[[Book], Change | Refusal]
"""What to change, seen from the book as it is when its turn comes."""


@dataclass(frozen=True, slots=True)
class Job:
    route: Route
    plan: Plan
    done: asyncio.Future[Change | Refusal]


class Shelf:
    """`damaged` counts stored profiles that cannot be read: they limit nothing, which people should know (R38)."""

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        self.damaged = 0
        self._store = store
        self._changed = changed
        self._books: dict[Route, Book] = {}
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._torn: dict[Route, set[int]] = {}
        """Ids whose last write failed: what the store has of them is not known."""

    def load(self, stored: Mapping[Route, Sequence[str]]) -> None:
        for route, texts in stored.items():
            book = Book()
            for text in texts:
                try:
                    book = Change(added=(profile_from_text(text),)).of(book)
                except RowError as error:
                    self.damaged += 1
                    _log.error("%s: %s", route.identity, error)
            self._books[route] = book

    def book(self, route: Route) -> Book:
        return self._books.get(route, Book())

    async def change(self, route: Route, plan: Plan) -> Change | Refusal:
        """Make a change durable; whoever stops waiting before its turn has asked for nothing.

        Raises:
            StoreError: nothing has changed.
        """
        done: asyncio.Future[Change | Refusal] = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait(Job(route, plan, done))
        return await done

    async def run(self) -> None:
        while True:
            job = await self._next()
            if job is None:
                await self._mend()
            elif not job.done.done():
                await self._do(job)

    async def _next(self) -> Job | None:
        """None: it is time to mend what a failing store has left."""
        try:
            async with asyncio.timeout(RETRY_S if self._torn else None):
                return await self._jobs.get()
        except TimeoutError:
            return None

    async def _do(self, job: Job) -> None:
        book = self.book(job.route)
        result = job.plan(book)
        try:
            if isinstance(result, Change) and result:
                await self._write(job.route, result)
        except StoreError as error:
            if not job.done.done():
                job.done.set_exception(error)
            return
        if isinstance(result, Change) and result:
            self._books[job.route] = result.of(book)
            self._changed()
        if not job.done.done():
            job.done.set_result(result)

    async def _write(self, route: Route, change: Change) -> None:
        removed = [one.profile.id for one in change.removed]
        added = {one.profile.id: profile_to_text(one) for one in change.added}
        self._torn.setdefault(route, set()).update(removed, added)
        await self._store.change_profiles(route, removed, added)
        self._torn[route] -= {*removed, *added}
        if not self._torn[route]:
            del self._torn[route]

    async def _mend(self) -> None:
        """Write again what counts."""
        for route, ids in list(self._torn.items()):
            kept = self.book(route).select(Criteria(ids=tuple(ids)))
            gone = [one for one in ids if one not in {other.profile.id for other in kept}]
            try:
                texts = {one.profile.id: profile_to_text(one) for one in kept}
                await self._store.change_profiles(route, gone, texts)
            except StoreError as error:
                _log.warning("%s: charging profiles cannot be stored: %s", route.identity, error)
            else:
                del self._torn[route]
