"""The tick: what each EVSE shall be set to now, from what is known now and a little memory. Pure.

    watch      what each EVSE may be drawing: bounds of R1, cuts that have not taken effect, phases in use, overdraw
    estimate   the load of the building at each circuit, from meters that are a second old
    situation  room per link = limit - building - what cannot be controlled; requests of those who may charge
    sharing    admission by minimums, exact max-min filling, rounding to the chargers' grids
    emission   cuts at once; raises only into room that others have left for certain
    guard      everything added up again; a mismatch sends the fail-safe currents and an alarm
    reasons    one reason per EVSE

An EVSE without permit or session is set to 0 and locked (R15); what it may still be drawing counts until it is
known to be gone. One that cannot be reached is given its fail-safe current or less, for when it comes back, and
its bound is reserved meanwhile. One whose watchdog should protect the site but was not read back stays locked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from controller.allocation.circuits import Tree
from controller.allocation.emission import Emission, Sharing, emit
from controller.allocation.estimate import estimate
from controller.allocation.guard import violations
from controller.allocation.image import (
    EvseMemory,
    EvsePlan,
    Layout,
    Memory,
    Plan,
    ProcessImage,
    Reason,
    ReasonKind,
)
from controller.allocation.limits import in_force
from controller.allocation.overdraw import DISABLED
from controller.allocation.reasons import Explainer
from controller.allocation.report import alarms, ceilings, circuit_plans, claims
from controller.allocation.sharing import Share, share_out
from controller.allocation.situation import Question, Situation, may_charge, pose
from controller.allocation.watch import Watched, watch
from drivers.api import Health


def tick(layout: Layout, memory: Memory, image: ProcessImage) -> tuple[Memory, Plan]:
    """One step of control. The memory goes back in next time; an empty one is right after a start."""
    tree = Tree.of(layout.circuits)
    images = {one.id: one for one in image.evses}
    evses = [watch(point, images.get(point.id), memory.evses.get(point.id), image.now_s) for point in layout.evses]
    found = estimate(layout, tree, image, memory, evses)
    situation = Situation(tree, evses, found.base_ma, image.now_s)
    question = pose(situation, in_force(image.limits, image.now_s))
    decision = _decide(layout, situation, question)
    explainer = Explainer(situation, in_force(image.limits, image.now_s), question, decision.shares)
    plans = tuple(_plan(one, decision, explainer) for one in evses)
    after = {one.point.id: _remember(one, decision, image.now_s) for one in evses}
    circuits = circuit_plans(situation, question, found, decision.current_ma)
    said = alarms(layout, image, found, situation)
    return replace(found.memory, evses=after), Plan(plans, circuits, (*decision.wrong, *said))


@dataclass(frozen=True, slots=True)
class _Decision:
    """What to send. `wrong`: what the guard found; then everything is at its fail-safe current."""

    tree: Tree
    shares: Mapping[str, Share]
    emissions: Mapping[str, Emission]
    current_ma: Mapping[str, int]
    wrong: tuple[str, ...]


def _decide(layout: Layout, situation: Situation, question: Question) -> _Decision:
    shares = share_out(question.requests.values(), question.room.left_ma)
    sharing = Sharing(question.requests, shares, question.room.left_ma, situation.now_s)
    emissions = emit(situation.tree, situation.evses, sharing)
    current = {
        one.point.id: emissions[one.point.id].current_ma if one.reachable else _unreachable_ma(one)
        for one in situation.evses
    }
    wrong = violations(layout, claims(situation, current), ceilings(situation, question))
    if wrong:
        current = {one.point.id: _failsafe_ma(one) for one in situation.evses}
    return _Decision(situation.tree, shares, emissions, current, tuple(f"guard: {text}" for text in wrong))


def _unreachable_ma(evse: Watched) -> int:
    """Nothing that its bound does not cover, should it hear us without our hearing it."""
    if not evse.wants:
        return 0
    current_ma = evse.point.on_grid(min(evse.image.fall_back.failsafe_ma, evse.memory.set_ma, evse.counted_ma))
    return current_ma if current_ma >= evse.point.least_ma() else 0


def _failsafe_ma(evse: Watched) -> int:
    if not evse.reachable:
        return _unreachable_ma(evse)
    failsafe_ma = evse.point.on_grid(min(evse.image.fall_back.failsafe_ma, evse.point.max_ma))
    return failsafe_ma if may_charge(evse) and failsafe_ma >= evse.point.least_ma() else 0


def _plan(evse: Watched, decision: _Decision, explainer: Explainer) -> EvsePlan:
    return EvsePlan(
        id=evse.point.id,
        current_ma=decision.current_ma[evse.point.id],
        enabled=evse.wants and evse.memory.overdraw_stage < DISABLED,
        reason=_reason(evse, decision, explainer),
        bound_ma=evse.bound_ma,
    )


def _reason(evse: Watched, decision: _Decision, explainer: Explainer) -> Reason:
    name = evse.point.id
    if not evse.reachable:
        return Reason(
            ReasonKind.UNREACHABLE, "" if evse.image.health is not Health.OK else "keeps another setpoint"
        )
    if evse.image.demand is None:
        return Reason(ReasonKind.NO_SESSION)
    if not evse.image.permit:
        return Reason(ReasonKind.NOT_PERMITTED)
    if not evse.wants:
        return Reason(ReasonKind.UNVERIFIED)
    if evse.memory.overdraw_stage:
        return Reason(ReasonKind.OVERDRAW)
    if decision.wrong:
        return Reason(ReasonKind.GUARD, decision.wrong[0])
    emission = decision.emissions[name]
    if emission.delayed:
        return Reason(ReasonKind.RAISE_DELAY, decision.tree.names(emission.behind))
    return explainer.reason(name)


def _remember(evse: Watched, decision: _Decision, now_s: float) -> EvseMemory:
    name = evse.point.id
    memory = replace(evse.memory, set_ma=decision.current_ma[name])
    if decision.current_ma[name] > evse.memory.set_ma:
        memory = replace(memory, raised_s=now_s)
    if not evse.reachable:
        return memory
    share = decision.shares.get(name)
    if share is None:
        return replace(memory, admitted=False, paused=False, fits_s=None)
    if share.admitted:
        return replace(memory, admitted=True, paused=False, fits_s=None)
    fits_s = (evse.memory.fits_s or now_s) if share.probation else None
    return replace(memory, admitted=False, paused=memory.paused or memory.admitted, fits_s=fits_s)
