"""Real charging sessions, as cars that come to a site and leave it.

The file has one line for each stay: `station, connected_utc, disconnected_utc, done_charging_utc,
energy_delivered_wh, energy_requested_wh, departure_requested_utc`. What is believed of it:

* The plug tells the truth about arrival and departure. A line without both, with a stay outside one minute to two
  days, or without delivered energy is left out and counted.
* The power that a car had while it charged tells what it and its outlet can take: 16 or 32 A on one phase at 230 V,
  or, for what a single phase cannot give (the fast chargers of the file), 16 or 32 A on three.
* The driver's word counts as said if it has both an energy, above 0 and no more than 200 kWh, and a departure after
  the arrival. Otherwise he said nothing, and his car is a session without a deadline.
* How much a car would take (`Appetite`) is what the driver asked for, or what it took where he said nothing, and
  never more than fits into its stay at full power. In the other reading a car that stopped by itself was full then.
"""

import csv
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

VOLTS = 230
DAY_S = 86_400.0
_LEAST_STAY_S, _LONGEST_STAY_S = 60.0, 2 * DAY_S
_MOST_ASKED_WH = 200_000
_STOPPED_BEFORE_S = 300.0
_OUTLETS = ((16_000, 1), (32_000, 1), (16_000, 3), (32_000, 3))
"""The smallest that gives the power is the car's; the last one also for more."""


class Appetite(enum.Enum):
    """What a car would take, had it been alone."""

    ASKED = "what its driver asked for"
    TAKEN = "no more than it took, if it stopped by itself"


@dataclass(frozen=True, slots=True)
class Statement:
    """What the driver says at the start: all that a controller can know."""

    energy_wh: int
    departs_s: float


@dataclass(frozen=True, slots=True)
class Stay:
    """A car at an outlet. `takes_wh` is more than it could have by `departs_s` at no power of the outlet."""

    id: str
    station: int
    arrives_s: float
    departs_s: float
    takes_wh: float
    most_ma: int
    phases: int
    said: Statement | None

    @property
    def watts_per_a(self) -> int:
        return VOLTS * self.phases


@dataclass(frozen=True, slots=True)
class Sessions:
    stays: tuple[Stay, ...]
    left_out: int


def read(path: Path, appetite: Appetite) -> Sessions:
    """Every stay of the file that can be believed.

    Raises:
        ValueError: it is no file of charging sessions.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        missing = _COLUMNS - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}")
        found = [_stay(str(number), row, appetite) for number, row in enumerate(rows)]
    stays = [one for one in found if one is not None]
    return Sessions(tuple(stays), len(found) - len(stays))


def outlet_for(power_w: float) -> tuple[int, int]:
    """Current per phase and number of phases."""
    for most_ma, phases in _OUTLETS:
        if power_w <= most_ma * phases * VOLTS / 1000:
            return most_ma, phases
    return _OUTLETS[-1]


def by_day(stays: Iterable[Stay], *, least: int) -> list[list[Stay]]:
    """The days with at least so many cars, each from the hour at which the fewest cars stand there."""
    known = sorted(stays, key=lambda one: one.arrives_s)
    hours = range(24)
    quiet = min(hours, key=lambda hour: sum(_stands_at(one, hour) for one in known))
    days = groupby(known, key=lambda one: (one.arrives_s - quiet * 3600) // DAY_S)
    return [day for _, members in days if len(day := list(members)) >= least]


_COLUMNS = {
    "station",
    "connected_utc",
    "disconnected_utc",
    "done_charging_utc",
    "energy_delivered_wh",
    "energy_requested_wh",
    "departure_requested_utc",
}


def _stands_at(stay: Stay, hour: int) -> bool:
    first = (stay.arrives_s - hour * 3600) // DAY_S
    return first != (stay.departs_s - hour * 3600) // DAY_S


def _stay(name: str, row: Mapping[str, str], appetite: Appetite) -> Stay | None:
    arrives_s, departs_s = _time(row["connected_utc"]), _time(row["disconnected_utc"])
    delivered_wh, station = _number(row["energy_delivered_wh"]), _number(row["station"])
    if arrives_s is None or departs_s is None or station is None or not delivered_wh:
        return None
    if not _LEAST_STAY_S <= departs_s - arrives_s <= _LONGEST_STAY_S:
        return None
    done_s = min(_time(row["done_charging_utc"]) or departs_s, departs_s)
    charged_s = done_s - arrives_s if done_s > arrives_s else departs_s - arrives_s
    most_ma, phases = outlet_for(delivered_wh * 3600 / charged_s)
    said = _statement(row, arrives_s)
    wanted_wh = said.energy_wh if said is not None else delivered_wh
    if appetite is Appetite.TAKEN:
        full = departs_s - done_s > _STOPPED_BEFORE_S
        wanted_wh = delivered_wh if full else max(delivered_wh, wanted_wh)
    possible_wh = most_ma * phases * VOLTS / 1000 * (departs_s - arrives_s) / 3600
    return Stay(name, int(station), arrives_s, departs_s, min(wanted_wh, possible_wh), most_ma, phases, said)


def _statement(row: Mapping[str, str], arrives_s: float) -> Statement | None:
    energy_wh, departs_s = _number(row["energy_requested_wh"]), _time(row["departure_requested_utc"])
    if energy_wh is None or departs_s is None:
        return None
    if not 0 < energy_wh <= _MOST_ASKED_WH or departs_s <= arrives_s:
        return None
    return Statement(int(energy_wh), departs_s)


def _time(text: str | None) -> float | None:
    try:
        when = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return when.timestamp() if when.tzinfo is not None else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def truthful(days: Sequence[Sequence[Stay]]) -> list[list[Stay]]:
    """The same cars, had every driver said when he will leave and what the car will take."""
    return [[replace(one, said=Statement(round(one.takes_wh), one.departs_s)) for one in day] for day in days]
