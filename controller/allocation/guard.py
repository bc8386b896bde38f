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
    """What may flow through a circuit, and what does already."""

    circuit: str
    allowed_ma: Phases
    base_ma: Phases


def violations(layout: Layout, claims: Iterable[Claim], ceilings: Iterable[Ceiling]) -> list[str]:
    """What is wrong with a plan, for people; empty: nothing."""
    points = {point.id: point for point in layout.evses}
    above = {circuit.id: circuit.parent for circuit in layout.circuits}
    ours: Counter[tuple[str, int]] = Counter()
    fixed: Counter[tuple[str, int]] = Counter()
    wrong: list[str] = []
    for claim in claims:
        point = points[claim.evse]
        at_all = claim.current_ma != 0 and not claim.fixed
        if at_all and not (
            point.min_ma <= claim.current_ma <= point.max_ma and claim.current_ma % point.step_ma == 0
        ):
            wrong.append(f"{claim.evse}: {claim.current_ma} mA is no setpoint of it")
        node: str | None = point.circuit
        while node is not None:
            for phase in point.rotation.value[: claim.phases]:
                (fixed if claim.fixed else ours)[node, phase] += claim.current_ma
            node = above[node]
    for ceiling in ceilings:
        for phase, name in enumerate(PHASE_NAMES):
            place = (ceiling.circuit, phase)
            total = ceiling.base_ma[phase] + fixed[place] + ours[place]
            if ours[place] and total > ceiling.allowed_ma[phase]:
                wrong.append(f"{ceiling.circuit}, {name}: {total} mA of {ceiling.allowed_ma[phase]} mA")
    return wrong
