"""The control cycle: process image in, plan out, plan carried out. It alone writes setpoint and enable.

The cycle runs each `period_s`, and at once when somebody calls `prompt`: a permit fell, a limit came, a meter
shows an overload. There is no second path to a device.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.allocation.control import tick
from controller.allocation.image import Demand, EvseImage, EvsePlan, Layout, Memory, Plan, ProcessImage
from controller.charging.session import Running
from controller.clock import Clock
from controller.runtime.actuator import Actuator
from controller.runtime.limits import LimitBook
from controller.runtime.owner import EvseOwner
from drivers.api import Evse, Health, MeterReading, Setpoint

_log = logging.getLogger(__name__)

LEASE_S = 5.0
"""A setpoint is believed this long after the cycle that sent it: several cycles, so that a machine that
stutters does not pause cars, and within the 5 s in which a lost part must be acted on (R4)."""
FIRST_LOOK_S = 3.0
"""After a start the first cycle waits this long for readings: an EVSE that is still unread must be assumed at
its worst, and a car that charges through our restart would be paused for it. Its watchdog holds meanwhile."""
SHORTEST_PAUSE_S = 0.1
"""Between two prompted cycles."""


@dataclass
class ControlledEvse:
    """All that the cycle needs of one EVSE."""

    device: Evse
    owner: EvseOwner
    actuator: Actuator
    heard_s: float | None = None


@dataclass
class Controlled:
    """What the cycle controls; replaced as a whole by a reconfiguration, between two cycles (R36)."""

    layout: Layout
    evses: dict[str, ControlledEvse]
    meters: dict[str, MeterReading] = field(default_factory=dict)


NOTHING = Controlled(Layout((), (), 230_000, {}), {})


class Cycle:
    def __init__(
        self,
        *,
        limits: LimitBook,
        clock: Clock,
        period_s: float,
        on_plan: Callable[[], None],
    ) -> None:
        self.controlled = NOTHING
        self.plan = Plan((), ())
        self.duration_s = 0.0
        self.last_s: float | None = None
        """Monotonic time of the last finished cycle: the watchdog looks at it."""
        self._limits = limits
        self._clock = clock
        self._period_s = period_s
        self._on_plan = on_plan
        self._memory = Memory()
        self._prompted = asyncio.Event()
        self._news = asyncio.Event()

    def prompt(self) -> None:
        """Bring the next cycle forward."""
        self._prompted.set()

    async def run(self) -> None:
        await self._first_look()
        while True:
            started_s = self._clock.mono()
            self._prompted.clear()
            self._once(started_s)
            self.last_s = self._clock.mono()
            self.duration_s = self.last_s - started_s
            await self._pause()

    def heard(self) -> None:
        """Some device was read; only the wait before the first cycle cares."""
        self._news.set()

    async def _first_look(self) -> None:
        try:
            async with asyncio.timeout(FIRST_LOOK_S):
                while not self._all_read():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    def _all_read(self) -> bool:
        return all(evse.device.latest is not None for evse in self.controlled.evses.values())

    async def _pause(self) -> None:
        await asyncio.sleep(SHORTEST_PAUSE_S)
        try:
            async with asyncio.timeout(max(0.0, self._period_s - SHORTEST_PAUSE_S)):
                await self._prompted.wait()
        except TimeoutError:
            return

    def _once(self, now_s: float) -> None:
        self._memory, self.plan = tick(self.controlled.layout, self._memory, self._image(now_s))
        for plan in sorted(self.plan.evses, key=self._rise):
            self._carry_out(plan, now_s)
        self._on_plan()

    def _rise(self, plan: EvsePlan) -> int:
        """Reductions first: they get onto the wires before any increase."""
        evse = self.controlled.evses[plan.id]
        return plan.current_ma - (evse.actuator.commanded_ma or 0)

    def _carry_out(self, plan: EvsePlan, now_s: float) -> None:
        evse = self.controlled.evses[plan.id]
        evse.owner.offered_ma = min(plan.current_ma, evse.actuator.confirmed_ma or 0)
        evse.actuator.command(Setpoint(plan.current_ma, plan.enabled, now_s + LEASE_S))

    def _image(self, now_s: float) -> ProcessImage:
        evses = tuple(_evse_image(self.controlled.evses[e.id], now_s) for e in self.controlled.layout.evses)
        meters: Mapping[str, MeterReading] = dict(self.controlled.meters)
        return ProcessImage(now_s, evses, meters, self._limits.current(now_s))


def _evse_image(evse: ControlledEvse, now_s: float) -> EvseImage:
    state = evse.owner.state
    reading = evse.device.latest
    if reading is not None:
        evse.heard_s = reading.t_s
    demand = None
    if isinstance(state.phase, Running):
        transaction = state.phase.transaction
        since_s = now_s - max(0.0, evse.owner.now.seconds_since(transaction.started))
        demand = Demand(since_s=since_s, min_ma=transaction.payer.token.min_ma)
    return EvseImage(
        id=state.evse,
        permit=evse.owner.permit,
        demand=demand,
        reading=reading,
        health=evse.device.health,
        lost_s=evse.heard_s if evse.device.health is Health.LOST else None,
        fall_back=evse.device.fall_back,
        confirmed_ma=evse.actuator.confirmed_ma,
        confirmed_s=evse.actuator.confirmed_s,
        commanded_ma=evse.actuator.commanded_ma,
    )
