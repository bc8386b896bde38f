"""R2: the proof, before a site runs, that no circuit ends above its rating whatever fails.

`ampyard check` prints it. For each circuit, phase and case the settled bounds of the EVSEs below and the
building's largest load are added and compared with the FULL rating: the usable share is a margin for planning,
not for faults. A setpoint can be anything up to the maximum when the fault strikes, so a charger that keeps its
last setpoint counts its maximum.

controller dead: nobody writes any more. Every EVSE counts its settled bound (R1): the fail-safe current where it
has a watchdog, else its maximum. A watchdog counts as verified here, because the tick does not energise an EVSE
whose watchdog is not (`bounds.needs_verifying`). Until the last watchdog has expired an outlet may still hold its
setpoint; that is the transition which R4 allows.

bus X dead: the EVSEs on X count their settled bound. The controller still reaches the others and pauses them when
it must, so that they count nothing; the meters may be on X, so the building counts its largest load. This can
never be worse than `controller dead`; its rows show which bus costs what.

power just returned: every charger is up before the controller is. The current offered at power-up counts, the
maximum where nobody knows it. Where a watchdog may then expire before the first setpoint, the fail-safe current
counts if it is the larger; watchdogs do not all expire at once, so both kinds may stand side by side.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from controller.allocation.bounds import settled_ma
from controller.allocation.circuits import PHASE_NAMES, SupplyPoint, Tree
from controller.allocation.image import Layout
from drivers.api import FallBack

CONTROLLER_DEAD = "controller dead"
POWER_RETURNED = "power just returned"


@dataclass(frozen=True, slots=True)
class FallBackFacts:
    """What site configuration and device profile say of an EVSE before anything runs.

    `power_up_ma` None: unknown. `watchdog_timeout_s` None: no usable watchdog. `also`: further buses without which
    it cannot be controlled (those of a DC outlet's power modules).
    """

    evse: str
    bus: str
    watchdog_timeout_s: float | None
    failsafe_ma: int
    holds_last: bool
    power_up_ma: int | None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one EVSE, or the building on one circuit, adds, and why so much."""

    source: str
    current_ma: int
    why: str


@dataclass(frozen=True, slots=True)
class ProofRow:
    """One sum. `phase` is L1, L2 or L3. Contributions of 0 are left out."""

    circuit: str
    phase: str
    case: str
    sum_ma: int
    rating_ma: int
    contributions: tuple[Contribution, ...]

    @property
    def ok(self) -> bool:
        return self.sum_ma <= self.rating_ma


Rule = Callable[[SupplyPoint, FallBackFacts], Contribution]


def prove(layout: Layout, facts: Sequence[FallBackFacts]) -> tuple[ProofRow, ...]:
    """Every sum, by case, circuit and phase. An EVSE without facts counts as unknown: its maximum."""
    known = {fact.evse: fact for fact in facts}
    buses = sorted({bus for fact in facts for bus in (fact.bus, *fact.also)})
    cases: list[tuple[str, Rule]] = [(CONTROLLER_DEAD, _settled)]
    cases += [(bus_dead(bus), _on_bus(bus)) for bus in buses]
    cases.append((POWER_RETURNED, _powered_up))
    tree = Tree.of(layout.circuits)
    return tuple(
        row
        for case, rule in cases
        for row in _rows(tree, case, [(p, rule(p, known.get(p.id) or _nothing_known(p))) for p in layout.evses])
    )


def bus_dead(bus: str) -> str:
    return f"bus {bus} dead"


def _rows(tree: Tree, case: str, evses: list[tuple[SupplyPoint, Contribution]]) -> Iterator[ProofRow]:
    adding: list[list[Contribution]] = [[] for _ in range(3 * len(tree.circuits))]
    for circuit in tree.circuits:
        for place in tree.paths[circuit.id]:
            for phase, current_ma in enumerate(circuit.max_other_ma):
                adding[3 * place + phase].append(
                    Contribution(f"building on {circuit.id}", current_ma, "largest load")
                )
    for point, contribution in evses:
        for link in tree.links(point, point.phases):
            adding[link].append(contribution)
    for link, contributions in enumerate(adding):
        circuit = tree.circuits[link // 3]
        yield ProofRow(
            circuit.id,
            PHASE_NAMES[link % 3],
            case,
            sum(one.current_ma for one in contributions),
            circuit.rating_ma[link % 3],
            tuple(one for one in contributions if one.current_ma),
        )


def _settled(point: SupplyPoint, fact: FallBackFacts) -> Contribution:
    current_ma = settled_ma(point.max_ma, _verified(fact))
    if fact.watchdog_timeout_s is not None:
        why = f"fail-safe current after {fact.watchdog_timeout_s:g} s"
    else:
        why = "keeps its last setpoint" if fact.holds_last else "no watchdog"
    return Contribution(point.id, current_ma, why)


def _on_bus(bus: str) -> Rule:
    def rule(point: SupplyPoint, fact: FallBackFacts) -> Contribution:
        needs_it = bus in (fact.bus, *fact.also)
        return _settled(point, fact) if needs_it else Contribution(point.id, 0, "paused by the controller")

    return rule


def _powered_up(point: SupplyPoint, fact: FallBackFacts) -> Contribution:
    if fact.power_up_ma is None:
        return Contribution(point.id, max(point.max_ma, fact.failsafe_ma), "offer at power-up unknown")
    if fact.watchdog_timeout_s is not None and fact.failsafe_ma > fact.power_up_ma:
        return Contribution(point.id, fact.failsafe_ma, "fail-safe current before the controller is up")
    return Contribution(point.id, fact.power_up_ma, "offer at power-up")


def _verified(fact: FallBackFacts) -> FallBack:
    return FallBack(
        watchdog_timeout_s=fact.watchdog_timeout_s,
        failsafe_ma=fact.failsafe_ma,
        verified=fact.watchdog_timeout_s is not None,
        holds_last=fact.holds_last,
        power_up_ma=fact.power_up_ma,
    )


def _nothing_known(point: SupplyPoint) -> FallBackFacts:
    return FallBackFacts(point.id, "", None, 0, holds_last=False, power_up_ma=None)
