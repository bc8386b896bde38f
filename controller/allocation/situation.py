"""The tick's question to `sharing`: who asks for how much, and what room each link has, under a list of limits.

It is a function of the limits, so that the same question can be asked again without one of them (`reasons`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.caps import Balance, Cap, cap_links, caps_of, reserved_ma
from controller.allocation.image import Demand, Limit
from controller.allocation.limits import Lowest, usable_ma
from controller.allocation.overdraw import PAUSED, REDUCED
from controller.allocation.phases import LIVE_MA
from controller.allocation.request import Request, Standing
from controller.allocation.urgency import Offer, is_over, urgency
from controller.allocation.watch import Watched
from controller.allocation.wiring import Wiring
from drivers.api import Phases

HEADROOM_MA = 1000
HEADROOM_FOR_S = 30.0
"""So long must the minimum of a paused EVSE, and so much more, have fitted before it starts again."""
SURPLUS_FOR_S = 60.0
"""The same for one that shall start on surplus: clouds come and go."""
FIXED = "fixed limit"
EV = "the EV takes no more"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a tick knows, apart from the limits. `surplus_ma` over all phases; None: nobody charges with it."""

    wiring: Wiring
    evses: Sequence[Watched]
    base_ma: Sequence[Phases]
    now_s: float
    surplus_ma: int | None = None

    def reserved_ma(self) -> list[int]:
        """Per link: unreachable EVSEs at what counts of them, and what others draw above their bound."""
        reserved = [0] * (3 * len(self.wiring.circuits))
        for one in self.evses:
            amount = reserved_ma(one)
            for link in self.wiring.links[one.point.id][one.phases] if amount else ():
                reserved[link] += amount
        return reserved


@dataclass(frozen=True, slots=True)
class Question:
    """`room_ma` per link is for the reachable EVSEs together, and `limited_by` the limit that says so, if one does.

    Room can be negative, when what is not ours or cannot be reached is too much already. `links` are those of each
    EVSE, asking or not, but for the differences between phases, which need not hold while raises are under way
    (they burn no fuse). `capped` names what lowers an EVSE's own maximum: a limit, or the session or EV itself.
    """

    requests: Mapping[str, Request]
    room_ma: tuple[int, ...]
    limited_by: Mapping[int, Limit]
    caps: tuple[Cap, ...]
    balances: tuple[Balance, ...]
    links: Mapping[str, tuple[int, ...]]
    lowest: Lowest
    capped: Mapping[str, Limit | str]

    def name(self, wiring: Wiring, link: int) -> str:
        """What binds there, for people."""
        limit = self.limited_by.get(link)
        if limit is not None:
            return limit.source
        first = len(self.room_ma) - len(self.caps)
        return wiring.tree.name(link) if link < first else self.caps[link - first].name


def pose(situation: Situation, limits: Iterable[Limit]) -> Question:
    wiring, lowest = situation.wiring, Lowest.of(limits)
    caps = caps_of(wiring, situation.evses, lowest, base_ma=situation.base_ma, surplus_ma=situation.surplus_ma)
    room, limited_by = _room(situation, lowest)
    first = len(room)
    limited_by.update({first + place: cap.limit for place, cap in enumerate(caps.caps) if cap.limit is not None})
    room += [cap.room_ma for cap in caps.caps]
    first_balance = len(room) - 3 * len(caps.balances)
    links: dict[str, tuple[int, ...]] = {}
    requests: dict[str, Request] = {}
    capped: dict[str, Limit | str] = {}
    for one in situation.evses:
        name = one.point.id
        path = links[name] = wiring.links[name][one.phases]
        if caps.caps:
            path += cap_links(caps.caps, first, one)
            links[name] = tuple(link for link in path if link < first_balance)
        if may_charge(one, situation.now_s) and one.image.demand is not None:
            requests[name], why = _request(situation, one, one.image.demand, lowest, path)
            if why is not None:
                capped[name] = why
    return Question(requests, tuple(room), limited_by, caps.caps, caps.balances, links, lowest, capped)


def _room(situation: Situation, lowest: Lowest) -> tuple[list[int], dict[int, Limit]]:
    reserved = situation.reserved_ma()
    left: list[int] = []
    limited_by: dict[int, Limit] = {}
    for place, circuit in enumerate(situation.wiring.circuits):
        allowed, limit = lowest.circuit(circuit)
        usable = usable_ma(circuit) if limit is not None else allowed
        charging = lowest.charging(circuit)
        for phase in range(3):
            link = 3 * place + phase
            amount = allowed[phase] - situation.base_ma[place][phase]
            if limit is not None and allowed[phase] < usable[phase]:
                limited_by[link] = limit
            if charging is not None and charging[0] < amount:
                amount = charging[0]
                limited_by[link] = charging[1]
            left.append(amount - reserved[link])
    return left, limited_by


def may_charge(evse: Watched, now_s: float) -> bool:
    """It takes part in the sharing of this tick."""
    memory = evse.memory
    return evse.wants and evse.reachable and memory.overdrawing.stage < PAUSED and not memory.is_shed(now_s)


def _request(
    situation: Situation, evse: Watched, demand: Demand, lowest: Lowest, links: tuple[int, ...]
) -> tuple[Request, Limit | str | None]:
    point = evse.point
    least_ma = point.least_ma(demand.min_ma)
    most_ma, why = _most(evse, demand, lowest, situation.wiring.layout.voltage_mv)
    if evse.memory.overdrawing.stage == REDUCED:
        most_ma = min(most_ma, least_ma)
    probation = _on_probation(evse, demand, situation.now_s)
    if probation:
        least_ma = max(least_ma, min(most_ma, point.on_grid(least_ma + HEADROOM_MA)))
    offer = Offer(most_ma, evse.phases, situation.wiring.layout.voltage_mv)
    pressed = urgency(demand.deadline, offer, situation.now_s, charging=evse.memory.turn.admitted)
    standing, since_s = _standing(evse, demand, pressed, situation)
    request = Request(
        id=point.id,
        least_ma=least_ma,
        most_ma=most_ma,
        step_ma=point.step_ma,
        links=links,
        weight=max(1, demand.weight),
        priority=demand.priority,
        standing=standing,
        since_s=since_s,
        urgency=pressed,
        phases=evse.phases,
        probation=probation,
    )
    return request, why


def _most(evse: Watched, demand: Demand, lowest: Lowest, voltage_mv: int) -> tuple[int, Limit | str | None]:
    point = evse.point
    most_ma, limit = lowest.evse(point, evse.phases, voltage_mv)
    why: Limit | str | None = limit
    for own_ma, own in ((demand.max_ma, FIXED), (evse.memory.taper.most_ma, EV)):
        if own_ma is not None and point.on_grid(max(0, own_ma)) < most_ma:
            most_ma, why = point.on_grid(max(0, own_ma)), own
    return most_ma, why


def _standing(evse: Watched, demand: Demand, pressed: int, situation: Situation) -> tuple[Standing, float]:
    turn, now_s = evse.memory.turn, situation.now_s
    since_s = demand.since_s if turn.since_s is None else turn.since_s
    slot_s = situation.wiring.layout.slot_s
    if not turn.admitted:
        due = is_over(now_s - since_s, slot_s, pressed)
        return (Standing.DUE if due else Standing.WAITING), since_s
    if _idle(evse):
        return Standing.IDLE, -since_s
    return (Standing.OVERSTAYING, -since_s) if now_s - since_s >= slot_s else (Standing.SERVING, since_s)


def _idle(evse: Watched) -> bool:
    """It may charge, and has not for a while: a full car must not keep another from charging."""
    taper = evse.memory.taper
    return taper.most_ma is not None and taper.peak_ma < LIVE_MA


def _on_probation(evse: Watched, demand: Demand, now_s: float) -> bool:
    turn = evse.memory.turn
    if turn.admitted or not (turn.paused or demand.surplus):
        return False
    wait_s = SURPLUS_FOR_S if demand.surplus else HEADROOM_FOR_S
    return turn.fits_s is None or now_s - turn.fits_s < wait_s
