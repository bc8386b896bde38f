"""The tick: what each EVSE shall be set to now, from what is known now and a little memory. Pure.

    watch      what each EVSE may be drawing: bounds of R1, cuts that have not taken effect, phases in use,
               overdraw, what the EV takes at most
    estimate   the load of the building at each circuit, from meters that are a second old
    thermal    what a breaker still bears, and who is locked before it trips
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

from controller.allocation.emission import Emission, emit
from controller.allocation.estimate import Estimate, estimate
from controller.allocation.guard import violations
from controller.allocation.image import EvsePlan, Layout, Limit, Plan, ProcessImage, Reason, ReasonKind
from controller.allocation.limits import in_force
from controller.allocation.memory import EvseMemory, Memory, Shed, Turn
from controller.allocation.overdraw import DISABLED
from controller.allocation.reasons import Explainer
from controller.allocation.report import alarms, ceilings, circuit_plans, claims, differences
from controller.allocation.request import Standing
from controller.allocation.sharing import Shares, share_out
from controller.allocation.situation import Question, Situation, may_charge, pose
from controller.allocation.surplus import room_ma, track
from controller.allocation.thermal import to_shed, wear
from controller.allocation.watch import Watched, watch
from controller.allocation.wiring import Wiring
from drivers.api import Health


def tick(layout: Layout, memory: Memory, image: ProcessImage) -> tuple[Memory, Plan]:
    """One step of control. The memory goes back in next time; an empty one is right after a start."""
    wiring = Wiring.of(layout, memory.wiring)
    images = {one.id: one for one in image.evses}
    evses = [watch(point, images.get(point.id), memory.evses.get(point.id), image.now_s) for point in layout.evses]
    found = estimate(wiring, image, memory, {one.point.id: one for one in evses})
    worn = wear(memory.worn, layout, found.measured_ma, memory.elapsed_s(image.now_s))
    shed = to_shed(wiring, evses, found.measured_ma, worn, image.now_s)
    evses = [_locked(one, shed[one.point.id]) if one.point.id in shed else one for one in evses]
    surplus = track(memory.surplus, wiring, image, evses=evses, frozen=found.frozen)
    situation = Situation(wiring, evses, found.base_ma, image.now_s, room_ma(surplus, evses, image.now_s))
    decision = _decide(situation, in_force(image.limits, image.now_s))
    after = Memory(
        wiring=wiring,
        evses={one.point.id: _remember(one, decision) for one in evses},
        base_ma=found.remembered_ma,
        ours_ma=found.ours_ma,
        at_s=image.now_s,
        metered=found.metered,
        surplus=surplus,
        worn=worn,
    )
    return after, _plan(decision, image, found)


def _locked(evse: Watched, shed: Shed) -> Watched:
    return replace(evse, memory=replace(evse.memory, shed=shed))


@dataclass(frozen=True, slots=True)
class _Decision:
    """What to send. `wrong`: what the guard found; then everything is at its fail-safe current."""

    situation: Situation
    limits: tuple[Limit, ...]
    question: Question
    shares: Shares
    emissions: Mapping[str, Emission]
    current_ma: Mapping[str, int]
    wrong: tuple[str, ...]


def _decide(situation: Situation, limits: tuple[Limit, ...]) -> _Decision:
    question = pose(situation, limits)
    shares = share_out(question.requests.values(), question.room_ma, question.balances)
    emissions = emit(situation.evses, question, shares, situation.now_s)
    current = {
        one.point.id: emissions[one.point.id].current_ma if one.reachable else _unreachable_ma(one)
        for one in situation.evses
    }
    layout = situation.wiring.layout
    wrong = violations(layout, claims(situation, current), ceilings(situation, question))
    apart = tuple(differences(situation))
    if apart:
        wanted = {one.point.id: _wanted_ma(one, shares) for one in situation.evses}
        wrong += violations(layout, claims(situation, wanted), apart)
    if wrong:
        current = {one.point.id: _failsafe_ma(one, situation.now_s) for one in situation.evses}
    said = tuple(f"guard: {text}" for text in wrong)
    return _Decision(situation, limits, question, shares, emissions, current, said)


def _wanted_ma(evse: Watched, shares: Shares) -> int:
    share = shares.get(evse.point.id)
    return 0 if share is None else share.current_ma


def _unreachable_ma(evse: Watched) -> int:
    """Nothing that its bound does not cover, should it hear us without our hearing it."""
    if not evse.wants:
        return 0
    current_ma = evse.point.on_grid(min(evse.image.fall_back.failsafe_ma, evse.memory.set_ma, evse.counted_ma))
    return current_ma if current_ma >= evse.point.least_ma() else 0


def _failsafe_ma(evse: Watched, now_s: float) -> int:
    if not evse.reachable:
        return _unreachable_ma(evse)
    failsafe_ma = evse.point.on_grid(min(evse.image.fall_back.failsafe_ma, evse.point.max_ma))
    return failsafe_ma if may_charge(evse, now_s) and failsafe_ma >= evse.point.least_ma() else 0


def _plan(decision: _Decision, image: ProcessImage, found: Estimate) -> Plan:
    situation = decision.situation
    explainer = Explainer(situation, decision.limits, decision.question, decision.shares)
    evses = tuple(
        EvsePlan(
            id=one.point.id,
            current_ma=decision.current_ma[one.point.id],
            enabled=one.wants and one.memory.overdrawing.stage < DISABLED and not one.memory.is_shed(image.now_s),
            reason=_reason(one, decision, explainer),
            bound_ma=one.bound_ma,
        )
        for one in situation.evses
    )
    circuits = circuit_plans(situation, decision.question, found, decision.current_ma)
    return Plan(evses, circuits, (*decision.wrong, *alarms(image, found, situation)))


def _reason(evse: Watched, decision: _Decision, explainer: Explainer) -> Reason:
    name = evse.point.id
    if not evse.reachable:
        return Reason(
            ReasonKind.UNREACHABLE, "" if evse.image.health is not Health.OK else "keeps another setpoint"
        )
    shed = evse.memory.shed
    kind = _not_asking(evse, decision.situation.now_s)
    if kind is not None:
        return Reason(kind, shed.where if kind is ReasonKind.THERMAL and shed is not None else "")
    if decision.wrong:
        return Reason(ReasonKind.GUARD, decision.wrong[0])
    emission = decision.emissions[name]
    if emission.delayed:
        wiring = decision.situation.wiring
        behind = "; ".join(dict.fromkeys(decision.question.name(wiring, link) for link in emission.behind))
        return Reason(ReasonKind.RAISE_DELAY, behind)
    return explainer.reason(name)


def _not_asking(evse: Watched, now_s: float) -> ReasonKind | None:
    """Why it takes no part in the sharing, or not a full one."""
    if evse.image.demand is None:
        return ReasonKind.NO_SESSION
    if not evse.image.permit:
        return ReasonKind.NOT_PERMITTED
    if not evse.wants:
        return ReasonKind.UNVERIFIED
    if evse.memory.is_shed(now_s):
        return ReasonKind.THERMAL
    return ReasonKind.OVERDRAW if evse.memory.overdrawing.stage else None


def _remember(evse: Watched, decision: _Decision) -> EvseMemory:
    now_s = decision.situation.now_s
    current_ma = decision.current_ma[evse.point.id]
    memory = evse.memory
    return replace(
        memory,
        set_ma=current_ma,
        raised_s=now_s if current_ma > memory.set_ma else memory.raised_s,
        turn=_turn(evse, decision, now_s) if evse.reachable else memory.turn,
        shed=memory.shed if memory.is_shed(now_s) else None,
    )


def _turn(evse: Watched, decision: _Decision, now_s: float) -> Turn:
    turn, share = evse.memory.turn, decision.shares.get(evse.point.id)
    if share is None:
        return Turn()
    if share.admitted:
        return turn if turn.admitted and not turn.paused else Turn(admitted=True, since_s=now_s)
    fits_s = (now_s if turn.fits_s is None else turn.fits_s) if share.probation else None
    if not turn.admitted:
        return Turn(admitted=False, since_s=turn.since_s, paused=turn.paused, fits_s=fits_s)
    return Turn(admitted=False, since_s=now_s, paused=not _made_way(evse, decision), fits_s=fits_s)


def _made_way(evse: Watched, decision: _Decision) -> bool:
    """It lost its place to somebody whose turn it is, and not for lack of capacity."""
    requests, shares = decision.question.requests, decision.shares
    came = {requests[name].standing for name, share in shares.items() if share.admitted}
    if requests[evse.point.id].standing is Standing.OVERSTAYING:
        return Standing.DUE in came
    return requests[evse.point.id].standing is Standing.IDLE and bool(came & {Standing.DUE, Standing.WAITING})
