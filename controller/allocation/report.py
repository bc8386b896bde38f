"""A tick's outcome for people and for the guard: circuits, alarms, claims."""

from collections.abc import Iterator, Mapping

from controller.allocation.bounds import needs_verifying
from controller.allocation.estimate import Estimate
from controller.allocation.guard import Ceiling, Claim, members_of
from controller.allocation.image import CircuitPlan, ProcessImage, Scope
from controller.allocation.limits import CONTRACT, RATING, strangers
from controller.allocation.overdraw import DISABLED
from controller.allocation.situation import Question, Situation
from controller.allocation.watch import Watched
from drivers.api import NO_CURRENT, Health, Phases

_OVERDRAW_STAGES = ("", "reduced to its minimum", "paused", "disabled")


def claims(situation: Situation, current_ma: Mapping[str, int]) -> Iterator[Claim]:
    """Setpoints of the reachable, and what cannot be lowered."""
    for one in situation.evses:
        if one.reachable:
            yield Claim(one.point.id, current_ma[one.point.id], one.phases)
            if one.surplus_ma:
                yield Claim(one.point.id, one.surplus_ma, one.phases, fixed=True)
        else:
            yield Claim(one.point.id, one.counted_ma, one.phases, fixed=True)


def ceilings(situation: Situation, question: Question) -> Iterator[Ceiling]:
    layout, lowest = situation.wiring.layout, question.lowest
    below = members_of(layout)
    for circuit, base_ma in zip(layout.circuits, situation.base_ma, strict=True):
        power = lowest.circuit_w(circuit)
        yield Ceiling(
            circuit.id,
            below[circuit.id],
            base_ma,
            allowed_ma=lowest.circuit(circuit)[0],
            allowed_w=None if power is None else power[0],
        )
    groups = {(Scope.CHARGING, name): members for name, members in below.items()}
    groups.update({(Scope.GROUP, name): members for name, members in layout.groups.items()})
    for target, members in groups.items():
        current, power_w = lowest.current.get(target), lowest.power.get(target)
        if current is not None or power_w is not None:
            yield Ceiling(
                target[1],
                members,
                NO_CURRENT,
                allowed_ma=None if current is None else Phases(current[0], current[0], current[0]),
                allowed_w=None if power_w is None else power_w[0],
            )


def differences(situation: Situation) -> Iterator[Ceiling]:
    """How far phases may be apart once all raises have been carried out."""
    layout = situation.wiring.layout
    below = members_of(layout)
    for circuit, base_ma in zip(layout.circuits, situation.base_ma, strict=True):
        if circuit.unbalance_ma is not None:
            yield Ceiling(circuit.id, below[circuit.id], base_ma, apart_ma=circuit.unbalance_ma)


def circuit_plans(
    situation: Situation, question: Question, found: Estimate, current_ma: Mapping[str, int]
) -> tuple[CircuitPlan, ...]:
    planned = _per_link(situation, current_ma)
    plans: list[CircuitPlan] = []
    for place, circuit in enumerate(situation.wiring.circuits):
        limit_ma, limit = question.lowest.circuit(circuit)
        charging = question.lowest.charging(circuit)
        if charging is not None:
            base_ma = found.base_ma[place]
            lower = Phases(*(min(a, b + charging[0]) for a, b in zip(limit_ma, base_ma, strict=True)))
            limit, limit_ma = (charging[1] if lower != limit_ma else limit), lower
        limit_w, by = _power(situation, question, place)
        plans.append(
            CircuitPlan(
                id=circuit.id,
                limit_ma=limit_ma,
                base_ma=found.base_ma[place],
                planned_ma=Phases(*planned[3 * place : 3 * place + 3]),
                measured_ma=found.measured_ma[place],
                limited_by=by or (RATING if limit is None else limit.source),
                limit_w=limit_w,
            )
        )
    return tuple(plans)


def _power(situation: Situation, question: Question, place: int) -> tuple[int | None, str]:
    """What all phases may carry, and who says so if that is less than the phases may."""
    circuit, voltage_mv = situation.wiring.circuits[place], situation.wiring.layout.voltage_mv
    found = question.lowest.circuit_w(circuit)
    charging = question.lowest.power.get((Scope.CHARGING, circuit.id))
    if charging is not None:
        building_w = sum(situation.base_ma[place]) * voltage_mv // 1_000_000
        if found is None or charging[0] + building_w < found[0]:
            found = charging[0] + building_w, charging[1]
    if found is None:
        return None, ""
    by_phases_w = sum(question.lowest.circuit(circuit)[0]) * voltage_mv // 1_000_000
    by = CONTRACT if found[1] is None else found[1].source
    return found[0], by if found[0] < by_phases_w else ""


def _per_link(situation: Situation, current_ma: Mapping[str, int]) -> list[int]:
    planned = situation.reserved_ma()
    for one in situation.evses:
        for link in situation.wiring.links[one.point.id][one.phases] if one.reachable else ():
            planned[link] += current_ma[one.point.id]
    return planned


def _still_ours(situation: Situation) -> list[int]:
    """Per link: what EVSEs that can be reached may still be drawing."""
    counted = [0] * (3 * len(situation.wiring.circuits))
    for one in situation.evses:
        for link in situation.wiring.links[one.point.id][one.phases] if one.reachable else ():
            counted[link] += one.counted_ma
    return counted


def alarms(image: ProcessImage, found: Estimate, situation: Situation) -> Iterator[str]:
    """Texts that stay the same while the cause lasts, so that a change of the set is news."""
    for one in situation.evses:
        yield from _evse_alarms(one, image.now_s)
    ours, layout = _still_ours(situation), situation.wiring.layout
    for place, circuit in enumerate(layout.circuits):
        measured_ma = found.measured_ma[place]
        if circuit.meter is not None and measured_ma is None:
            why = (
                "meter {} does not follow our EVs"
                if circuit.meter in found.frozen
                else "no recent reading of meter {}"
            )
            yield f"{circuit.id}: {why.format(circuit.meter)}, its largest building load counts"
        for phase in range(3):
            link = 3 * place + phase
            if measured_ma is not None and measured_ma[phase] > circuit.rating_ma[phase] and not ours[link]:
                yield f"{situation.wiring.tree.name(link)}: above its rating, and nothing is left to reduce"
    for limit in strangers(image.limits, layout):
        yield f"limit of {limit.source}: there is no {limit.scope.value} {limit.target}"


def _evse_alarms(evse: Watched, now_s: float) -> Iterator[str]:
    name, stage, shed = evse.point.id, evse.memory.overdrawing.stage, evse.memory.shed
    if shed is not None and evse.memory.is_shed(now_s):
        yield f"{name}: locked for a minute, the breaker at {shed.where} was about to trip"
    if needs_verifying(evse.image.fall_back) and evse.image.demand is not None and evse.reachable:
        yield f"{name}: watchdog not verified, locked"
    if evse.image.health is Health.OK and not evse.reachable and evse.image.reading is not None:
        yield f"{name}: does not take its setpoint"
    if evse.surplus_ma > 0 and evse.memory.settling.bound_ma == 0 and stage in {0, DISABLED}:
        yield f"{name}: draws current at 0 A offered, contactor suspected welded"
    elif stage or evse.surplus_ma > 0:
        yield f"{name}: draws more than offered" + (f", {_OVERDRAW_STAGES[stage]}" if stage else "")
