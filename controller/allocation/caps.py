"""Links beyond the phases of the circuits: caps on a sum of phases, on a group, on the difference of phases.

A power is a sum of currents at the layout's voltage: an EVSE on three phases counts three times. A difference
between phases is no sum, but its upper bound is: a phase may carry what the emptiest carries, and the allowed
difference. EVSEs on three phases change no difference and are left out of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.allocation.circuits import PHASE_NAMES
from controller.allocation.image import Limit, Scope
from controller.allocation.limits import Lowest, watts_to_ma
from controller.allocation.watch import Watched
from controller.allocation.wiring import Wiring
from drivers.api import Phases

ALL_PHASES = (0, 1, 2)
SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class Cap:
    """`phases` are the supply phases that count on it. `room_ma` is what its members may take together."""

    name: str
    members: frozenset[str]
    phases: tuple[int, ...]
    room_ma: int
    limit: Limit | None = None

    def times(self, evse: Watched) -> int:
        """How often the current of an EVSE counts."""
        if evse.point.id not in self.members:
            return 0
        return sum(1 for phase in evse.point.rotation.value[: evse.phases] if phase in self.phases)


@dataclass(frozen=True, slots=True)
class Balance:
    """Three caps, the first at `first`, whose room follows from what their members are given (`room`)."""

    first: int
    base_ma: Phases
    allowed_ma: int

    def room(self, given_ma: Sequence[int]) -> tuple[int, int, int]:
        """`given_ma` per phase to EVSEs on fewer than three."""
        loads = [base + given for base, given in zip(self.base_ma, given_ma, strict=True)]
        highest = min(loads) + self.allowed_ma
        return (highest - self.base_ma[0], highest - self.base_ma[1], highest - self.base_ma[2])


@dataclass(frozen=True, slots=True)
class Caps:
    """Behind the links of the wiring, in this order."""

    caps: tuple[Cap, ...]
    balances: tuple[Balance, ...]


def caps_of(
    wiring: Wiring,
    evses: Sequence[Watched],
    lowest: Lowest,
    *,
    base_ma: Sequence[Phases],
    surplus_ma: int | None,
) -> Caps:
    """`surplus_ma` over all phases, for those that shall take no more; None: nobody."""
    caps = [*_circuit_powers(wiring, lowest, base_ma), *_charging_powers(wiring, lowest), *_groups(wiring, lowest)]
    if surplus_ma is not None:
        takers = frozenset(one.point.id for one in evses if one.takes_surplus)
        caps.append(Cap(SURPLUS, takers, ALL_PHASES, surplus_ma))
    reserved = [_less_reserved(cap, evses) for cap in caps]
    balances: list[Balance] = []
    for place, circuit in enumerate(wiring.circuits):
        if circuit.unbalance_ma is not None:
            first = 3 * len(wiring.circuits) + len(reserved)
            balance = Balance(
                first, _with_reserved(base_ma[place], wiring.below[place], evses), circuit.unbalance_ma
            )
            balances.append(balance)
            members = frozenset(one.point.id for one in evses if one.phases < 3) & set(wiring.below[place])
            for phase, room_ma in enumerate(balance.room((0, 0, 0))):
                reserved.append(Cap(f"{circuit.id} unbalance, {PHASE_NAMES[phase]}", members, (phase,), room_ma))
    return Caps(tuple(reserved), tuple(balances))


def _circuit_powers(wiring: Wiring, lowest: Lowest, base_ma: Sequence[Phases]) -> Iterator[Cap]:
    for place, circuit in enumerate(wiring.circuits):
        found = lowest.circuit_w(circuit)
        if found is not None:
            room_ma = watts_to_ma(found[0], wiring.layout.voltage_mv) - sum(base_ma[place])
            yield Cap(f"{circuit.id}, power", frozenset(wiring.below[place]), ALL_PHASES, room_ma, found[1])


def _charging_powers(wiring: Wiring, lowest: Lowest) -> Iterator[Cap]:
    for place, circuit in enumerate(wiring.circuits):
        found = lowest.power.get((Scope.CHARGING, circuit.id))
        if found is not None:
            room_ma = watts_to_ma(found[0], wiring.layout.voltage_mv)
            yield Cap(f"{circuit.id}, charging", frozenset(wiring.below[place]), ALL_PHASES, room_ma, found[1])


def _groups(wiring: Wiring, lowest: Lowest) -> Iterator[Cap]:
    for name, members in wiring.layout.groups.items():
        power = lowest.power.get((Scope.GROUP, name))
        if power is not None:
            yield Cap(name, members, ALL_PHASES, watts_to_ma(power[0], wiring.layout.voltage_mv), power[1])
        current = lowest.current.get((Scope.GROUP, name))
        for phase in ALL_PHASES if current is not None else ():
            value_ma, limit = current or (0, None)
            yield Cap(f"{name}, {PHASE_NAMES[phase]}", members, (phase,), value_ma, limit)


def reserved_ma(evse: Watched) -> int:
    """What must be left for it beside what it is offered: all, if it cannot be told what to draw."""
    return evse.surplus_ma if evse.reachable else evse.counted_ma


def _less_reserved(cap: Cap, evses: Iterable[Watched]) -> Cap:
    taken_ma = sum(reserved_ma(one) * cap.times(one) for one in evses if reserved_ma(one))
    return cap if not taken_ma else Cap(cap.name, cap.members, cap.phases, cap.room_ma - taken_ma, cap.limit)


def _with_reserved(base_ma: Phases, below: Iterable[str], evses: Iterable[Watched]) -> Phases:
    """An EVSE out of reach that may draw is load like the building; whether it does is not known."""
    loads, members = list(base_ma), set(below)
    for one in evses:
        if one.point.id in members and reserved_ma(one):
            for phase in one.point.rotation.value[: one.phases]:
                loads[phase] += reserved_ma(one)
    return Phases(*loads)


def cap_links(caps: Sequence[Cap], first: int, evse: Watched) -> tuple[int, ...]:
    """The links of an EVSE beyond its path, each as often as it counts."""
    return tuple(first + place for place, cap in enumerate(caps) for _ in range(cap.times(evse)))
