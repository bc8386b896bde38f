"""Ledger entries as versioned JSON objects, field by field: a record must still be readable in ten years."""

from collections.abc import Callable, Mapping
from typing import cast

from controller.charging.instant import Instant
from controller.charging.records import (
    ChargingState,
    Entry,
    MeterValue,
    SampleContext,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from controller.charging.tokens import BilledBy, Token
from drivers.api import Phases

VERSION = 1

Row = Mapping[str, object]


class EntryError(ValueError):
    """A stored entry cannot be read; the text says what about it."""


def kind_of(entry: Entry) -> str:
    match entry:
        case TransactionStarted():
            return "started"
        case TransactionUpdated():
            return "updated"
        case TransactionEnded():
            return "ended"


def to_row(entry: Entry) -> dict[str, object]:
    row: dict[str, object] = {
        "v": VERSION,
        "kind": kind_of(entry),
        "transaction": entry.transaction,
        "seq": entry.seq,
        "evse": entry.evse,
        "at": entry.at.to_row(),
        "trigger": entry.trigger.value,
        "state": entry.state.value,
        "meter": None if entry.meter is None else _meter_row(entry.meter),
    }
    match entry:
        case TransactionStarted():
            row["token"] = _token_row(entry.token)
            row["billed_by"] = entry.billed_by.value
            row["remote_start_id"] = entry.remote_start_id
        case TransactionEnded():
            row["token"] = None if entry.token is None else _token_row(entry.token)
            row["reason"] = entry.reason.value
            row["estimated"] = entry.estimated
        case TransactionUpdated():
            pass
    return row


def from_row(row: Row) -> Entry:
    """The entry that `to_row` stored.

    Raises:
        EntryError: another version, an unknown kind, or a field that is missing or of the wrong type.
    """
    version = row.get("v")
    if type(version) is not int or version != VERSION:
        raise EntryError(f"entry of version {version!r}; this release reads version {VERSION}")
    read = _READERS.get(str(row.get("kind")))
    if read is None:
        raise EntryError(f"entry of unknown kind {row.get('kind')!r}")
    try:
        return read(row)
    except KeyError as error:
        raise EntryError(f"entry without {error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise EntryError(f"entry: {error}") from error


def _started(row: Row) -> Entry:
    return TransactionStarted(
        transaction=_text(row, "transaction"),
        seq=_whole(row, "seq"),
        evse=_text(row, "evse"),
        at=_instant(row),
        trigger=Trigger(row["trigger"]),
        state=ChargingState(row["state"]),
        token=_token(_inner(row, "token")),
        billed_by=BilledBy(row["billed_by"]),
        meter=_meter(_inner(row, "meter")),
        remote_start_id=_whole_or_none(row, "remote_start_id"),
    )


def _updated(row: Row) -> Entry:
    return TransactionUpdated(
        transaction=_text(row, "transaction"),
        seq=_whole(row, "seq"),
        evse=_text(row, "evse"),
        at=_instant(row),
        trigger=Trigger(row["trigger"]),
        state=ChargingState(row["state"]),
        meter=None if row["meter"] is None else _meter(_inner(row, "meter")),
    )


def _ended(row: Row) -> Entry:
    return TransactionEnded(
        transaction=_text(row, "transaction"),
        seq=_whole(row, "seq"),
        evse=_text(row, "evse"),
        at=_instant(row),
        trigger=Trigger(row["trigger"]),
        state=ChargingState(row["state"]),
        reason=StopReason(row["reason"]),
        meter=_meter(_inner(row, "meter")),
        token=None if row["token"] is None else _token(_inner(row, "token")),
        estimated=_flag(row, "estimated"),
    )


_READERS: dict[str, Callable[[Row], Entry]] = {"started": _started, "updated": _updated, "ended": _ended}


def _meter_row(meter: MeterValue) -> dict[str, object]:
    """What only DC outlets have is left out of the others' rows, which are as they always were."""
    of_dc = {"offered_w": meter.offered_w, "soc_percent": meter.soc_percent}
    return {
        "context": meter.context.value,
        "energy_wh": meter.energy_wh,
        "power_w": meter.power_w,
        "current_ma": None if meter.current_ma is None else list(meter.current_ma),
        "offered_ma": meter.offered_ma,
        **{key: value for key, value in of_dc.items() if value is not None},
    }


def _meter(row: Row) -> MeterValue:
    return MeterValue(
        context=SampleContext(row["context"]),
        energy_wh=_whole(row, "energy_wh"),
        power_w=_whole_or_none(row, "power_w"),
        current_ma=_phases(row["current_ma"]),
        offered_ma=_whole_or_none(row, "offered_ma"),
        offered_w=_whole(row, "offered_w") if "offered_w" in row else None,
        soc_percent=_whole(row, "soc_percent") if "soc_percent" in row else None,
    )


def _token_row(token: Token) -> dict[str, object]:
    return {
        "uid": token.uid,
        "shown": token.shown,
        "kind": token.kind,
        "group": token.group,
        "min_ma": token.min_ma,
        "billed_by": None if token.billed_by is None else token.billed_by.value,
    }


def _token(row: Row) -> Token:
    return Token(
        uid=_text(row, "uid"),
        shown=_text(row, "shown"),
        kind=_text(row, "kind"),
        group=None if row["group"] is None else _text(row, "group"),
        min_ma=_whole_or_none(row, "min_ma"),
        billed_by=None if row["billed_by"] is None else BilledBy(row["billed_by"]),
    )


def _instant(row: Row) -> Instant:
    inner = _inner(row, "at")
    _flag(inner, "trusted")
    return Instant.from_row(inner)


def _phases(value: object) -> Phases | None:
    if value is None:
        return None
    if not isinstance(value, list) or [type(each) for each in value] != [int, int, int]:
        raise TypeError(f"current_ma is not three whole numbers: {value!r}")
    return Phases(*value)


def _inner(row: Row, key: str) -> dict[str, object]:
    value = row[key]
    if not isinstance(value, dict):
        raise TypeError(f"{key} is not an object: {value!r}")
    return cast(dict[str, object], value)


def _text(row: Row, key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is not a text: {value!r}")
    return value


def _whole(row: Row, key: str) -> int:
    value = row[key]
    if type(value) is not int:
        raise TypeError(f"{key} is not a whole number: {value!r}")
    return value


def _whole_or_none(row: Row, key: str) -> int | None:
    return None if row[key] is None else _whole(row, key)


def _flag(row: Row, key: str) -> bool:
    value = row[key]
    if not isinstance(value, bool):
        raise TypeError(f"{key} is neither true nor false: {value!r}")
    return value
