"""Counters of wires that outlive the wire: one that is opened with other settings counts on (R36)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from drivers.api import BusFigures, UnitFigures


class PastFigures:
    """What each bus had counted when it was last taken down, by its id."""

    def __init__(self) -> None:
        self._past: dict[str, BusFigures] = {}

    def keep(self, figures: BusFigures) -> None:
        """The bus goes; `figures` are those of it alone."""
        total = self.with_past(figures)
        there = {unit.unit for unit in total.units}
        past = self._past.get(figures.bus, total)
        gone = [unit for unit in past.units if unit.unit not in there]
        self._past[figures.bus] = replace(total, units=(*total.units, *gone))

    def with_past(self, now: BusFigures) -> BusFigures:
        """Since the process started, whatever became of the wire."""
        past = self._past.get(now.bus)
        return now if past is None else _bus(past, now)


def _bus(past: BusFigures, now: BusFigures) -> BusFigures:
    return replace(
        now,
        transactions=past.transactions + now.transactions,
        errors=past.errors + now.errors,
        timeouts=past.timeouts + now.timeouts,
        busy_s=past.busy_s + now.busy_s,
        faults=_sum(past.faults, now.faults),
        units=_units(past.units, now.units),
    )


def _units(past: Iterable[UnitFigures], now: Iterable[UnitFigures]) -> tuple[UnitFigures, ...]:
    """Those that are there now; one that was there before counts on."""
    before = {unit.unit: unit for unit in past}
    return tuple(_unit(before[unit.unit], unit) if unit.unit in before else unit for unit in now)


def _unit(past: UnitFigures, now: UnitFigures) -> UnitFigures:
    return replace(
        now,
        transactions=past.transactions + now.transactions,
        errors=past.errors + now.errors,
        timeouts=past.timeouts + now.timeouts,
        busy_s=past.busy_s + now.busy_s,
        lost_s=past.lost_s + now.lost_s,
        faults=_sum(past.faults, now.faults),
    )


def _sum(past: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    return {kind: past.get(kind, 0) + now.get(kind, 0) for kind in {**past, **now}}
