"""The look at a database before it is opened for writing."""

from pathlib import Path

import peewee

from controller.store.chain import check_head
from controller.store.database import Tables, connect_reader
from controller.store.errors import STORAGE_ERRORS, Kind, StoreError, diagnose
from controller.store.schema import APPLICATION_ID, refuse_newer


def examine(path: Path) -> None:
    """Whether a file is a sound database of this release or an earlier one, without changing a byte of it.

    A missing or empty file is sound: there is nothing in it yet.

    Raises:
        StoreError: CORRUPT or NEWER, or what the medium said.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        database = connect_reader(path)
        try:
            _check(database)
        finally:
            database.close()
    except STORAGE_ERRORS as error:
        found = diagnose(error)
        raise StoreError(found.kind, f"{path}: {found}") from error
    except StoreError as error:
        raise StoreError(error.kind, f"{path}: {error}") from error


def _check(database: peewee.SqliteDatabase) -> None:
    if not database.get_tables():  # a power cut at the very first start leaves a header and nothing else
        return
    if int(database.pragma("application_id")) != APPLICATION_ID:
        raise StoreError(Kind.CORRUPT, "not a database of Ampyard")
    refuse_newer(int(database.pragma("user_version")))
    verdict = str(database.pragma("quick_check(1)"))
    if verdict != "ok":
        raise StoreError(Kind.CORRUPT, f"damaged: {' '.join(verdict.split())}")
    check_head(Tables(database))
