"""The limits in force: of the wiring, its usable share (R7), and of whoever else asked for less (R37)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.circuits import Circuit, SupplyPoint
from controller.allocation.image import Limit, Scope
from drivers.api import Phases

RATING = "rating"


def usable_ma(circuit: Circuit) -> Phases:
    """What may be planned with (R7)."""
    return Phases(*(amount * circuit.usable_permille // 1000 for amount in circuit.rating_ma))


def in_force(limits: Iterable[Limit], now_s: float) -> tuple[Limit, ...]:
    return tuple(one for one in limits if one.expires_s is None or one.expires_s > now_s)


def strangers(limits: Iterable[Limit], circuits: Iterable[str], evses: Iterable[str]) -> list[Limit]:
    """Limits whose target does not exist: they limit nothing, which somebody should know."""
    known = {Scope.EVSE: set(evses), Scope.CIRCUIT: set(circuits)}
    known[Scope.CHARGING] = known[Scope.CIRCUIT]
    return [one for one in limits if one.target not in known[one.scope]]


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest limit on each target. Between equals the source's name decides, for a stable reason."""

    by_target: Mapping[tuple[Scope, str], Limit]

    @classmethod
    def of(cls, limits: Iterable[Limit]) -> "Lowest":
        found: dict[tuple[Scope, str], Limit] = {}
        for one in sorted(limits, key=lambda one: (one.value_ma, one.source), reverse=True):
            found[one.scope, one.target] = one
        return cls(found)

    def circuit(self, circuit: Circuit) -> tuple[Phases, Limit | None]:
        """What may flow through it, and the limit that made it less than the usable share (on any phase)."""
        usable = usable_ma(circuit)
        limit = self.by_target.get((Scope.CIRCUIT, circuit.id))
        if limit is None or limit.value_ma >= usable.highest:
            return usable, None
        value_ma = max(0, limit.value_ma)
        return Phases(*(min(amount, value_ma) for amount in usable)), limit

    def charging(self, circuit: Circuit) -> Limit | None:
        return self.by_target.get((Scope.CHARGING, circuit.id))

    def evse(self, point: SupplyPoint) -> tuple[int, Limit | None]:
        """The highest setpoint, and the limit that made it less than the EVSE's own maximum."""
        most_ma = point.on_grid(point.max_ma)
        limit = self.by_target.get((Scope.EVSE, point.id))
        if limit is None or point.on_grid(max(0, limit.value_ma)) >= most_ma:
            return most_ma, None
        return point.on_grid(max(0, limit.value_ma)), limit


@dataclass(frozen=True, slots=True)
class Room:
    """What the controllable EVSEs below each link may take together, and the limit that says so, if one does.

    It can be negative: then what is not ours, or cannot be reached, is too much already.
    """

    left_ma: tuple[int, ...]
    limited_by: Mapping[int, Limit]


def room(
    circuits: Sequence[Circuit], lowest: Lowest, *, base_ma: Sequence[Phases], reserved_ma: Sequence[int]
) -> Room:
    """`reserved_ma` per link: the EVSEs that cannot be told what to draw."""
    left: list[int] = []
    limited_by: dict[int, Limit] = {}
    for place, circuit in enumerate(circuits):
        allowed, limit = lowest.circuit(circuit)
        charging = lowest.charging(circuit)
        for phase in range(3):
            link = 3 * place + phase
            amount = allowed[phase] - base_ma[place][phase]
            if limit is not None and allowed[phase] < usable_ma(circuit)[phase]:
                limited_by[link] = limit
            if charging is not None and charging.value_ma < amount:
                amount = charging.value_ma
                limited_by[link] = charging
            left.append(amount - reserved_ma[link])
    return Room(tuple(left), limited_by)
