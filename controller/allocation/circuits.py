"""The wiring tree.

A *link* is one phase of one circuit: the thing that has a rating. Inside the allocation links are numbered
`3 * place + phase`, where place is the circuit's in the layout, so that sums live in flat lists.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drivers.api import Phases

PHASE_NAMES = ("L1", "L2", "L3")
EV_REACTION_S = 5.0
"""An EV follows a lower offer within this time (IEC 61851-1)."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """A node of the wiring tree. `parent` None: the grid connection.

    `usable_permille` of the rating may be planned with (R7); `max_other_ma` is the largest load of the building
    on this circuit itself (not of its children's), used by the proof of R2 and where no meter tells better.
    `max_w` caps all phases together (a contract, a transformer). `unbalance_ma` is the largest difference between
    two phases that EVSEs on fewer than three phases may make (VDE-AR-N 4100: 4.6 kVA, 20 A).
    """

    id: str
    parent: str | None
    rating_ma: Phases
    usable_permille: int
    max_other_ma: Phases
    meter: str | None = None
    max_w: int | None = None
    unbalance_ma: int | None = None


class Rotation(enum.Enum):
    """Supply phases that reach an outlet's own L1, L2, L3, as indices into `Phases`."""

    L1L2L3 = (0, 1, 2)
    L2L3L1 = (1, 2, 0)
    L3L1L2 = (2, 0, 1)
    L1L3L2 = (0, 2, 1)
    L2L1L3 = (1, 0, 2)
    L3L2L1 = (2, 1, 0)

    def to_supply(self, outlet: Phases) -> Phases:
        """Currents counted at the outlet, moved to the supply phases they load."""
        moved = [0, 0, 0]
        for place, amount in zip(self.value, outlet, strict=True):
            moved[place] += amount
        return Phases(*moved)


@dataclass(frozen=True, slots=True)
class SupplyPoint:
    """An EVSE as the allocator knows it.

    `phases` are wired ones, the first of its rotation. Bounds are per phase; `max_ma` >= `min_ma` > 0.
    `raise_interval_s` above 0: its setpoint is kept in EEPROM, so raises are rare (R12). `most_raise_ma` above 0:
    one raise adds no more (a ramp). `dc_permille` is the efficiency of a DC outlet, which takes watts: its current
    here is that of its AC input (R9).
    """

    id: str
    circuit: str
    rotation: Rotation
    phases: int
    min_ma: int
    max_ma: int
    step_ma: int
    latency_s: float
    raise_interval_s: float = 0.0
    most_raise_ma: int = 0
    dc_permille: int | None = None

    @property
    def settle_s(self) -> float:
        """From a confirmed cut until the EV follows it. The modules of a DC outlet do not wait for the EV."""
        return self.latency_s + (EV_REACTION_S if self.dc_permille is None else 0.0)

    def output_w(self, current_ma: int, voltage_mv: int) -> int:
        """Power at the outlet when it draws so much on each of its phases; a DC outlet loses some of it (R9)."""
        input_w = current_ma * voltage_mv * self.phases // 1_000_000
        return input_w if self.dc_permille is None else input_w * self.dc_permille // 1000

    def on_grid(self, current_ma: int) -> int:
        """The highest setpoint that is not above it."""
        return current_ma // self.step_ma * self.step_ma

    def least_ma(self, asked_ma: int | None = None) -> int:
        """The lowest setpoint that is not a pause; a token's own minimum raises it, up to what the EVSE can.

        That is the least of an EV's own charger (R7), which a DC outlet does without.
        """
        asked_ma = asked_ma if self.dc_permille is None else None
        least = max(self.min_ma, min(asked_ma or 0, self.on_grid(self.max_ma)))
        return -(-least // self.step_ma) * self.step_ma


@dataclass(frozen=True, slots=True)
class Tree:
    """Paths through the circuits, worked out once. `paths` leads from a circuit to the root, as places."""

    circuits: tuple[Circuit, ...]
    paths: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, circuits: Sequence[Circuit]) -> "Tree":
        """Circuits stand parents first.

        Raises:
            ValueError: a parent is missing or stands after its child; an id occurs twice.
        """
        paths: dict[str, tuple[int, ...]] = {}
        for place, circuit in enumerate(circuits):
            if circuit.id in paths:
                raise ValueError(f"circuit {circuit.id} occurs twice")
            if circuit.parent is not None and circuit.parent not in paths:
                raise ValueError(f"parent {circuit.parent} of circuit {circuit.id} does not stand before it")
            above = () if circuit.parent is None else paths[circuit.parent]
            paths[circuit.id] = (place, *above)
        return cls(tuple(circuits), paths)

    def links(self, point: SupplyPoint, phases: int) -> tuple[int, ...]:
        """Links that an EVSE loads when its EV uses so many phases."""
        used = point.rotation.value[:phases]
        return tuple(3 * place + phase for place in self.paths[point.circuit] for phase in used)

    def name(self, link: int) -> str:
        return f"{self.circuits[link // 3].id}, {PHASE_NAMES[link % 3]}"

    def names(self, links: Iterable[int]) -> str:
        return "; ".join(self.name(link) for link in links)

    def other_ma(self) -> list[Phases]:
        """The building's largest load at each circuit, those below it included."""
        total = [circuit.max_other_ma for circuit in self.circuits]
        for place in range(len(self.circuits) - 1, 0, -1):
            for above in self.paths[self.circuits[place].id][1:2]:
                total[above] = total[above].plus(total[place])
        return total
