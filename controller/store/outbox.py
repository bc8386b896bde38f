"""The rows on their way to a CSMS. Nothing here ever removes one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import peewee

from controller.billing.encode import EntryError, from_row
from controller.charging.records import Route
from controller.charging.tokens import TokenInfo
from controller.store import tokens
from controller.store.chain import parse, parse_instant
from controller.store.database import Tables, first, rows
from controller.store.errors import Kind, StoreError
from controller.store.rows import Delivery, DeliveryState, Depth

# The literal text lets SQLite use the partial index delivery_open, which holds nothing else.
OPEN = "state <> 'acknowledged'"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What an answer of the CSMS makes durable together. `at` None: its tokens count as used when queued."""

    seq: int
    remote_id: str | None = None
    infos: Sequence[TokenInfo] = ()
    at: datetime | None = None


def head(tables: Tables, route: Route, skip: Collection[str]) -> Delivery | None:
    waiting = _open(tables, route).where(tables.delivery.c.state != DeliveryState.PARKED.value)
    if skip:
        waiting = waiting.where(tables.outbox.c.transaction_key.not_in(list(skip)))
    row = first(waiting.order_by(tables.delivery.c.seq))
    return None if row is None else _delivery(row)


def parked(tables: Tables, route: Route) -> tuple[Delivery, ...]:
    query = _open(tables, route).where(tables.delivery.c.state == DeliveryState.PARKED.value)
    return tuple(_delivery(row) for row in rows(query.order_by(tables.delivery.c.seq)))


def depth(tables: Tables, route: Route) -> Depth:
    delivery = tables.delivery
    counts = {
        row["state"]: row["rows"]
        for row in rows(
            delivery.select(delivery.c.state, peewee.fn.COUNT(delivery.c.seq).alias("rows"))
            .where(peewee.SQL(OPEN) & _of(delivery, route))
            .group_by(delivery.c.state)
        )
    }
    oldest = head(tables, route, ())
    return Depth(
        waiting=counts.get(DeliveryState.QUEUED.value, 0) + counts.get(DeliveryState.SENT.value, 0),
        parked=counts.get(DeliveryState.PARKED.value, 0),
        oldest=None if oldest is None else oldest.queued,
    )


def pending_of(tables: Tables, transaction: str) -> int:
    delivery, outbox = tables.delivery, tables.outbox
    query = (
        delivery.select(peewee.fn.COUNT(delivery.c.seq).alias("rows"))
        .join(outbox, on=outbox.c.seq == delivery.c.seq)
        .where(peewee.SQL(OPEN) & (outbox.c.transaction_key == transaction))
    )
    return int(rows(query)[0]["rows"])


def freeze(tables: Tables, seq: int, wire: str) -> None:
    """The first payload stays: a retry must be identical (R26)."""
    _require(tables, seq)
    delivery = tables.delivery
    _set(tables, (delivery.c.seq == seq) & delivery.c.wire.is_null(), wire=wire)
    _set(
        tables,
        (delivery.c.seq == seq) & (delivery.c.state == DeliveryState.QUEUED.value),
        state=DeliveryState.SENT.value,
    )


def attempted(tables: Tables, seq: int) -> int:
    attempts = int(_require(tables, seq)["attempts"]) + 1
    _set(tables, tables.delivery.c.seq == seq, attempts=attempts)
    return attempts


def acknowledge(tables: Tables, answer: Acknowledgement) -> None:
    row = _require(tables, answer.seq)
    route = Route(row["csms"], row["identity"])
    this = tables.delivery.c.seq == answer.seq
    _set(tables, this, state=DeliveryState.ACKNOWLEDGED.value, remote_id=answer.remote_id, why="")
    sent = rows(tables.outbox.select().where(tables.outbox.c.seq == answer.seq))[0]
    if answer.remote_id is not None:
        tables.remote.insert(
            csms=route.csms,
            identity=route.identity,
            transaction_key=sent["transaction_key"],
            remote_id=answer.remote_id,
            seq=answer.seq,
        ).on_conflict_replace().execute()
    if answer.infos:
        used = answer.at or parse_instant(sent["at"], f"outbox row {answer.seq}").wall
        tokens.remember(tables, route.csms, answer.infos, used)


def park(tables: Tables, seq: int, why: str) -> None:
    """Without effect on a row that has been acknowledged meanwhile."""
    _require(tables, seq)
    delivery = tables.delivery
    open_row = (delivery.c.seq == seq) & (delivery.c.state != DeliveryState.ACKNOWLEDGED.value)
    _set(tables, open_row, state=DeliveryState.PARKED.value, why=why)


def unpark(tables: Tables, route: Route) -> int:
    """A payload that was sent before stays frozen; the attempts count anew."""
    delivery = tables.delivery
    stuck = _of(delivery, route) & (delivery.c.state == DeliveryState.PARKED.value)
    fresh = _set(tables, stuck & delivery.c.wire.is_null(), state=DeliveryState.QUEUED.value, attempts=0, why="")
    return fresh + _set(tables, stuck, state=DeliveryState.SENT.value, attempts=0, why="")


def remote_id(tables: Tables, route: Route, transaction: str) -> str | None:
    remote = tables.remote
    row = first(remote.select().where(_of(remote, route) & (remote.c.transaction_key == transaction)))
    return None if row is None else str(row["remote_id"])


def transaction_of(tables: Tables, route: Route, remote: str) -> str | None:
    """The newest one, should a CSMS give an id twice."""
    table = tables.remote
    query = table.select().where(_of(table, route) & (table.c.remote_id == remote)).order_by(table.c.seq.desc())
    row = first(query)
    return None if row is None else str(row["transaction_key"])


def _of(table: peewee.Table, route: Route) -> peewee.Expression:
    expression: peewee.Expression = (table.c.csms == route.csms) & (table.c.identity == route.identity)
    return expression


def _set(tables: Tables, where: peewee.Expression, **values: object) -> int:
    return int(tables.delivery.update(**values).where(where).execute())


def _require(tables: Tables, seq: int) -> dict[str, Any]:
    row = first(tables.delivery.select().where(tables.delivery.c.seq == seq))
    if row is None:
        raise LookupError(f"the outbox has no row {seq}")
    return row


def _open(tables: Tables, route: Route) -> peewee.Select:
    delivery, outbox, ledger = tables.delivery, tables.outbox, tables.ledger
    query: peewee.Select = (
        delivery.select(
            delivery.c.seq,
            delivery.c.state,
            delivery.c.attempts,
            delivery.c.wire,
            delivery.c.why,
            outbox.c.at,
            ledger.c.payload.cast("BLOB").alias("payload"),
        )
        .join(outbox, on=outbox.c.seq == delivery.c.seq)
        .join(ledger, on=ledger.c.seq == delivery.c.seq)
        .where(peewee.SQL(OPEN) & _of(delivery, route))
    )
    return query


def _delivery(row: Mapping[str, Any]) -> Delivery:
    what = f"ledger record {row['seq']}"
    try:
        entry = from_row(parse(bytes(row["payload"]).decode(errors="surrogateescape"), what))
    except EntryError as error:
        raise StoreError(Kind.CORRUPT, f"{what}: {error}") from error
    return Delivery(
        seq=int(row["seq"]),
        transaction=entry.transaction,
        evse=entry.evse,
        entry=entry,
        state=DeliveryState(row["state"]),
        attempts=int(row["attempts"]),
        wire=row["wire"],
        queued=parse_instant(row["at"], f"outbox row {row['seq']}"),
        why=row["why"],
    )
