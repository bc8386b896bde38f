"""Small sites for the allocation's tests. Amperes in, milliamperes out."""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from controller.allocation.circuits import Circuit, Rotation, SupplyPoint
from controller.allocation.control import tick
from controller.allocation.image import Demand, EvseImage, Layout, Limit, Plan, ProcessImage
from controller.allocation.memory import Memory
from controller.allocation.request import Request, Standing
from drivers.api import NO_CURRENT, EvseReading, EvState, FallBack, Health, MeterReading, Phases
from tests.bench.sites import Site

WATCHED = FallBack(15.0, 6000, verified=True, holds_last=False, power_up_ma=0)
UNWATCHED = FallBack(None, 0, verified=False, holds_last=False, power_up_ma=None)
HOLDS = FallBack(None, 0, verified=False, holds_last=True, power_up_ma=None)


def three(amperes: float) -> Phases:
    return Phases(*(round(amperes * 1000) for _ in range(3)))


def amperes(*phases: float) -> Phases:
    return Phases(*(round(amount * 1000) for amount in phases))


def circuit(
    name: str, rating_a: float, parent: str | None = None, *, other_a: float = 0, meter: str | None = None
) -> Circuit:
    return Circuit(name, parent, three(rating_a), 1000, three(other_a), meter)


def point(name: str, on: str = "main", **changes: Any) -> SupplyPoint:
    plain = SupplyPoint(name, on, Rotation.L1L2L3, 3, 6000, 16000, 1000, 1.0)
    return replace(plain, **changes)


def layout(circuits: Iterable[Circuit], evses: Iterable[SupplyPoint]) -> Layout:
    return Layout(tuple(circuits), tuple(evses), 230_000, {})


def reading(t_s: float, drawn: Phases | None = NO_CURRENT, **changes: Any) -> EvseReading:
    state = EvState.C if drawn and drawn.highest else EvState.B
    return replace(EvseReading(t_s, state, True, drawn), **changes)


def charging(name: str, t_s: float, set_a: float, drawn: Phases | None = None, **changes: Any) -> EvseImage:
    """An EVSE with a session that confirmed its setpoint and draws it on all phases, unless told otherwise."""
    set_ma = round(set_a * 1000)
    image = EvseImage(
        id=name,
        permit=True,
        demand=Demand(since_s=0.0),
        reading=reading(t_s, three(set_a) if drawn is None else drawn),
        health=Health.OK,
        lost_s=None,
        fall_back=WATCHED,
        confirmed_ma=set_ma,
        confirmed_s=t_s,
        commanded_ma=set_ma,
    )
    return replace(image, **changes)


def idle(name: str, t_s: float, **changes: Any) -> EvseImage:
    return charging(name, t_s, 0, permit=False, demand=None, **changes)


def metered(t_s: float, drawn: Phases) -> MeterReading:
    return MeterReading(t_s, drawn, sum(drawn) * 230 // 1000, signed=True)


def image(
    now_s: float, evses: Iterable[EvseImage], limits: Iterable[Limit] = (), **meters: MeterReading
) -> ProcessImage:
    return ProcessImage(now_s, tuple(evses), meters, tuple(limits))


def setpoints(plan: Plan) -> dict[str, int]:
    return {one.id: one.current_ma for one in plan.evses}


def obeyed(image: EvseImage, plan: Plan, t_s: float, *, drawn: Phases | None = None) -> EvseImage:
    """The EVSE a cycle later: it confirmed the plan, and its EV follows."""
    ours = next(one for one in plan.evses if one.id == image.id)
    amount = Phases(ours.current_ma, ours.current_ma, ours.current_ma) if drawn is None else drawn
    return replace(
        image,
        reading=reading(t_s, amount),
        confirmed_ma=ours.current_ma,
        commanded_ma=ours.current_ma,
        confirmed_s=t_s - 0.5,
    )


def random_instance(seed: int, *, same_steps: bool = False) -> Site:
    """A sharing problem of another kind than `sites.site` makes: paths lead up a random tree of any depth."""
    dice = random.Random(seed)
    boards = dice.randint(1, 6)
    parents = [None if board == 0 else dice.randrange(board) for board in range(boards)]
    rooms = [dice.randrange(0, 80_000) for _ in range(3 * boards)]
    if dice.random() < 0.3:
        rooms = [dice.choice((16_000, 32_000, 63_000)) for _ in range(3 * boards)]
    requests = []
    for number in range(dice.randint(1, 14)):
        board: int | None = dice.randrange(boards)
        phases = dice.choice(((0, 1, 2), (0,), (1,), (2,), (0, 1), (1, 2)))
        links: list[int] = []
        while board is not None:
            links += [3 * board + phase for phase in phases]
            board = parents[board]
        step = 1000 if same_steps else dice.choice((1000, 1000, 100))
        requests.append(
            Request(
                id=f"E{number}",
                least_ma=dice.choice((6000, 6000, 8000)),
                most_ma=dice.choice((6000, 8000, 16_000, 32_000)),
                step_ma=step,
                links=tuple(links),
                weight=dice.choice((1, 1, 1, 2, 3)),
                priority=dice.choice((0, 0, 0, 1)),
                standing=dice.choice((Standing.SERVING, Standing.OVERSTAYING, Standing.WAITING, Standing.DUE)),
                since_s=float(dice.randrange(100)),
            )
        )
    return Site(tuple(requests), tuple(rooms))


def run(site: Layout, images: Iterable[ProcessImage], memory: Memory | None = None) -> Plan:
    """The plan after the last of several images."""
    memory, plan = memory or Memory(), None
    for one in images:
        memory, plan = tick(site, memory, one)
    assert plan is not None
    return plan
