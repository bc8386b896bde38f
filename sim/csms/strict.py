"""What a station did that OCPP does not allow, each as a text with the number of the message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sim.csms.book import Report, Transaction, meter, out_of_order
from sim.csms.journal import Journal, Message
from sim.csms.registration import Registration

LONGEST_ID = 36

Finding = tuple[int, str]


@dataclass(slots=True)
class _Station:
    registration: Registration = field(default_factory=Registration)
    used_ids: set[str] = field(default_factory=set)
    open_ids: set[str] = field(default_factory=set)


def violations(journal: Journal, report: Report) -> list[str]:
    found = [*journal.remarks, *_protocol(journal.messages), *_transactions(report)]
    return [f"message {n}: {text}" for n, text in sorted(found)]


def _protocol(messages: Sequence[Message]) -> Iterator[Finding]:
    stations: dict[str, _Station] = {}
    for message in messages:
        station = stations.setdefault(message.identity, _Station())
        if message.direction == "out":
            _note_ours(station, message)
        elif message.type == "call":
            yield from _call(station, message)
        elif message.type in ("result", "error"):
            yield from _answer(station, message)


def _note_ours(station: _Station, message: Message) -> None:
    if message.type == "call":
        station.open_ids.add(message.id or "")
        station.registration.called(message.action or "", message.payload)
    elif message.type == "result" and message.action == "BootNotification" and not message.lost:
        station.registration.booted(message.payload["status"])


def _call(station: _Station, message: Message) -> Iterator[Finding]:
    unique_id, action = message.id or "", message.action or ""
    if unique_id in station.used_ids:
        yield message.n, f"{message.identity} used the message id {unique_id} again"
    if len(unique_id) > LONGEST_ID:
        yield message.n, f"{message.identity} used a message id of {len(unique_id)} characters"
    if not station.registration.allows(action):
        yield message.n, f"{message.identity} sent {action} before it was accepted"
    station.used_ids.add(unique_id)


def _answer(station: _Station, message: Message) -> Iterator[Finding]:
    if message.id not in station.open_ids:
        yield message.n, f"{message.identity} answered {message.id}, which is no open call"
    station.open_ids.discard(message.id or "")


def _transactions(report: Report) -> Iterator[Finding]:
    for message in report.orphans:
        if message.action == "StopTransaction" and message.payload["transactionId"] != -1:
            number = message.payload["transactionId"]
            yield message.n, f"{message.identity} stopped transaction {number}, which is not known"
    for transaction in report.transactions:
        name = f"{transaction.identity}/{transaction.transaction_id}"
        findings = [*_order(transaction), *_times(transaction), *_energy(transaction, report.version)]
        for n, text in findings:
            yield n, f"transaction {name}: {text}"


def _order(transaction: Transaction) -> Iterator[Finding]:
    first = transaction.steps[0]
    if isinstance(first.slot, int) and first.slot != 0:
        yield first.n, f"began with seqNo {first.slot}"
    for step in out_of_order(transaction):
        yield step.n, f"seqNo {step.slot} after a higher one"
    for step in transaction.repeats:
        original = transaction.slots[step.slot]
        if original.payload != step.payload:
            yield step.n, f"repeats message {original.n} with another payload"
    if transaction.changed_repeats and not transaction.repeats:
        yield first.n, "its start repeats that of another transaction with another payload"


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _times(transaction: Transaction) -> Iterator[Finding]:
    latest: datetime | None = None
    for step in transaction.steps:
        if not step.at:
            continue
        at = _instant(step.at)
        if at is None:
            yield step.n, f"{step.at!r} is no time"
        elif latest is not None and at < latest:
            yield step.n, f"its time goes back, from {latest.isoformat()} to {at.isoformat()}"
        else:
            latest = at


def _energy(transaction: Transaction, version: str) -> Iterator[Finding]:
    start, stop = meter(transaction, version)
    if start is not None and stop is not None and stop < start:
        last = transaction.first("Ended") or transaction.steps[-1]
        yield last.n, f"its energy register goes back, from {start} to {stop} Wh"
