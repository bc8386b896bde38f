"""The log of limits: what a grid operator commanded and when, kept for two years (R11)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from controller.charging.instant import Instant
from controller.store.database import Tables, rows
from controller.store.errors import Kind, StoreError
from controller.store.rows import LimitEvent
from controller.store.tokens import utc_text

KEPT = timedelta(days=732)
"""A day more than the table insists on, which counts whole seconds."""


def append(tables: Tables, events: Sequence[LimitEvent]) -> None:
    """Once each, however often it is asked; what is older than two years goes, if the time is certain."""
    for event in events:
        tables.limit_log.insert(**_to_row(event)).on_conflict_ignore().execute()
    certain = [event.at.wall for event in events if event.at.trusted]
    if certain:
        log = tables.limit_log
        log.delete().where(log.c.wall < utc_text(max(certain) - KEPT)).execute()


def read(tables: Tables, subject: str | None = None) -> list[LimitEvent]:
    """All that is kept, oldest first."""
    log = tables.limit_log
    query = log.select() if subject is None else log.select().where(log.c.subject == subject)
    return [_from_row(row) for row in rows(query.order_by(log.c.seq))]


def _to_row(event: LimitEvent) -> dict[str, object]:
    return {
        "boot": event.at.boot,
        "mono_s": event.at.mono_s,
        "wall": utc_text(event.at.wall),
        "trusted": int(event.at.trusted),
        "subject": event.subject,
        "what": event.what,
        "value_ma": event.value_ma,
        "value_w": event.value_w,
    }


def _from_row(row: dict[str, Any]) -> LimitEvent:
    try:
        wall = datetime.fromisoformat(row["wall"])
    except ValueError as error:
        raise StoreError(Kind.CORRUPT, f"a row of the log of limits cannot be read: {error}") from error
    at = Instant(row["boot"], row["mono_s"], wall, bool(row["trusted"]))
    return LimitEvent(at, row["subject"], row["what"], row["value_ma"], row["value_w"])
