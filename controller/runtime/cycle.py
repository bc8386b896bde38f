"""The control cycle: process image in, plan out, plan carried out. It alone writes setpoint and enable.

The cycle runs each `period_s`, and at once when somebody calls `prompt`: a permit fell, a limit came, a meter
shows an overload. There is no second path to a device.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from controller.allocation.control import tick
from controller.allocation.image import EvseImage, EvsePlan, Layout, Plan, ProcessImage, Reason, ReasonKind
from controller.allocation.memory import Memory
from controller.clock import Clock
from controller.runtime.actuator import Actuator
from controller.runtime.demand import Demands
from controller.runtime.limits import LimitBook
from controller.runtime.owner import EvseOwner
from controller.runtime.pace import Pace
from controller.runtime.supervise import Supervised
from drivers.api import Evse, Health, MeterReading, Setpoint

_log = logging.getLogger(__name__)

LEASE_S = 5.0
"""A setpoint is believed this long after the cycle that sent it: several cycles, so that a machine that
stutters does not pause cars, and within the 5 s in which a lost part must be acted on (R4)."""
FIRST_LOOK_S = 3.0
"""After a start the first cycle waits this long for readings: an EVSE that is still unread must be assumed at
its worst, and a car that charges through our restart would be paused for it. Its watchdog holds meanwhile."""
JOIN_S = 5.0
"""An EVSE that is added while the site runs stays out of the plan until it has been read and locked, at most for
this long: unknown it counts its maximum (R1), and the cars beside it would be paused for it (R36). What it draws is
load of the building meanwhile, as before. Later it joins as what it is, unreachable (R4: acted on within 5 s)."""
PROMPTED_APART_S = 0.1
PROMPTED_BURST = 4
"""Prompted cycles come at once, four in a row, and then one each 0.1 s: an overload does not wait because a regular
cycle has just passed, nor a car because its session has just changed; and prompts never take all of the machine."""


@dataclass
class ControlledEvse:
    """All that the cycle needs of one EVSE."""

    device: Evse
    owner: EvseOwner
    actuator: Actuator
    served_by: tuple[Supervised, ...]
    """Its wire; of a DC outlet its cluster and several wires."""
    heard_s: float | None = None
    added_s: float | None = None
    """When the cycle first saw it; None: not yet."""
    joined: bool = False

    @property
    def known(self) -> bool:
        """Read, and locked unless it is charging."""
        return self.device.latest is not None and (self.owner.permit or self.actuator.confirmed_ma is not None)

    @property
    def health(self) -> Health:
        """A device on a wire that nobody serves is lost, whatever it said last."""
        return self.device.health if all(one.running for one in self.served_by) else Health.LOST


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
        demands: Demands,
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
        self._demands = demands
        self._clock = clock
        self._period_s = period_s
        self._on_plan = on_plan
        self._memory = Memory()
        self._prompted = asyncio.Event()
        self._pace = Pace(apart_s=PROMPTED_APART_S, burst=PROMPTED_BURST)
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
        """Until the next one is due, or prompted; others have their turn in any case."""
        try:
            async with asyncio.timeout(self._period_s):
                await self._prompted.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._pace.wait_s(self._clock.mono()))
        self._pace.took(self._clock.mono())

    def _once(self, now_s: float) -> None:
        layout = self._joined(now_s)
        stopped_by = self._limits.stopped_by()
        image = self._image(layout, now_s)
        if stopped_by:
            image = replace(image, evses=tuple(replace(evse, permit=False) for evse in image.evses))
        self._memory, found = tick(layout, self._memory, image)
        self.plan = _stopped(found, stopped_by) if stopped_by else found
        for plan in sorted(self.plan.evses, key=self._rise):
            self._carry_out(plan, now_s)
        self._on_plan()

    def _joined(self, now_s: float) -> Layout:
        """The layout of those that have joined. In the first cycle all do: `_first_look` has waited for them."""
        for evse in self.controlled.evses.values():
            if evse.added_s is None:
                evse.added_s = now_s
            if not evse.joined:
                evse.joined = self.last_s is None or evse.known or now_s - evse.added_s >= JOIN_S
            if not evse.joined and (not evse.owner.permit or self._limits.stopped_by()):
                evse.actuator.command(Setpoint(0, enabled=False, valid_until_s=now_s + LEASE_S))
        layout = self.controlled.layout
        joined = tuple(e for e in layout.evses if self.controlled.evses[e.id].joined)
        return layout if len(joined) == len(layout.evses) else replace(layout, evses=joined)

    def _rise(self, plan: EvsePlan) -> int:
        """Reductions first: they get onto the wires before any increase."""
        evse = self.controlled.evses[plan.id]
        return plan.current_ma - (evse.actuator.commanded_ma or 0)

    def _carry_out(self, plan: EvsePlan, now_s: float) -> None:
        evse = self.controlled.evses[plan.id]
        confirmed_ma = evse.actuator.confirmed_ma
        evse.owner.offered_ma = None if confirmed_ma is None else min(plan.current_ma, confirmed_ma)
        power_w = self._power_w(plan) if evse.device.capabilities.power else None
        evse.actuator.command(Setpoint(plan.current_ma, plan.enabled, now_s + LEASE_S, power_w))

    def _power_w(self, plan: EvsePlan) -> int:
        """The same setpoint for an outlet that takes watts: what comes out of a DC one at that input (R9)."""
        layout = self.controlled.layout
        point = next(point for point in layout.evses if point.id == plan.id)
        return point.output_w(plan.current_ma, layout.voltage_mv)

    def _image(self, layout: Layout, now_s: float) -> ProcessImage:
        evses = tuple(_evse_image(self.controlled.evses[e.id], self._demands) for e in layout.evses)
        meters: Mapping[str, MeterReading] = dict(self.controlled.meters)
        return ProcessImage(now_s, evses, meters, self._limits.current(now_s))


def _stopped(plan: Plan, inputs: tuple[str, ...]) -> Plan:
    """All are locked (R11), whatever else may bind them."""
    reason = Reason(ReasonKind.NOT_PERMITTED, "; ".join(inputs))
    return replace(plan, evses=tuple(replace(one, reason=reason) for one in plan.evses))


def _evse_image(evse: ControlledEvse, demands: Demands) -> EvseImage:
    applied = demands.of(evse.owner)
    reading, health = evse.device.latest, evse.health
    if reading is not None and (health is not Health.LOST or evse.heard_s is None):
        # A DC outlet that has lost its CAN bus is still read, and its time-out runs all the same.
        evse.heard_s = reading.t_s
    return EvseImage(
        id=evse.owner.state.evse,
        permit=evse.owner.permit,
        demand=applied.demand if applied else None,
        reading=reading,
        health=health,
        lost_s=evse.heard_s if health is Health.LOST else None,
        fall_back=evse.device.fall_back,
        confirmed_ma=evse.actuator.confirmed_ma,
        confirmed_s=evse.actuator.confirmed_s,
        commanded_ma=evse.actuator.commanded_ma,
    )
