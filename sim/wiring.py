"""The tree of circuits: what flows in each, and for how long it was too much."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

TOLERANCE_A = 0.01
"""Above the rating by less than this is arithmetic, not load."""

Amps = list[float]


def nothing() -> Amps:
    return [0.0, 0.0, 0.0]


@dataclass(slots=True)
class Circuit:
    """One node of the tree. Lists hold L1, L2, L3; currents are positive towards the loads."""

    name: str
    parent: str | None
    rating_a: tuple[float, float, float]
    load_a: Amps = field(default_factory=nothing)
    """Building load on this node itself; negative exports."""
    drawn_a: Amps = field(default_factory=nothing)
    over_s: Amps = field(default_factory=nothing)
    longest_over_s: Amps = field(default_factory=nothing)
    worst_ratio: Amps = field(default_factory=nothing)
    running_s: Amps = field(default_factory=nothing)
    """Length of the overload that lasts now."""

    def account(self, dt_s: float) -> None:
        """Count one step at the present currents. A fuse does not care for the direction."""
        for phase in range(3):
            amps, rating = abs(self.drawn_a[phase]), self.rating_a[phase]
            self.worst_ratio[phase] = max(self.worst_ratio[phase], amps / rating)
            if amps > rating + TOLERANCE_A:
                self.over_s[phase] += dt_s
                self.running_s[phase] += dt_s
                self.longest_over_s[phase] = max(self.longest_over_s[phase], self.running_s[phase])
            else:
                self.running_s[phase] = 0.0

    @property
    def over(self) -> bool:
        return any(self.running_s)


class Wiring:
    """All circuits of the site. `circuits` keeps the order of the scenario."""

    def __init__(self, circuits: Sequence[Circuit]) -> None:
        self.circuits = {circuit.name: circuit for circuit in circuits}
        self._upwards = sorted(circuits, key=lambda c: -self._depth(c))

    def settle(self, draws: Iterable[tuple[str, Sequence[float]]], *, powered: bool) -> None:
        """Sum the outlets' draws (circuit, supply phases) and the building's load up the tree."""
        for circuit in self.circuits.values():
            circuit.drawn_a = list(circuit.load_a) if powered else nothing()
        for name, amps in draws:
            _add(self.circuits[name].drawn_a, amps)
        for circuit in self._upwards:
            if circuit.parent is not None:
                _add(self.circuits[circuit.parent].drawn_a, circuit.drawn_a)

    def account(self, dt_s: float) -> None:
        for circuit in self._upwards:
            circuit.account(dt_s)

    def _depth(self, circuit: Circuit) -> int:
        depth = 0
        while circuit.parent is not None:
            circuit = self.circuits[circuit.parent]
            depth += 1
        return depth


def _add(total: Amps, amps: Sequence[float]) -> None:
    for phase in range(3):
        total[phase] += amps[phase]
