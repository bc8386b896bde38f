"""The writer: the one thread that writes. Jobs that wait together share one durable commit."""

import queue
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from pathlib import Path

from controller.store.database import connect_writer
from controller.store.errors import Kind, StoreError
from controller.store.examine import examine
from controller.store.faultpoint import FaultPoint
from controller.store.medium import Connect, Job, Medium, Outcome, T, Work

GROUP_LIMIT = 128


class Writer:
    """Runs jobs in its thread and answers each when it is durable.

    `last_error` is the newest storage error, `failing` says that no commit has succeeded since.
    """

    def __init__(self, path: Path, fault: FaultPoint, connect: Connect = connect_writer) -> None:
        self.failing = False
        self.last_error: StoreError | None = None
        self._path = path
        self._medium = Medium(path, fault, connect)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._opened: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name="store-writer", daemon=True)

    def start(self) -> Future[None]:
        """Resolves when the database has been examined, opened and migrated; fails with a StoreError."""
        self._thread.start()
        return self._opened

    def put(self, work: Work[T], key: Hashable = None) -> Future[T]:
        """From any thread. For `key` see `Job`."""
        job = Job(work, key)
        with self._gate:
            if self._closed:
                job.future.set_exception(StoreError(Kind.CLOSED, "the store is closed"))
            else:
                self._jobs.put(job)
        return job.future

    def stop(self) -> Future[None]:
        """End the thread once it has done what waits; resolves when it has let go of the file."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        return self._ended

    def _main(self) -> None:
        try:
            if self._open():
                self._serve()
        finally:
            self._end()

    def _open(self) -> bool:
        try:
            examine(self._path)
            self._medium.open()
        except StoreError as error:
            self.failing, self.last_error = True, error
            self._opened.set_exception(error)
            return False
        self._opened.set_result(None)
        return True

    def _serve(self) -> None:
        while group := self._next_group():
            outcomes = [Outcome(error=_ended())] * len(group)
            try:
                outcomes = self._medium.commit(group)
                self.failing = False
            except StoreError as error:
                self.failing, self.last_error = True, error
                outcomes = [Outcome(error=error)] * len(group)
            finally:
                for job, outcome in zip(group, outcomes, strict=True):
                    _answer(job, outcome)

    def _next_group(self) -> list[Job]:
        """Wait for a job and take along what else waits; empty at the end."""
        group: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) == GROUP_LIMIT or self._jobs.empty():
                return group
            job = self._jobs.get()
        if group:
            self._jobs.put(None)
        return group

    def _end(self) -> None:
        """Whatever ended the thread: nobody waits for ever."""
        with self._gate:
            if not self._closed and not self.failing:
                self.failing, self.last_error = True, _ended()
            self._closed = True
        self._medium.close()
        if not self._opened.done():
            self._opened.set_exception(_ended())
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                _answer(job, Outcome(error=_ended()))
        self._ended.set_result(None)


def _ended() -> StoreError:
    return StoreError(Kind.CLOSED, "the writer has ended")


def _answer(job: Job, outcome: Outcome) -> None:
    if outcome.error is None:
        job.future.set_result(outcome.value)
    else:
        job.future.set_exception(outcome.error)
