"""The transaction book: what a CSMS makes of the messages it processed.

Only calls that got a result count, also where that result was lost on the way; refused and unanswered ones
were not processed.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sim.csms.journal import Message
from sim.csms.registers import BEGIN, END, plain, registers

StepKind = Literal["Started", "Updated", "Ended"]
Key = tuple[str, str | int]
RECENT = 100  # starts of a token on a connector that a repeat is looked for in; keeps long runs linear


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a transaction; two with the same slot claim to be the same."""

    n: int
    kind: StepKind
    slot: int | str
    at: str
    payload: dict[str, Any]


@dataclass(slots=True)
class Transaction:
    """`repeats` are the steps whose slot was taken; the counts include a start that repeats another's."""

    identity: str
    transaction_id: str | int
    steps: list[Step] = field(default_factory=list)
    repeats: list[Step] = field(default_factory=list)
    slots: dict[int | str, Step] = field(default_factory=dict)
    duplicates: int = 0
    changed_repeats: int = 0

    def add(self, step: Step) -> None:
        first = self.slots.setdefault(step.slot, step)
        if first is step:
            self.steps.append(step)
            return
        self.repeats.append(step)
        if first.payload == step.payload:
            self.duplicates += 1
        else:
            self.changed_repeats += 1

    def first(self, kind: StepKind) -> Step | None:
        return next((step for step in self.steps if step.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Report:
    """`orphans`: processed messages that belong to no known transaction."""

    version: str
    dedupe: bool
    transactions: list[Transaction]
    orphans: list[Message]

    def as_data(self) -> dict[str, Any]:
        entries = [_entry(each, self) for each in self.transactions]
        return {
            "transactions": entries,
            "orphans": [_orphan(message) for message in self.orphans],
            "total": _total(entries, len(self.orphans)),
        }


@dataclass(frozen=True, slots=True)
class _Draft:
    """`starts` of 1.6 by identity, connector and idTag."""

    transactions: dict[Key, Transaction] = field(default_factory=dict)
    starts: dict[tuple[str, int, str], list[Transaction]] = field(default_factory=dict)


def canonical(payload: dict[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True)


def processed(messages: Sequence[Message]) -> Iterator[tuple[Message, dict[str, Any]]]:
    """Calls of stations with the payload of their result, in the order of the calls."""
    results: dict[tuple[int, str | None], dict[str, Any]] = {}
    for message in messages:
        if message.direction == "out" and message.type == "result":
            results.setdefault((message.connection, message.id), message.payload)
    for message in messages:
        if message.direction == "in" and message.type == "call":
            answer = results.get((message.connection, message.id))
            if answer is not None:
                yield message, answer


def build(messages: Sequence[Message], *, version: str, dedupe: bool) -> Report:
    """Without `dedupe` (naive mode) repeated events stay in the count of events."""
    draft = _Draft()
    orphans: list[Message] = []
    for call, answer in processed(messages):
        fits = _take16(draft, call, answer) if version == "1.6" else _take201(draft, call)
        if not fits:
            orphans.append(call)
    return Report(version, dedupe, list(draft.transactions.values()), orphans)


def _take201(draft: _Draft, call: Message) -> bool:
    """False for an event of a transaction that was not started before."""
    if call.action != "TransactionEvent":
        return True
    payload = call.payload
    name = payload["transactionInfo"]["transactionId"]
    known = draft.transactions.setdefault((call.identity, name), Transaction(call.identity, name))
    known.add(Step(call.n, payload["eventType"], payload["seqNo"], payload["timestamp"], payload))
    return known.first("Started") is not None


def _take16(draft: _Draft, call: Message, answer: dict[str, Any]) -> bool:
    """False for meter values and stops of a transaction that is not known."""
    if call.action == "StartTransaction":
        _start16(draft, call, answer["transactionId"])
        return True
    if call.action not in ("StopTransaction", "MeterValues") or "transactionId" not in call.payload:
        return True
    known = draft.transactions.get((call.identity, call.payload["transactionId"]))
    if known is None:
        return False
    if call.action == "StopTransaction":
        known.add(Step(call.n, "Ended", "stop", call.payload["timestamp"], call.payload))
    else:
        at = next((value["timestamp"] for value in reversed(call.payload["meterValue"])), "")
        known.add(Step(call.n, "Updated", canonical(call.payload), at, call.payload))
    return True


def _start16(draft: _Draft, call: Message, number: int) -> None:
    step = Step(call.n, "Started", "start", call.payload["timestamp"], call.payload)
    key = (call.identity, number)
    if key in draft.transactions:
        draft.transactions[key].add(step)
        return
    new = draft.transactions[key] = Transaction(call.identity, number)
    new.add(step)
    others = draft.starts.setdefault((call.identity, step.payload["connectorId"], step.payload["idTag"]), [])
    likeness = [_likeness(each, step) for each in others[-RECENT:]]
    others.append(new)
    if "same" in likeness:
        new.duplicates += 1
    elif "similar" in likeness:
        new.changed_repeats += 1


def _likeness(other: Transaction, step: Step) -> str:
    """Whether this start is that of another transaction of this connector and idTag, sent again.

    "similar": time or meter value is the same as well, and the other has not ended.
    """
    start = other.first("Started")
    if start is None:
        return ""
    if start.payload == step.payload:
        return "same"
    alike = any(start.payload[name] == step.payload[name] for name in ("timestamp", "meterStart"))
    return "similar" if alike and other.first("Ended") is None else ""


def _meter16(transaction: Transaction) -> tuple[int | None, int | None]:
    start, stop = transaction.first("Started"), transaction.first("Ended")
    return (
        None if start is None else start.payload["meterStart"],
        None if stop is None else stop.payload["meterStop"],
    )


def _meter201(transaction: Transaction) -> tuple[int | float | None, int | float | None]:
    """Begin and end by their context, else the first and last register; no end before Ended."""
    steps = sorted(transaction.steps, key=lambda step: int(step.slot))
    values = [pair for step in steps for pair in registers(step.payload)]
    if not values:
        return None, None
    begin = next((value for context, value in values if context == BEGIN), values[0][1])
    end = next((value for context, value in reversed(values) if context == END), values[-1][1])
    return plain(begin), None if transaction.first("Ended") is None else plain(end)


def meter(transaction: Transaction, version: str) -> tuple[int | float | None, int | float | None]:
    return _meter16(transaction) if version == "1.6" else _meter201(transaction)


def gaps(transaction: Transaction) -> list[list[int]]:
    """Missing seqNo as [first, last] pairs, from 0 to the highest seen."""
    have = sorted(step.slot for step in transaction.steps if isinstance(step.slot, int))
    return [[a + 1, b - 1] for a, b in zip([-1, *have], have, strict=False) if b - a > 1]


def out_of_order(transaction: Transaction) -> list[Step]:
    """Steps that came after one with a higher seqNo."""
    late: list[Step] = []
    highest = -1
    for step in transaction.steps:
        if isinstance(step.slot, int):
            if step.slot < highest:
                late.append(step)
            highest = max(highest, step.slot)
    return late


def _place(transaction: Transaction, version: str) -> tuple[int | None, int | None, str | None]:
    """Evse, connector and id token, each from the first step that has it."""
    payloads = [step.payload for step in transaction.steps]
    if version == "1.6":
        start = payloads[0]
        return start["connectorId"], start["connectorId"], start["idTag"]
    evse: dict[str, int] = next((payload["evse"] for payload in payloads if "evse" in payload), {})
    token: dict[str, str] = next((payload["idToken"] for payload in payloads if "idToken" in payload), {})
    return evse.get("id"), evse.get("connectorId"), token.get("idToken")


def _reason(stop: Step | None, version: str) -> str | None:
    """A reason that is left out means Local."""
    if stop is None:
        return None
    said = stop.payload.get("reason") if version == "1.6" else stop.payload["transactionInfo"].get("stoppedReason")
    return said or "Local"


def _entry(transaction: Transaction, report: Report) -> dict[str, Any]:
    start, stop = transaction.first("Started"), transaction.first("Ended")
    evse, connector, id_token = _place(transaction, report.version)
    meter_start, meter_stop = meter(transaction, report.version)
    missing = gaps(transaction)
    energy = None if meter_start is None or meter_stop is None else round(meter_stop - meter_start, 3)
    return {
        "key": f"{transaction.identity}/{transaction.transaction_id}",
        "identity": transaction.identity,
        "transaction_id": transaction.transaction_id,
        "evse": evse,
        "connector": connector,
        "id_token": id_token,
        "meter_start_wh": meter_start,
        "meter_stop_wh": meter_stop,
        "energy_wh": energy,
        "started": None if start is None else start.at,
        "ended": None if stop is None else stop.at,
        "reason": _reason(stop, report.version),
        "complete": start is not None and stop is not None and not missing,
        "events": len(transaction.steps) + (0 if report.dedupe else len(transaction.repeats)),
        "duplicates": transaction.duplicates,
        "changed_repeats": transaction.changed_repeats,
        "gaps": missing,
        "out_of_order": len(out_of_order(transaction)),
        "orphans": len(transaction.steps) if start is None else 0,
    }


def _orphan(message: Message) -> dict[str, Any]:
    info = message.payload.get("transactionInfo", message.payload)
    return {
        "n": message.n,
        "identity": message.identity,
        "action": message.action,
        "transaction_id": info.get("transactionId"),
    }


def _total(entries: list[dict[str, Any]], orphans: int) -> dict[str, Any]:
    energies = [entry["energy_wh"] for entry in entries if entry["energy_wh"] is not None]
    return {
        "transactions": len(entries),
        "complete": sum(entry["complete"] for entry in entries),
        "energy_wh": round(sum(energies), 3),
        "events": sum(entry["events"] for entry in entries),
        "duplicates": sum(entry["duplicates"] for entry in entries),
        "changed_repeats": sum(entry["changed_repeats"] for entry in entries),
        "out_of_order": sum(entry["out_of_order"] for entry in entries),
        "orphans": orphans,
    }
