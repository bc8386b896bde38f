"""The database file: how it is locked and opened, and its tables as peewee sees them."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import peewee

from controller.store.errors import STORAGE_ERRORS, Kind, StoreError, diagnose_os

FILE = "ampyard.db"
LOCK = "ampyard.lock"
BUSY_TIMEOUT_S = 5

_DURABLE: Mapping[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "busy_timeout": BUSY_TIMEOUT_S * 1000,
    "wal_autocheckpoint": 400,
    "journal_size_limit": 4 * 1024 * 1024,
    "mmap_size": 0,
}
_READING: Mapping[str, str | int] = {"query_only": 1, "busy_timeout": BUSY_TIMEOUT_S * 1000, "mmap_size": 0}


class Tables:
    """The tables of one connection. Each thread binds its own: no query can reach another thread's connection."""

    def __init__(self, database: peewee.SqliteDatabase) -> None:
        self.database = database
        self.meta = peewee.Table("meta").bind(database)
        self.state = peewee.Table("state").bind(database)
        self.ledger = peewee.Table("ledger").bind(database)
        self.outbox = peewee.Table("outbox").bind(database)
        self.delivery = peewee.Table("delivery").bind(database)
        self.remote = peewee.Table("remote").bind(database)
        self.token_cache = peewee.Table("token_cache").bind(database)
        self.local_list = peewee.Table("local_list").bind(database)
        self.local_list_version = peewee.Table("local_list_version").bind(database)
        self.variable = peewee.Table("variable").bind(database)
        self.limit_log = peewee.Table("limit_log").bind(database)
        self.charging_profile = peewee.Table("charging_profile").bind(database)


def rows(query: peewee.Select) -> list[dict[str, Any]]:
    """All rows of a select; the cursor is exhausted, so that no reader holds back a checkpoint."""
    return list(query.dicts())


def first(query: peewee.Select) -> dict[str, Any] | None:
    return next(iter(rows(query.limit(1))), None)


class FolderLock:
    """Keeps a second process from opening the same folder: two writers may corrupt a WAL database."""

    def __init__(self, folder: Path) -> None:
        try:
            self._handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise diagnose_os(error) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise StoreError(Kind.BUSY, f"another process works in {folder}") from error

    def release(self) -> None:
        os.close(self._handle)


def connect_writer(path: Path) -> peewee.SqliteDatabase:
    """The one connection that may write, usable in the calling thread only. A new file is its owner's alone."""
    if not path.exists():
        try:
            path.touch(0o600)
        except OSError as error:
            raise diagnose_os(error) from error
    database = peewee.SqliteDatabase(str(path), lock_type="IMMEDIATE", autoconnect=False)
    return _connected(database, _DURABLE)


def checkpoint(database: peewee.SqliteDatabase) -> None:
    """Copy the whole log into the database file and flush that.

    Raises:
        StoreError: BUSY, because somebody reads an older state.
    """
    if int(database.pragma("wal_checkpoint(truncate)")) != 0:
        raise StoreError(Kind.BUSY, "the log cannot be written back while somebody reads")


def connect_reader(path: Path) -> peewee.SqliteDatabase:
    """A connection that cannot write, usable in the calling thread only."""
    uri = path.absolute().as_uri() + "?mode=ro"
    return _connected(peewee.SqliteDatabase(uri, autoconnect=False, uri=True), _READING)


def _connected(database: peewee.SqliteDatabase, settings: Mapping[str, str | int]) -> peewee.SqliteDatabase:
    """Open and set. peewee's own `pragmas` would leave the connection open where a damaged file refuses one."""
    database.connect()
    try:
        for name, value in settings.items():
            database.pragma(name, value)
    except STORAGE_ERRORS:
        database.close()
        raise
    return database
