"""The writing connection: one transaction for a group of jobs, and what holds after it failed."""

import contextlib
import sqlite3
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import peewee

from controller.store.chain import check_head, read_head
from controller.store.database import Tables, checkpoint, connect_writer
from controller.store.errors import STORAGE_ERRORS, StoreError, diagnose
from controller.store.faultpoint import FaultPoint
from controller.store.schema import migrate

T = TypeVar("T")
Work = Callable[[Tables], T]
Connect = Callable[[Path], peewee.SqliteDatabase]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """`key` names work that must not be done twice: a repeated job has the same. None: repeating does no harm."""

    work: Work[Any]
    key: Hashable = None
    future: Future[Any] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one job: its value, or why it alone failed."""

    value: object = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A commit whose end is unknown: it happened if the ledger now ends with `mark`."""

    mark: str
    outcomes: dict[Hashable, Outcome]


class Medium:
    """The writing connection of one thread, opened when it is needed and anew after any storage error.

    A commit that failed may have reached the medium all the same. It is never acknowledged then; but when the
    reopened ledger shows that it happened, a repetition of its jobs is answered without doing them twice.
    """

    def __init__(self, path: Path, fault: FaultPoint, connect: Connect = connect_writer) -> None:
        self._path = path
        self._fault = fault
        self._connect = connect
        self._database: peewee.SqliteDatabase | None = None
        self._doubt: _Doubt | None = None
        self._happened: dict[Hashable, Outcome] = {}

    def open(self) -> Tables:
        """The tables; after an error reopened, checked, and the doubt of that error resolved.

        Raises:
            StoreError: still not to be opened, or not sound.
        """
        if self._database is None:
            with self._closing_on_error():
                self._database = self._connect(self._path)
                migrate(self._database)
                check_head(Tables(self._database))
                self._settle(self._database)
        return Tables(self._database)

    def commit(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do the jobs in order in one transaction, and return when it is durable.

        Raises:
            StoreError: none of them may be taken for done.
        """
        tables = self.open()
        earlier = [self._happened.get(job.key) for job in jobs]
        fresh = [job for job, outcome in zip(jobs, earlier, strict=True) if outcome is None]
        outcomes = iter(self._transact(tables, fresh) if fresh else [])
        for job in jobs:
            self._happened.pop(job.key, None)
        return [outcome or next(outcomes) for outcome in earlier]

    def close(self) -> None:
        """With a last checkpoint if the medium still answers."""
        if self._database is not None:
            with contextlib.suppress(*STORAGE_ERRORS):
                checkpoint(self._database)
        self._drop()

    def _transact(self, tables: Tables, jobs: Sequence[Job]) -> list[Outcome]:
        with self._closing_on_error():
            tables.database.begin()
            before = read_head(tables).hash
            outcomes = [_attempt(tables, job) for job in jobs]
            mark = read_head(tables).hash
            self._fault.before_commit()
        keyed = {job.key: outcome for job, outcome in zip(jobs, outcomes, strict=True) if job.key is not None}
        with self._closing_on_error():
            self._doubt = _Doubt(mark, keyed) if mark != before else None
            tables.database.commit()
            self._doubt = None
        self._fault.after_commit()
        return outcomes

    def _settle(self, database: peewee.SqliteDatabase) -> None:
        """Find out whether a doubted commit happened; it counts only once a checkpoint has made it durable.

        A failed flush cannot be repeated: the kernel takes its pages for written. The checkpoint writes copies.
        """
        if self._doubt is not None and read_head(Tables(database)).hash == self._doubt.mark:
            checkpoint(database)
            self._happened |= self._doubt.outcomes
        self._doubt = None

    @contextlib.contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except STORAGE_ERRORS as error:
            self._drop()
            raise diagnose(error) from error
        except StoreError:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._database is not None:
            with contextlib.suppress(*STORAGE_ERRORS):
                self._database.close()
            self._database = None


def _attempt(tables: Tables, job: Job) -> Outcome:
    """A job that fails for a reason of its own takes nothing of its group with it."""
    try:
        with tables.database.savepoint():
            return Outcome(job.work(tables))
    except (LookupError, ValueError, StoreError, peewee.IntegrityError, sqlite3.IntegrityError) as error:
        return Outcome(error=error)
