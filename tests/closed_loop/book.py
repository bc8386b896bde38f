"""What a run is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sim.wiring import Circuit
from tests.closed_loop.station import Station


@dataclass(slots=True)
class Overload:
    """A time in which a link carried more than its rating. `thermal_s` is the integral of (I/In)^2 - 1."""

    circuit: str
    phase: int
    start_s: float
    end_s: float
    ratio: float = 0.0
    thermal_s: float = 0.0

    @property
    def lasted_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(slots=True)
class Comfort:
    """What the driver of a car notices. `pauses`: the offer went away although the car would have charged."""

    starts: int = 0
    pauses: int = 0
    offered: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    above_s: float
    """The sum over all links."""
    longest_s: float
    worst_ratio: float
    thermal_s: float
    """Of the worst overload."""
    delivered_kwh: float
    possible_kwh: float
    pauses: int
    starts: int
    overloads: int

    @property
    def lost_kwh(self) -> float:
        return max(0.0, self.possible_kwh - self.delivered_kwh)


@dataclass
class Book:
    """Judged at each step, by the simulator's currents and never by what a meter shows."""

    circuits: Sequence[Circuit]
    stations: Sequence[Station]
    overloads: list[Overload] = field(default_factory=list)
    comfort: dict[str, Comfort] = field(default_factory=dict)
    delivered_wh: float = 0.0
    possible_wh: float = 0.0
    possible_w: float = 0.0
    """What the cars could take now, within the limits."""
    _open: dict[tuple[str, int], Overload] = field(default_factory=dict)

    def begin_anew(self) -> None:
        """What was until now does not count. Currents that flow too high go on to count."""
        self.overloads.clear()
        self._open.clear()
        for one in self.comfort.values():
            one.starts = one.pauses = 0
        self.delivered_wh = self.possible_wh = 0.0
        for circuit in self.circuits:
            circuit.worst_ratio = [0.0, 0.0, 0.0]

    def account(self, now_s: float, dt_s: float) -> None:
        """Count the step that ends now; `Wiring.account` has counted it already."""
        for circuit in self.circuits:
            if circuit.over or self._open:
                self._follow(circuit, now_s, dt_s)
        for one in self.stations:
            self.delivered_wh += one.outlet.power_w * dt_s / 3600
            self._notice(one)
        self.possible_wh += self.possible_w * dt_s / 3600

    def _follow(self, circuit: Circuit, now_s: float, dt_s: float) -> None:
        for phase in range(3):
            key = (circuit.name, phase)
            if not circuit.running_s[phase]:
                self._open.pop(key, None)
                continue
            if key not in self._open:
                self._open[key] = Overload(circuit.name, phase, now_s - dt_s, now_s)
                self.overloads.append(self._open[key])
            ratio = abs(circuit.drawn_a[phase]) / circuit.rating_a[phase]
            one = self._open[key]
            one.end_s = now_s
            one.ratio = max(one.ratio, ratio)
            one.thermal_s += (ratio * ratio - 1) * dt_s

    def _notice(self, station: Station) -> None:
        comfort = self.comfort.setdefault(station.point.id, Comfort())
        offered = station.charger.offered_a > 0
        if offered == comfort.offered:
            return
        comfort.offered = offered
        ev = station.outlet.ev
        if offered and ev is not None:
            comfort.starts += 1
        elif ev is not None and not ev.full:
            comfort.pauses += 1

    def report(self) -> Report:
        return Report(
            above_s=sum(one.lasted_s for one in self.overloads),
            longest_s=max((one.lasted_s for one in self.overloads), default=0.0),
            worst_ratio=max((ratio for circuit in self.circuits for ratio in circuit.worst_ratio), default=0.0),
            thermal_s=max((one.thermal_s for one in self.overloads), default=0.0),
            delivered_kwh=self.delivered_wh / 1000,
            possible_kwh=self.possible_wh / 1000,
            pauses=sum(one.pauses for one in self.comfort.values()),
            starts=sum(one.starts for one in self.comfort.values()),
            overloads=len(self.overloads),
        )
