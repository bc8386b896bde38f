"""What can go wrong with the disk, as a caller reacts to it."""

import enum
import errno
import sqlite3
from collections.abc import Iterator

import peewee

STORAGE_ERRORS = (peewee.PeeweeException, sqlite3.Error)
"""Peewee translates most errors of SQLite, not those that appear while rows are fetched."""


class Kind(enum.Enum):
    FULL = "full"
    """No room; works again once there is."""
    IO = "io"
    """The medium failed; nothing may be concluded about what it holds until it has been read again."""
    READONLY = "readonly"
    """The folder or the file cannot be written."""
    CORRUPT = "corrupt"
    """The file is not what was written; it is left untouched."""
    NEWER = "newer"
    """The file was written by a later release."""
    BUSY = "busy"
    """Somebody else holds the database."""
    CLOSED = "closed"


class StoreError(Exception):
    """The store did not do it. `kind` is what a caller reacts to, the text is for people."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


_BY_PREFIX = {
    "SQLITE_FULL": Kind.FULL,
    "SQLITE_CORRUPT": Kind.CORRUPT,
    "SQLITE_NOTADB": Kind.CORRUPT,
    "SQLITE_READONLY": Kind.READONLY,
    "SQLITE_PERM": Kind.READONLY,
    "SQLITE_BUSY": Kind.BUSY,
    "SQLITE_LOCKED": Kind.BUSY,
    "SQLITE_IOERR": Kind.IO,
    "SQLITE_CANTOPEN": Kind.IO,
}

_BY_ERRNO = {
    errno.ENOSPC: Kind.FULL,
    errno.EDQUOT: Kind.FULL,
    errno.EROFS: Kind.READONLY,
    errno.EACCES: Kind.READONLY,
    errno.EPERM: Kind.READONLY,
    errno.EAGAIN: Kind.BUSY,
}


def diagnose(error: BaseException) -> StoreError:
    """The storage error behind an exception of peewee.

    After a full disk SQLite has rolled back already; peewee's own ROLLBACK then fails and hides the cause, which is
    only to be found along `__context__`.
    """
    for each in _causes(error):
        name = getattr(each, "sqlite_errorname", None)
        kind = _kind(name) if isinstance(name, str) else None
        if kind is not None:
            return StoreError(kind, f"{each} ({name})")
    return StoreError(Kind.IO, f"{type(error).__name__}: {error}")


def diagnose_os(error: OSError) -> StoreError:
    return StoreError(_BY_ERRNO.get(error.errno or 0, Kind.IO), str(error))


def _causes(error: BaseException) -> Iterator[sqlite3.Error]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, sqlite3.Error):
            yield each
        waiting += [each.__context__, each.__cause__]


def _kind(name: str) -> Kind | None:
    return next((kind for prefix, kind in _BY_PREFIX.items() if name.startswith(prefix)), None)
