"""The limits in force: of the wiring, its usable share (R7), and of whoever else asked for less (R37)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.allocation.circuits import Circuit, SupplyPoint
from controller.allocation.image import Layout, Limit, Scope
from drivers.api import Phases

RATING = "rating"
CONTRACT = "contract"
Target = tuple[Scope, str]


def usable_ma(circuit: Circuit) -> Phases:
    """What may be planned with (R7)."""
    return Phases(*(amount * circuit.usable_permille // 1000 for amount in circuit.rating_ma))


def in_force(limits: Iterable[Limit], now_s: float) -> tuple[Limit, ...]:
    return tuple(one for one in limits if one.expires_s is None or one.expires_s > now_s)


def strangers(limits: Iterable[Limit], layout: Layout) -> list[Limit]:
    """Limits whose target does not exist: they limit nothing, which somebody should know."""
    circuits = {circuit.id for circuit in layout.circuits}
    known = {
        Scope.EVSE: {point.id for point in layout.evses},
        Scope.CIRCUIT: circuits,
        Scope.CHARGING: circuits,
        Scope.GROUP: set(layout.groups),
    }
    return [one for one in limits if one.target not in known[one.scope]]


def watts_to_ma(power_w: int, voltage_mv: int, phases: int = 1) -> int:
    """What a power is per phase, or as a sum over phases where `phases` is 1. Rounded down."""
    return max(0, power_w) * 1_000_000 // (voltage_mv * max(1, phases))


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest limit on each target, by current and by power.

    Between equals the source's name decides, for a stable reason.
    """

    current: Mapping[Target, tuple[int, Limit]]
    power: Mapping[Target, tuple[int, Limit]]

    @classmethod
    def of(cls, limits: Iterable[Limit]) -> "Lowest":
        current: dict[Target, tuple[int, Limit]] = {}
        power: dict[Target, tuple[int, Limit]] = {}
        for one in sorted(limits, key=lambda one: one.source):
            for found, value in ((current, one.value_ma), (power, one.value_w)):
                target = (one.scope, one.target)
                if value is not None and (target not in found or max(0, value) < found[target][0]):
                    found[target] = (max(0, value), one)
        return cls(current, power)

    def circuit(self, circuit: Circuit) -> tuple[Phases, Limit | None]:
        """What may flow through it, and the limit that made it less than the usable share (on any phase)."""
        usable = usable_ma(circuit)
        found = self.current.get((Scope.CIRCUIT, circuit.id))
        if found is None or found[0] >= usable.highest:
            return usable, None
        return Phases(*(min(amount, found[0]) for amount in usable)), found[1]

    def circuit_w(self, circuit: Circuit) -> tuple[int, Limit | None] | None:
        """What all its phases may carry together, where something says so."""
        found = self.power.get((Scope.CIRCUIT, circuit.id))
        if circuit.max_w is None or (found is not None and found[0] < circuit.max_w):
            return found
        return circuit.max_w, None

    def charging(self, circuit: Circuit) -> tuple[int, Limit] | None:
        """What its EVSEs may take per phase, where something says so."""
        return self.current.get((Scope.CHARGING, circuit.id))

    def evse(self, point: SupplyPoint, phases: int, voltage_mv: int) -> tuple[int, Limit | None]:
        """The highest setpoint, and the limit that made it less than the EVSE's own maximum."""
        most_ma, lowest = point.on_grid(point.max_ma), None
        target = (Scope.EVSE, point.id)
        for found, by_power in ((self.current.get(target), False), (self.power.get(target), True)):
            if found is None:
                continue
            value_ma = point.on_grid(watts_to_ma(found[0], voltage_mv, phases) if by_power else found[0])
            if value_ma < most_ma:
                most_ma, lowest = value_ma, found[1]
        return most_ma, lowest
