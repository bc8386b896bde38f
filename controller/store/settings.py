"""Variables of each CSMS, and what is known of the time (R26)."""

from collections.abc import Mapping
from datetime import datetime

from controller.billing.ledger import canonical
from controller.charging.instant import Sync
from controller.store.chain import keep_meta, parse, read_meta
from controller.store.database import Tables, rows
from controller.store.errors import Kind, StoreError
from controller.store.tokens import utc_text

_SYNC = "sync:"
_LAST_TIME = "last known time"


def variables(tables: Tables, csms: str) -> dict[str, str]:
    table = tables.variable
    return {row["name"]: row["value"] for row in rows(table.select().where(table.c.csms == csms))}


def set_variables(tables: Tables, csms: str, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        tables.variable.insert(csms=csms, name=name, value=value).on_conflict_replace().execute()


def syncs(tables: Tables) -> dict[str, Sync]:
    """By boot id."""
    query = tables.meta.select().where(tables.meta.c.key.startswith(_SYNC))
    found = [_sync(row["key"].removeprefix(_SYNC), row["value"]) for row in rows(query)]
    return {sync.boot: sync for sync in found}


def add_sync(tables: Tables, sync: Sync) -> None:
    value = canonical({"mono_s": sync.mono_s, "wall": utc_text(sync.wall)})
    keep_meta(tables, _SYNC + sync.boot, value)


def last_known_time(tables: Tables) -> datetime | None:
    text = read_meta(tables, _LAST_TIME)
    return None if text is None else _moment(text, "the last known time")


def keep_time(tables: Tables, at: datetime) -> None:
    keep_meta(tables, _LAST_TIME, utc_text(at))


def _sync(boot: str, text: str) -> Sync:
    row = parse(text, f"the sync of boot {boot}")
    try:
        return Sync(boot, float(str(row["mono_s"])), datetime.fromisoformat(str(row["wall"])))
    except (KeyError, ValueError) as error:
        raise StoreError(Kind.CORRUPT, f"the sync of boot {boot} cannot be read: {error!r}") from error


def _moment(text: str, what: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise StoreError(Kind.CORRUPT, f"{what} cannot be read: {error}") from error
