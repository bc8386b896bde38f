"""An installed charging profile as a versioned row of plain JSON values."""

import json
from collections.abc import Mapping
from datetime import datetime

from controller.charging.charging_profiles import (
    ChargingProfile,
    Period,
    ProfileKind,
    Purpose,
    RateUnit,
    Recurrence,
    Schedule,
    fault_of,
)
from controller.charging.profile_book import Installed
from controller.charging.rows import Row, RowError

VERSION = 1


def profile_to_text(one: Installed) -> str:
    return json.dumps(_to_row(one), sort_keys=True, separators=(",", ":"))


def profile_from_text(text: str) -> Installed:
    """The profile that `profile_to_text` wrote.

    Raises:
        RowError: a version from the future, or a damaged row.
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowError(f"stored charging profile is damaged: {error}") from error
    if not isinstance(row, dict):
        raise RowError("stored charging profile is damaged: it is no object")
    return _from_row(row)


def _to_row(one: Installed) -> Row:
    profile = one.profile
    return {
        "version": VERSION,
        "evse": one.evse,
        "start": one.start,
        "id": profile.id,
        "stack_level": profile.stack_level,
        "purpose": profile.purpose.value,
        "kind": profile.kind.value,
        "recurrence": profile.recurrence.value if profile.recurrence else None,
        "valid_from": _text_of(profile.valid_from),
        "valid_to": _text_of(profile.valid_to),
        "transaction": profile.transaction,
        "schedule": _schedule_to_row(profile.schedule),
    }


def _from_row(row: Mapping[str, object]) -> Installed:
    if row.get("version") != VERSION:
        raise RowError(f"stored charging profile has version {row.get('version')!r}, this program reads {VERSION}")
    try:
        found = Installed(_text(row["evse"]), _profile(row), _text(row["start"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RowError(f"stored charging profile is damaged: {error!r}") from error
    if fault := fault_of(found.profile):
        raise RowError(f"stored charging profile {found.profile.id} makes no sense: {fault.text}")
    return found


def _profile(row: Mapping[str, object]) -> ChargingProfile:
    return ChargingProfile(
        id=_number(row["id"]),
        stack_level=_number(row["stack_level"]),
        purpose=Purpose(row["purpose"]),
        kind=ProfileKind(row["kind"]),
        recurrence=None if row["recurrence"] is None else Recurrence(row["recurrence"]),
        valid_from=_moment(row["valid_from"]),
        valid_to=_moment(row["valid_to"]),
        transaction=None if row["transaction"] is None else _text(row["transaction"]),
        schedule=_schedule(_fields(row["schedule"])),
    )


def _schedule_to_row(schedule: Schedule) -> Row:
    return {
        "id": schedule.id,
        "unit": schedule.unit.value,
        "start": _text_of(schedule.start),
        "duration_s": schedule.duration_s,
        "min_rate_milli": schedule.min_rate_milli,
        "periods": [[one.start_s, one.limit_milli, one.phases, one.phase_to_use] for one in schedule.periods],
    }


def _schedule(row: Mapping[str, object]) -> Schedule:
    periods = row["periods"]
    if not isinstance(periods, list):
        raise TypeError(f"expected a list, found {periods!r}")
    return Schedule(
        unit=RateUnit(row["unit"]),
        periods=tuple(_period(*fields) for fields in periods),
        start=_moment(row["start"]),
        duration_s=_optional(row["duration_s"]),
        min_rate_milli=_optional(row["min_rate_milli"]),
        id=_number(row["id"]),
    )


def _period(start_s: object, limit_milli: object, phases: object, phase_to_use: object) -> Period:
    return Period(_number(start_s), _number(limit_milli), _optional(phases), _optional(phase_to_use))


def _text_of(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(_text(text))
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return at


def _fields(row: object) -> Mapping[str, object]:
    if not isinstance(row, dict):
        raise TypeError(f"expected a table, found {row!r}")
    return row


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, found {value!r}")
    return value


def _optional(value: object) -> int | None:
    return None if value is None else _number(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {value!r}")
    return value
