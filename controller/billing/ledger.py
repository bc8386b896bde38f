"""The hash chain of the ledger.

A record's hash is SHA-256 of the canonical JSON (sorted keys, no spaces, ASCII) of `{"payload", "prev", "seq"}`;
`prev` is the hash of the record before it, the first one's is 64 zeros, numbers start at 1 and have no gaps.
A bare chain proves nothing against somebody who may rewrite all of it; keep a `Head` elsewhere for that.
"""

import enum
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

RENUMBERED_WITHIN = 1000
"""How far away the true number of a renumbered record is looked for."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the last record's number and hash."""

    seq: int
    hash: str


GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Record:
    """One link. `body` is the payload's canonical JSON, kept to the byte because the hash covers its bytes."""

    seq: int
    prev: str
    hash: str
    body: str

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)


class Damage(enum.Enum):
    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain breaks: `seq` is the place, counted from 1, that does not hold what was sealed there."""

    damage: Damage
    seq: int
    text: str


def canonical(value: object) -> str:
    """The one text of a JSON value. NaN and infinities are a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def seal(head: Head, payload: Mapping[str, object]) -> tuple[Head, Record]:
    """The record that follows `head`, and the new head."""
    seq, body = head.seq + 1, canonical(payload)
    record = Record(seq, head.hash, _digest(seq, head.hash, body), body)
    return record.head, record


def genuine(record: Record) -> bool:
    """Whether the record holds what was sealed under its number."""
    return record.hash == _digest(record.seq, record.prev, record.body)


def verify(records: Iterable[Record], head: Head | None = None, *, after: Head = GENESIS) -> Break | None:
    """The first place where the records are not the unbroken chain that follows `after`, or None.

    A cut-off tail can only be seen against the `head` that the chain is known to have reached.
    """
    last, rest = after, iter(records)
    for record in rest:
        if record.seq == last.seq + 1 and record.prev == last.hash and genuine(record):
            last = record.head
        else:
            return _diagnose(last, record, rest)
    return _check_end(last, head)


def _check_end(last: Head, head: Head | None) -> Break | None:
    if head is None or last == head:
        return None
    if last.seq < head.seq:
        text = f"the chain ends at record {last.seq}, it was known to reach {head.seq}"
        return Break(Damage.TRUNCATED, last.seq + 1, text)
    return Break(Damage.CHANGED, last.seq, f"record {last.seq} is not the one that the known head {head.seq} names")


def _diagnose(last: Head, record: Record, rest: Iterator[Record]) -> Break:
    """Name the damage at the place after `last`, where `record` stands."""
    place = last.seq + 1
    for other in rest:
        if _belongs(other, last):
            return Break(Damage.REORDERED, place, f"record {place} stands at place {other.seq}")
    if record.seq < place:
        return Break(Damage.REORDERED, place, f"number {record.seq} appears again where {place} should stand")
    if record.seq > place:
        return Break(Damage.MISSING, place, f"record {place} is missing, {record.seq} follows")
    true_number = _true_number(record)
    if true_number is not None:
        text = f"record {place} is missing, number {true_number} stands in its place"
        return Break(Damage.MISSING, place, text)
    return Break(Damage.CHANGED, place, f"record {place} is not what was sealed")


def _belongs(record: Record, last: Head) -> bool:
    """Whether this is the true successor of `last`, whatever number it bears now."""
    return record.prev == last.hash and record.hash == _digest(last.seq + 1, record.prev, record.body)


def _true_number(record: Record) -> int | None:
    """The other number under which this record was sealed; None if its content was changed."""
    numbers = range(record.seq + 1, record.seq + RENUMBERED_WITHIN)
    return next((n for n in numbers if record.hash == _digest(n, record.prev, record.body)), None)


def _digest(seq: int, prev: str, body: str) -> str:
    text = f'{{"payload":{body},"prev":"{prev}","seq":{seq}}}'
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
