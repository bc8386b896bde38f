"""Amperes and watts of charging profiles: as limits for the allocation, and as schedules that a CSMS asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from controller.allocation.circuits import Circuit, SupplyPoint, Tree
from controller.allocation.image import Layout, Limit, Scope
from controller.allocation.limits import usable_ma, watts_to_ma
from controller.charging.charging_profiles import RateUnit
from controller.charging.composite import Ceiling, Span
from drivers.api import Phases

MILLI = 1000
TENTH_MILLI = 100
"""Rates are told with one decimal."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What makes current of power: the nominal voltage, the wired phases, and `Terms.spread_over`."""

    voltage_mv: int
    phases: int
    spread_over: int | None

    def per_phase_ma(self, ceiling: Ceiling) -> Fraction:
        """K01.FR.50 and 51; a power limit without a number of phases as the OCPP version has it."""
        if ceiling.unit is RateUnit.AMPERE:
            return Fraction(ceiling.limit_milli)
        phases = self.phases if self.spread_over is None else ceiling.phases or self.spread_over
        return Fraction(ceiling.limit_milli * MILLI, self.voltage_mv * phases)


@dataclass(frozen=True, slots=True)
class Cap:
    """The lowest of several ceilings as `Limit` has it."""

    value_ma: int | None
    value_w: int | None

    @classmethod
    def of(cls, ceilings: Sequence[Ceiling], supply: Supply) -> "Cap":
        """1.6 leaves a power limit to the phases that are in use; 2.x says what it means on each (K01.FR.50)."""
        powers = [one for one in ceilings if one.unit is RateUnit.WATT]
        currents = [one for one in ceilings if one.unit is RateUnit.AMPERE or supply.spread_over is not None]
        return cls(
            min((int(supply.per_phase_ma(one)) for one in currents), default=None),
            min((one.limit_milli // MILLI for one in powers), default=None),
        )


@dataclass(frozen=True, slots=True)
class Rate:
    """From `start_s` on. `limit_milli` mA on each of the phases, or mW on all together."""

    start_s: int
    limit_milli: int
    phases: int


@dataclass(frozen=True, slots=True)
class Grid:
    """What the site allows beside all profiles: its wiring, and limits from elsewhere."""

    layout: Layout
    allowed_ma: Mapping[str, Phases]
    evse_ma: Mapping[str, int]

    @classmethod
    def of(cls, layout: Layout, limits: Iterable[Limit]) -> "Grid":
        """`limits` are those that do not come from the profiles."""
        limits = tuple(limits)
        tree = Tree.of(layout.circuits)
        allowed = {circuit.id: _allowed(circuit, limits, layout.voltage_mv) for circuit in layout.circuits}
        evses = {point.id: _most_ma(point, layout, limits) for point in layout.evses}
        for point in layout.evses:
            above = [allowed[layout.circuits[place].id] for place in tree.paths[point.circuit]]
            used = point.rotation.value[: point.phases]
            evses[point.id] = max(0, min(evses[point.id], *(one[phase] for one in above for phase in used)))
        return cls(layout, allowed, evses)

    def point(self, evse: str) -> SupplyPoint | None:
        return next((point for point in self.layout.evses if point.id == evse), None)

    def through(self, drawn_ma: Mapping[str, Fraction]) -> list[Fraction]:
        """What reaches the grid connection per phase if these EVSEs draw so much.

        A circuit lets through what it may.
        """
        loads = {circuit.id: [Fraction(0)] * 3 for circuit in self.layout.circuits}
        for point in self.layout.evses:
            for phase in point.rotation.value[: point.phases]:
                loads[point.circuit][phase] += drawn_ma.get(point.id, Fraction(0))
        total = [Fraction(0)] * 3
        for circuit in reversed(self.layout.circuits):
            above = total if circuit.parent is None else loads[circuit.parent]
            for phase, load in enumerate(loads[circuit.id]):
                above[phase] += min(load, Fraction(max(0, self.allowed_ma[circuit.id][phase])))
        return total


def _allowed(circuit: Circuit, limits: Iterable[Limit], voltage_mv: int) -> Phases:
    targets = {(Scope.CIRCUIT, circuit.id), (Scope.CHARGING, circuit.id)}
    values_ma = _values(limits, targets, voltage_mv)
    return Phases(*(min([amount, *values_ma]) for amount in usable_ma(circuit)))


def _values(limits: Iterable[Limit], targets: set[tuple[Scope, str]], voltage_mv: int) -> list[int]:
    """Per phase; power is taken as balanced."""
    found = [one for one in limits if (one.scope, one.target) in targets]
    currents = [one.value_ma for one in found if one.value_ma is not None]
    return currents + [watts_to_ma(one.value_w, voltage_mv, 3) for one in found if one.value_w is not None]


def _most_ma(point: SupplyPoint, layout: Layout, limits: Iterable[Limit]) -> int:
    targets = {(Scope.EVSE, point.id)}
    targets |= {(Scope.GROUP, name) for name, members in layout.groups.items() if point.id in members}
    return min([point.on_grid(point.max_ma), *_values(limits, targets, layout.voltage_mv)])


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Makes the schedules that a CSMS is told of what holds, in one unit."""

    grid: Grid
    spread_over: int | None
    unit: RateUnit

    def of_evse(self, spans: Iterable[Span], evse: str) -> tuple[Rate, ...]:
        """The lowest of its profiles, the station's, and what the site allows (K08.FR.04)."""
        point = self.grid.point(evse)
        if point is None:
            return ()
        rates = []
        for span in spans:
            lowest_ma = self._lowest_ma((*span.own, *span.shared), point)
            rates.append(self._rate(span.start_ms, [lowest_ma] * point.phases))
        return _distinct(rates)

    def of_station(self, spans: Mapping[str, Sequence[Span]]) -> tuple[Rate, ...]:
        """What its EVSEs together are expected to take from the grid, if each has a car (K08.FR.03)."""
        starts = sorted({span.start_ms for several in spans.values() for span in several})
        return _distinct(self._station_rate(start_ms, spans) for start_ms in starts)

    def _station_rate(self, start_ms: int, spans: Mapping[str, Sequence[Span]]) -> Rate:
        now = {evse: _at(several, start_ms) for evse, several in spans.items()}
        points = [point for point in self.grid.layout.evses if point.id in now]
        drawn_ma = {point.id: self._lowest_ma(now[point.id].own, point) for point in points}
        flowing = [amount for amount in self.grid.through(drawn_ma) if amount] or [Fraction(0)]
        supply = Supply(self.grid.layout.voltage_mv, len(flowing), self.spread_over)
        shared = [supply.per_phase_ma(one) for span in now.values() for one in span.shared]
        return self._rate(start_ms, [min([amount, *shared]) for amount in flowing])

    def _lowest_ma(self, ceilings: Iterable[Ceiling], point: SupplyPoint) -> Fraction:
        supply = Supply(self.grid.layout.voltage_mv, point.phases, self.spread_over)
        return min([Fraction(self.grid.evse_ma[point.id]), *(supply.per_phase_ma(one) for one in ceilings)])

    def _rate(self, start_ms: int, phases_ma: Sequence[Fraction]) -> Rate:
        value = max(phases_ma)
        if self.unit is RateUnit.WATT:
            value = sum(phases_ma, Fraction(0)) * self.grid.layout.voltage_mv / MILLI
        return Rate(start_ms // 1000, int(value) // TENTH_MILLI * TENTH_MILLI, len(phases_ma))


def _at(spans: Sequence[Span], at_ms: int) -> Span:
    return next(span for span in reversed(spans) if span.start_ms <= at_ms)


def _distinct(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """One per second, the last; and only where something changes."""
    by_second = {rate.start_s: rate for rate in rates}
    kept: list[Rate] = []
    for rate in by_second.values():
        if not kept or (kept[-1].limit_milli, kept[-1].phases) != (rate.limit_milli, rate.phases):
            kept.append(rate)
    return tuple(kept)
