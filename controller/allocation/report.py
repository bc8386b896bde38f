"""A tick's outcome for people and for the guard: circuits, alarms, claims."""

from collections.abc import Iterator, Mapping

from controller.allocation.bounds import needs_verifying
from controller.allocation.estimate import Estimate
from controller.allocation.guard import Ceiling, Claim
from controller.allocation.image import CircuitPlan, Layout, ProcessImage
from controller.allocation.limits import RATING, strangers
from controller.allocation.overdraw import DISABLED
from controller.allocation.situation import Question, Situation
from controller.allocation.watch import Watched
from drivers.api import Health, Phases

_OVERDRAW_STAGES = ("", "reduced to its minimum", "paused", "disabled")


def claims(situation: Situation, current_ma: Mapping[str, int]) -> Iterator[Claim]:
    """Setpoints of the reachable, and what cannot be lowered."""
    for one in situation.evses:
        if one.reachable:
            yield Claim(one.point.id, current_ma[one.point.id], one.phases)
            yield Claim(one.point.id, one.surplus_ma, one.phases, fixed=True)
        else:
            yield Claim(one.point.id, one.counted_ma, one.phases, fixed=True)


def ceilings(situation: Situation, question: Question) -> Iterator[Ceiling]:
    for circuit, base_ma in zip(situation.tree.circuits, situation.base_ma, strict=True):
        yield Ceiling(circuit.id, question.lowest.circuit(circuit)[0], base_ma)
        charging = question.lowest.charging(circuit)
        if charging is not None:
            value_ma = max(0, charging.value_ma)
            yield Ceiling(circuit.id, Phases(value_ma, value_ma, value_ma), Phases(0, 0, 0))


def circuit_plans(
    situation: Situation, question: Question, found: Estimate, current_ma: Mapping[str, int]
) -> tuple[CircuitPlan, ...]:
    planned = _per_link(situation, current_ma)
    plans: list[CircuitPlan] = []
    for place, circuit in enumerate(situation.tree.circuits):
        limit_ma, limit = question.lowest.circuit(circuit)
        charging = question.lowest.charging(circuit)
        if charging is not None:
            lower = Phases(
                *(min(a, b + charging.value_ma) for a, b in zip(limit_ma, found.base_ma[place], strict=True))
            )
            limit, limit_ma = (charging if lower != limit_ma else limit), lower
        plans.append(
            CircuitPlan(
                id=circuit.id,
                limit_ma=limit_ma,
                base_ma=found.base_ma[place],
                planned_ma=Phases(*planned[3 * place : 3 * place + 3]),
                measured_ma=found.measured_ma[place],
                limited_by=RATING if limit is None else limit.source,
            )
        )
    return tuple(plans)


def _per_link(situation: Situation, current_ma: Mapping[str, int]) -> list[int]:
    planned = situation.reserved_ma()
    for one in situation.evses:
        for link in situation.tree.links(one.point, one.phases) if one.reachable else ():
            planned[link] += current_ma[one.point.id]
    return planned


def _still_ours(situation: Situation) -> list[int]:
    """Per link: what EVSEs that can be reached may still be drawing."""
    counted = [0] * (3 * len(situation.tree.circuits))
    for one in situation.evses:
        for link in situation.tree.links(one.point, one.phases) if one.reachable else ():
            counted[link] += one.counted_ma
    return counted


def alarms(layout: Layout, image: ProcessImage, found: Estimate, situation: Situation) -> Iterator[str]:
    """Texts that stay the same while the cause lasts, so that a change of the set is news."""
    for one in situation.evses:
        yield from _evse_alarms(one)
    ours = _still_ours(situation)
    for place, circuit in enumerate(layout.circuits):
        measured_ma = found.measured_ma[place]
        if circuit.meter is not None and measured_ma is None:
            yield f"{circuit.id}: no recent reading of meter {circuit.meter}, its largest building load counts"
        for phase in range(3):
            link = 3 * place + phase
            if measured_ma is not None and measured_ma[phase] > circuit.rating_ma[phase] and not ours[link]:
                yield f"{situation.tree.name(link)}: above its rating, and nothing is left to reduce"
    names = [circuit.id for circuit in layout.circuits], [point.id for point in layout.evses]
    for limit in strangers(image.limits, *names):
        yield f"limit of {limit.source}: there is no {limit.scope.value} {limit.target}"


def _evse_alarms(evse: Watched) -> Iterator[str]:
    name, stage = evse.point.id, evse.memory.overdraw_stage
    if needs_verifying(evse.image.fall_back) and evse.image.demand is not None and evse.reachable:
        yield f"{name}: watchdog not verified, locked"
    if evse.image.health is Health.OK and not evse.reachable and evse.image.reading is not None:
        yield f"{name}: does not take its setpoint"
    if evse.surplus_ma > 0 and evse.memory.bound_ma == 0 and stage in {0, DISABLED}:
        yield f"{name}: draws current at 0 A offered, contactor suspected welded"
    elif stage or evse.surplus_ma > 0:
        yield f"{name}: draws more than offered" + (f", {_OVERDRAW_STAGES[stage]}" if stage else "")
