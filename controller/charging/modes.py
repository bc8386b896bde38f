"""How a session wants to be served, and what the allocation is told of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from controller.allocation.image import Deadline, Demand
from controller.charging.instant import Instant
from controller.charging.local_time import DAY_MIN, clock_text, next_at

HIGHEST_PRIORITY = 9
HEAVIEST = 100
MOST_ENERGY_WH = 1_000_000
MOST_MA = 10_000_000


@dataclass(frozen=True, slots=True)
class Standard:
    """Like everybody. `weight` is the share of what is shared within a class."""

    weight: int = 1


@dataclass(frozen=True, slots=True)
class Priority:
    """Served before every lower class; `level` 1 is just above the standard."""

    level: int = 1
    weight: int = 1


@dataclass(frozen=True, slots=True)
class ByDeadline:
    """So much energy in this transaction by the next time the clock shows `by_min` (local, after midnight)."""

    energy_wh: int
    by_min: int


@dataclass(frozen=True, slots=True)
class Surplus:
    """Only what the site would export otherwise."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Never more than this per phase."""

    max_ma: int
    weight: int = 1


Mode = Standard | Priority | ByDeadline | Surplus | Fixed
STANDARD = Standard()


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody chose for one transaction, and when."""

    mode: Mode
    at: Instant


def kind(mode: Mode) -> str:
    """Its name in site.toml, on the page and in rows."""
    return _KINDS[type(mode)]


_KINDS: dict[type[Mode], str] = {
    Standard: "standard",
    Priority: "priority",
    ByDeadline: "deadline",
    Surplus: "surplus",
    Fixed: "fixed",
}
KINDS = tuple(_KINDS.values())


def mode_text(mode: Mode) -> str:
    """For people; the first word is the kind."""
    match mode:
        case Standard(weight):
            return "standard" + _weight_text(weight)
        case Priority(level, weight):
            return f"priority {level}" + _weight_text(weight)
        case ByDeadline(energy_wh, by_min):
            return f"deadline {energy_wh / 1000:.10g} kWh by {clock_text(by_min)}"
        case Surplus():
            return "surplus only"
        case Fixed(max_ma, weight):
            return f"fixed {max_ma / 1000:.10g} A" + _weight_text(weight)


def _weight_text(weight: int) -> str:
    return "" if weight == 1 else f" (weight {weight})"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a session stands. `since`: what its deadline is the next of, the plug-in or the moment of the choice.

    `zone` None: the site has no local time.
    """

    now: Instant
    since: Instant
    delivered_wh: int
    zone: tzinfo | None


def demand_of(mode: Mode, base: Demand, standing: Standing) -> tuple[Demand, str]:
    """The demand of a session in this mode, and why that is less than the mode's name promises (or nothing)."""
    match mode:
        case Standard(weight):
            return replace(base, weight=weight), ""
        case Priority(level, weight):
            return replace(base, priority=level, weight=weight), ""
        case Surplus():
            return replace(base, surplus=True), ""
        case Fixed(max_ma, weight):
            return replace(base, max_ma=max_ma, weight=weight), ""
        case ByDeadline():
            return _by_deadline(mode, base, standing)


def _by_deadline(mode: ByDeadline, base: Demand, standing: Standing) -> tuple[Demand, str]:
    """Whoever has had the energy, or should be gone, charges on like everybody."""
    remaining_wh = mode.energy_wh - standing.delivered_wh
    if remaining_wh <= 0:
        return base, "standard now: that energy is delivered"
    if standing.zone is None:
        return base, "standard for now: the site has no time zone"
    if not standing.now.trusted:
        return base, "standard for now: the time is not certain"
    since = _wall(standing.since, standing.now)
    if since is None:
        return base, f"standard: it is not certain when the time up to {clock_text(mode.by_min)} began"
    left_s = (next_at(mode.by_min, after=since, zone=standing.zone) - standing.now.wall).total_seconds()
    if left_s <= 0:
        return base, f"standard now: {clock_text(mode.by_min)} has passed"
    return replace(base, deadline=Deadline(remaining_wh, standing.now.mono_s + left_s)), ""


_LONG_AGO = timedelta(days=3)
"""Every time of day has come since."""


def _wall(since: Instant, now: Instant) -> datetime | None:
    """When it was, by the trusted time of now; None where nobody can tell."""
    if since.boot != now.boot and not since.trusted:
        return None
    wall = since.wall
    if since.boot == now.boot:
        elapsed_s = min(max(0.0, now.mono_s - since.mono_s), _LONG_AGO.total_seconds())
        wall = now.wall - timedelta(seconds=elapsed_s)
    return min(max(wall, now.wall - _LONG_AGO), now.wall)


def mode_to_row(mode: Mode) -> dict[str, object]:
    match mode:
        case Standard(weight):
            return {"name": "standard", "weight": weight}
        case Priority(level, weight):
            return {"name": "priority", "level": level, "weight": weight}
        case ByDeadline(energy_wh, by_min):
            return {"name": "deadline", "energy_wh": energy_wh, "by_min": by_min}
        case Surplus():
            return {"name": "surplus"}
        case Fixed(max_ma, weight):
            return {"name": "fixed", "max_ma": max_ma, "weight": weight}


def mode_from_row(row: dict[str, object]) -> Mode:
    """The mode that `mode_to_row` wrote.

    Raises:
        KeyError: a field is missing.
        ValueError: an unknown mode, or a field out of its range.
    """
    match row["name"]:
        case "standard":
            return Standard(_whole(row["weight"], HEAVIEST))
        case "priority":
            return Priority(_whole(row["level"], HIGHEST_PRIORITY), _whole(row["weight"], HEAVIEST))
        case "deadline":
            return ByDeadline(_whole(row["energy_wh"], MOST_ENERGY_WH), _whole(row["by_min"], DAY_MIN - 1, least=0))
        case "surplus":
            return Surplus()
        case "fixed":
            return Fixed(_whole(row["max_ma"], MOST_MA), _whole(row["weight"], HEAVIEST))
        case other:
            raise ValueError(f"mode {other!r}")


def _whole(value: object, most: int, *, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"expected a whole number from {least} to {most}, found {value!r}")
    return value
