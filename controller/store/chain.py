"""States and ledger: what one commit writes, and reading it back."""

import json
from dataclasses import dataclass
from typing import Any

import peewee

from controller.billing.encode import kind_of, to_row
from controller.billing.ledger import GENESIS, Head, Record, canonical, genuine, seal
from controller.charging.instant import Instant
from controller.charging.records import Entry, Route
from controller.store.database import Tables, first, rows
from controller.store.errors import Kind, StoreError
from controller.store.rows import Commit, DeliveryState

HEAD = "head"
STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A commit in the form in which it is stored: plain values that the writer thread shares with nobody.

    Two are equal exactly when they ask for the same.
    """

    states: tuple[tuple[str, str], ...]
    entries: tuple[tuple[str, str, Route | None], ...]
    """Kind, canonical payload and route of each."""
    drop_states: tuple[str, ...]

    @property
    def routes(self) -> list[Route]:
        return list(dict.fromkeys(route for _, _, route in self.entries if route is not None))


def prepare(commit: Commit) -> Prepared:
    """Encode a commit; whatever cannot be stored fails here, in its caller.

    Raises:
        TypeError: a state holds what JSON cannot.
        ValueError: a value is NaN or infinite.
    """
    return Prepared(
        states=tuple((key, canonical(state)) for key, state in commit.states.items()),
        entries=tuple(_prepare(entry, route) for entry, route in commit.entries),
        drop_states=tuple(commit.drop_states),
    )


def _prepare(entry: Entry, route: Route | None) -> tuple[str, str, Route | None]:
    return kind_of(entry), canonical(to_row(entry)), route


def write(tables: Tables, prepared: Prepared) -> tuple[int, ...]:
    """Within the writer's transaction; the ledger numbers of the entries, in order."""
    for key in prepared.drop_states:
        tables.state.delete().where(tables.state.c.key == key).execute()
    for key, text in prepared.states:
        row = {"key": key, "version": STATE_VERSION, "json": text}
        tables.state.insert(**row).on_conflict_replace().execute()
    if not prepared.entries:
        return ()
    head, seqs = read_head(tables), []
    for kind, body, route in prepared.entries:
        head, record = seal(head, json.loads(body))
        tables.ledger.insert(seq=record.seq, prev=record.prev, hash=record.hash, payload=record.body).execute()
        if route is not None:
            _queue(tables, record, kind, route)
        seqs.append(record.seq)
    keep_meta(tables, HEAD, canonical({"seq": head.seq, "hash": head.hash}))
    return tuple(seqs)


def _queue(tables: Tables, record: Record, kind: str, route: Route) -> None:
    payload = json.loads(record.body)
    tables.outbox.insert(
        seq=record.seq,
        csms=route.csms,
        identity=route.identity,
        transaction_key=payload["transaction"],
        evse=payload["evse"],
        kind=kind,
        at=canonical(payload["at"]),
    ).execute()
    tables.delivery.insert(
        seq=record.seq, csms=route.csms, identity=route.identity, state=DeliveryState.QUEUED.value
    ).execute()


def keep_meta(tables: Tables, key: str, value: str) -> None:
    tables.meta.insert(key=key, value=value).on_conflict_replace().execute()


def read_meta(tables: Tables, key: str) -> str | None:
    row = first(tables.meta.select().where(tables.meta.c.key == key))
    return None if row is None else str(row["value"])


def read_head(tables: Tables) -> Head:
    """The end of the chain as it was known at the last commit.

    Raises:
        StoreError: CORRUPT.
    """
    text = read_meta(tables, HEAD)
    if text is None:
        return GENESIS
    row = parse(text, "the head of the ledger")
    seq, digest = row.get("seq"), row.get("hash")
    if not isinstance(seq, int) or not isinstance(digest, str):
        raise StoreError(Kind.CORRUPT, f"the head of the ledger is {text!r}")
    return Head(seq, digest)


def check_head(tables: Tables) -> None:
    """Whether the ledger ends with the record that the head names.

    Raises:
        StoreError: CORRUPT.
    """
    head = read_head(tables)
    last = first(_records(tables).order_by(tables.ledger.c.seq.desc()))
    found = GENESIS if last is None else _record(last).head
    if found != head or (last is not None and not genuine(_record(last))):
        text = f"the ledger ends with record {found.seq}, which is not record {head.seq} as it was sealed"
        raise StoreError(Kind.CORRUPT, text)


def read_records(tables: Tables, since: int, limit: int) -> list[Record]:
    query = _records(tables).where(tables.ledger.c.seq > since).order_by(tables.ledger.c.seq).limit(limit)
    return [_record(row) for row in rows(query)]


def read_states(tables: Tables) -> dict[str, dict[str, object]]:
    """All states by key.

    Raises:
        StoreError: CORRUPT; the text names the state.
    """
    return {str(row["key"]): _state(row) for row in rows(tables.state.select())}


def _state(row: dict[str, Any]) -> dict[str, object]:
    if row["version"] != STATE_VERSION:
        raise StoreError(Kind.CORRUPT, f"state {row['key']} has version {row['version']}, not {STATE_VERSION}")
    return parse(str(row["json"]), f"state {row['key']}")


def parse(text: str, what: str) -> dict[str, object]:
    """A stored JSON object.

    Raises:
        StoreError: CORRUPT; the text names `what`.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise StoreError(Kind.CORRUPT, f"{what} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(Kind.CORRUPT, f"{what} is not an object")
    return value


def parse_instant(text: str, what: str) -> Instant:
    """A stored moment.

    Raises:
        StoreError: CORRUPT; the text names `what`.
    """
    try:
        return Instant.from_row(parse(text, what))
    except (KeyError, ValueError, OverflowError) as error:
        raise StoreError(Kind.CORRUPT, f"{what} cannot be read: {error!r}") from error


def _records(tables: Tables) -> peewee.Select:
    """As bytes: a damaged text need not be text any more, and shall still be named instead of raising."""
    ledger = tables.ledger
    columns = (ledger.c[name].cast("BLOB").alias(name) for name in ("prev", "hash", "payload"))
    return ledger.select(ledger.c.seq, *columns)


def _record(row: dict[str, Any]) -> Record:
    prev, digest, body = (bytes(row[name]).decode(errors="surrogateescape") for name in ("prev", "hash", "payload"))
    return Record(int(row["seq"]), prev, digest, body)
