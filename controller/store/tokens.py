"""Authorisation cache and local list of each CSMS (R28). A random uid enters neither (R21)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import peewee

from controller.charging.tokens import TokenInfo, TokenStatus, is_random
from controller.store.database import Tables, first, rows
from controller.store.errors import Kind, StoreError
from controller.store.rows import Known

CACHE_LIMIT = 10_000
"""Tokens kept in a cache; beyond it those that were not used for longest are forgotten."""


@dataclass(frozen=True, slots=True)
class ListUpdate:
    """Towards `version` of a CSMS' local list: all of it (`full`), or what differs."""

    version: int
    infos: Sequence[TokenInfo]
    full: bool
    removed: Collection[str] = ()


def lookup(tables: Tables, csms: str, uid: str) -> Known:
    listed = first(tables.local_list.select().where(_is(tables.local_list, csms, uid)))
    cached = first(tables.token_cache.select().where(_is(tables.token_cache, csms, uid)))
    return Known(
        listed=None if listed is None else _info(listed),
        cached=None if cached is None else _info(cached),
        cache_used=None if cached is None else _moment(cached, "last_used"),
    )


def remember(tables: Tables, csms: str, infos: Sequence[TokenInfo], at: datetime) -> None:
    """What the CSMS said of these tokens, used at `at`."""
    known = [info for info in infos if not is_random(info.uid)]
    for info in known:
        row = {"csms": csms, **_row(info), "last_used": utc_text(at)}
        tables.token_cache.insert(**row).on_conflict_replace().execute()
    if known:
        _forget_oldest(tables, csms)


def clear_cache(tables: Tables, csms: str) -> None:
    tables.token_cache.delete().where(tables.token_cache.c.csms == csms).execute()


def list_version(tables: Tables, csms: str) -> int:
    versions = tables.local_list_version
    row = first(versions.select().where(versions.c.csms == csms))
    return 0 if row is None else int(row["version"])


def update_list(tables: Tables, csms: str, update: ListUpdate) -> None:
    entries = tables.local_list
    if update.full:
        entries.delete().where(entries.c.csms == csms).execute()
    for uid in update.removed:
        entries.delete().where(_is(entries, csms, uid)).execute()
    for info in update.infos:
        if not is_random(info.uid):
            entries.insert(csms=csms, **_row(info)).on_conflict_replace().execute()
    tables.local_list_version.insert(csms=csms, version=update.version).on_conflict_replace().execute()


def utc_text(at: datetime) -> str:
    """Texts of one width, so that they sort as the moments do.

    Raises:
        ValueError: without a time zone, or outside the calendar in UTC.
    """
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {at.isoformat()}")
    try:
        return at.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError as error:
        raise ValueError(f"no such time in UTC: {at.isoformat()}") from error


def _forget_oldest(tables: Tables, csms: str) -> None:
    cache = tables.token_cache
    count = rows(cache.select(peewee.fn.COUNT(cache.c.uid).alias("rows")).where(cache.c.csms == csms))[0]["rows"]
    if count > CACHE_LIMIT:
        oldest = cache.select(cache.c.uid).where(cache.c.csms == csms).order_by(cache.c.last_used)
        for row in rows(oldest.limit(count - CACHE_LIMIT)):
            cache.delete().where(_is(cache, csms, row["uid"])).execute()


def _is(table: peewee.Table, csms: str, uid: str) -> peewee.Expression:
    expression: peewee.Expression = (table.c.csms == csms) & (table.c.uid == uid)
    return expression


def _row(info: TokenInfo) -> dict[str, object]:
    return {
        "uid": info.uid,
        "status": info.status.value,
        "group_id": info.group,
        "expires": None if info.expires is None else utc_text(info.expires),
    }


def _info(row: dict[str, Any]) -> TokenInfo:
    try:
        status = TokenStatus(row["status"])
    except ValueError as error:
        raise StoreError(Kind.CORRUPT, f"token …{str(row['uid'])[-4:]}: {error}") from error
    return TokenInfo(row["uid"], status, row["group_id"], _moment(row, "expires"))


def _moment(row: dict[str, Any], key: str) -> datetime | None:
    text = row[key]
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise StoreError(Kind.CORRUPT, f"token …{str(row['uid'])[-4:]}: {error}") from error
