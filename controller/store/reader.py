"""Reading: one thread with a connection that cannot write."""

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from controller.store.database import Tables, connect_reader
from controller.store.errors import STORAGE_ERRORS, Kind, StoreError, diagnose
from controller.store.medium import T, Work


class Reader:
    """Opens its connection at the first question, and anew after an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tables: Tables | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")
        self._closing: Future[None] | None = None

    def ask(self, work: Work[T]) -> Future[T]:
        """Fails with a StoreError."""
        if self._closing is not None:
            refused: Future[T] = Future()
            refused.set_exception(StoreError(Kind.CLOSED, "the store is closed"))
            return refused
        return self._thread.submit(self._answer, work)

    def close(self) -> Future[None]:
        """After the questions that wait."""
        if self._closing is None:
            self._closing = self._thread.submit(self._drop)
            self._thread.shutdown(wait=False)
        return self._closing

    def _answer(self, work: Work[T]) -> T:
        try:
            if self._tables is None:
                self._tables = Tables(connect_reader(self._path))
            return work(self._tables)
        except STORAGE_ERRORS as error:
            self._drop()
            raise diagnose(error) from error

    def _drop(self) -> None:
        if self._tables is not None:
            with contextlib.suppress(*STORAGE_ERRORS):
                self._tables.database.close()
            self._tables = None
