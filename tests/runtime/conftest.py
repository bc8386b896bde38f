import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.store import database
from controller.store.store import Store
from tests.runtime.bench import Bench


class Disk:
    """The medium of a store. Stalled, it lets the writer wait for SQLite's busy timeout and then fails it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._other: sqlite3.Connection | None = None

    def stall(self) -> None:
        self._other = sqlite3.connect(self._file, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def go_on(self) -> None:
        if self._other is not None:
            self._other.rollback()
            self._other.close()
            self._other = None


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / database.FILE)
    yield disk
    disk.go_on()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path, {})
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def impatient_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """Fails at once where the other waits: a stalled disk is a failing one."""
    monkeypatch.setattr(database, "_DURABLE", {**database._DURABLE, "busy_timeout": 20})
    opened = Store(tmp_path, {})
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store)
