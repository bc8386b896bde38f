"""The last look at a plan: adds every circuit up once more, in its own way, with nothing but integers.

It shares no code with the filling, the rounding or the numbering of links, so that an error there shows here.
What the controller cannot lower (`fixed`: unreachable EVSEs, overdraw) may be too much by itself; then nothing
that it can lower may be on that circuit.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from controller.allocation.circuits import PHASE_NAMES
from controller.allocation.image import Layout
from drivers.api import Phases


@dataclass(frozen=True, slots=True)
class Claim:
    """What one EVSE takes on the first so many of its wired phases."""

    evse: str
    current_ma: int
    phases: int
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What may flow through a circuit, or to the `members` named instead, and what does already.

    `allowed_ma` is per phase, `allowed_w` all phases together, `apart_ma` the difference between two phases that
    EVSEs on fewer than three may make; None: not said.
    """

    name: str
    members: frozenset[str]
    base_ma: Phases
    allowed_ma: Phases | None = None
    allowed_w: int | None = None
    apart_ma: int | None = None


def members_of(layout: Layout) -> dict[str, frozenset[str]]:
    """EVSEs below each circuit, by asking each for its way to the grid."""
    above = {circuit.id: circuit.parent for circuit in layout.circuits}
    below: dict[str, set[str]] = {circuit.id: set() for circuit in layout.circuits}
    for point in layout.evses:
        node: str | None = point.circuit
        while node is not None:
            below[node].add(point.id)
            node = above[node]
    return {name: frozenset(members) for name, members in below.items()}


def violations(layout: Layout, claims: Iterable[Claim], ceilings: Iterable[Ceiling]) -> list[str]:
    """What is wrong with a plan, for people; empty: nothing."""
    points = {point.id: point for point in layout.evses}
    ours: Counter[tuple[str, int]] = Counter()
    fixed: Counter[tuple[str, int]] = Counter()
    few: set[str] = set()
    wrong: list[str] = []
    for claim in claims:
        point = points[claim.evse]
        at_all = claim.current_ma != 0 and not claim.fixed
        if at_all and not (
            point.min_ma <= claim.current_ma <= point.max_ma and claim.current_ma % point.step_ma == 0
        ):
            wrong.append(f"{claim.evse}: {claim.current_ma} mA is no setpoint of it")
        if claim.phases < 3:
            few.add(claim.evse)
        for phase in point.rotation.value[: claim.phases]:
            (fixed if claim.fixed else ours)[claim.evse, phase] += claim.current_ma
    for ceiling in ceilings:
        wrong += _above(ceiling, ours, fixed, layout.voltage_mv)
        wrong += _apart(ceiling, ours, fixed, few)
    return wrong


def _above(
    ceiling: Ceiling, ours: Counter[tuple[str, int]], fixed: Counter[tuple[str, int]], voltage_mv: int
) -> Iterable[str]:
    all_ma = all_ours = 0
    for phase, name in enumerate(PHASE_NAMES):
        mine = sum(ours[member, phase] for member in ceiling.members)
        total = ceiling.base_ma[phase] + mine + sum(fixed[member, phase] for member in ceiling.members)
        all_ma, all_ours = all_ma + total, all_ours + mine
        if ceiling.allowed_ma is not None and mine and total > ceiling.allowed_ma[phase]:
            yield f"{ceiling.name}, {name}: {total} mA of {ceiling.allowed_ma[phase]} mA"
    if ceiling.allowed_w is not None and all_ours and all_ma * voltage_mv > ceiling.allowed_w * 1_000_000:
        yield f"{ceiling.name}: {all_ma * voltage_mv // 1_000_000} W of {ceiling.allowed_w} W"


def _apart(
    ceiling: Ceiling, ours: Counter[tuple[str, int]], fixed: Counter[tuple[str, int]], few: set[str]
) -> Iterable[str]:
    if ceiling.apart_ma is None:
        return
    mine = [sum(ours[member, phase] for member in ceiling.members & few) for phase in range(3)]
    others = [sum(fixed[member, phase] for member in ceiling.members) for phase in range(3)]
    loads = [sum(parts) for parts in zip(ceiling.base_ma, mine, others, strict=True)]
    for phase, name in enumerate(PHASE_NAMES):
        if mine[phase] and loads[phase] - min(loads) > ceiling.apart_ma:
            yield f"{ceiling.name}, {name}: {loads[phase] - min(loads)} mA above the emptiest phase"
