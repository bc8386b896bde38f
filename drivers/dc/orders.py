"""Carries a DC outlet's setpoints to its SECC, newest first, and sees that the modules obey the cut."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Protocol

from drivers.api import DeviceError, Fault, Health
from drivers.dc.held import Held
from drivers.dc.secc import Secc
from drivers.dc.supply import ModuleSupply
from drivers.modbus.scheduler import Urgency

LOOK_S = 0.05
RENEW_S = 0.5
SETTLES_S = 2.0
"""Beyond its latency, until modules that were cut must have proven it."""


@dataclass(frozen=True, slots=True)
class Order:
    power_w: int
    enabled: bool


class Commanded(Protocol):
    """The outlet, as its orders see it."""

    @property
    def supply(self) -> ModuleSupply: ...

    @property
    def latency_s(self) -> float: ...

    @property
    def expired(self) -> bool: ...

    @property
    def ran_away(self) -> bool: ...

    def flowing(self) -> Held: ...

    def order_mv(self) -> int: ...

    def steer(self) -> None: ...


@dataclass(slots=True)
class _Waiting:
    order: Order
    done: asyncio.Future[None]


class Orders:
    """The one that writes release and limits. A newer order replaces an older one at once, on its way too."""

    def __init__(self, id: str, secc: Secc, outlet: Commanded) -> None:
        self._id, self._secc, self._outlet = id, secc, outlet
        self._waiting: _Waiting | None = None
        self._limit_w: int | None = None
        """What the SECC was last told, or was to be told; None: nothing yet."""
        self._flowing = Held()
        """What flowed whatever was ordered, when it was told."""
        self._wake = asyncio.Event()

    async def obey(self, order: Order) -> None:
        """Return once the SECC holds the order and no module may deliver more than it allows.

        Raises:
            DeviceError: nothing may be concluded about what the outlet now delivers.
        """
        self.supersede()
        self._waiting = waiting = _Waiting(order, asyncio.get_running_loop().create_future())
        self._wake.set()
        await waiting.done

    def supersede(self) -> None:
        self._fail(DeviceError(Fault.REFUSED, f"{self._id}: superseded"))

    def close(self) -> None:
        self._fail(DeviceError(Fault.CLOSED, f"{self._id}: stopped"))

    def _fail(self, error: DeviceError) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done.done():
            waiting.done.set_exception(error)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            waiting = self._waiting
            if waiting is None:
                await self._renew()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RENEW_S):
                        await self._wake.wait()
                continue
            try:
                await self._hold(waiting)
            except DeviceError as error:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
            else:
                if not waiting.done.done():
                    waiting.done.set_result(None)
            if self._waiting is waiting:
                self._waiting = None

    async def _hold(self, waiting: _Waiting) -> None:
        order, secc = waiting.order, self._secc
        if not order.enabled:
            await secc.release(on=False)
        await self._limit(order.power_w)
        self._check(waiting)
        if order.enabled and not self._outlet.ran_away:
            await secc.release(on=True)
            self._outlet.steer()
        await self._settle(waiting)

    async def _renew(self) -> None:
        """Without a new order the SECC is told what has changed by itself."""
        if self._secc.health is not Health.OK:
            return
        with contextlib.suppress(DeviceError):  # a lost device is noticed by its poller
            if self._outlet.ran_away:
                await self._secc.release(on=False)
            if self._outlet.expired:
                await self._limit(0)
            else:
                await self._follow()

    async def _follow(self) -> None:
        """What flows without our doing changes by itself."""
        if self._limit_w is not None and self._outlet.flowing() != self._flowing:
            await self._limit(self._limit_w)

    async def _limit(self, power_w: int) -> None:
        """What the SECC may tell its vehicle; the modules themselves are bound already.

        Never less than flows in any case: a vehicle that gets much more than it was told opens its contactors under
        that load.
        """
        secc, reach = self._secc, self._outlet.supply.reach()
        self._limit_w, held = power_w, self._outlet.flowing()
        current_ma = reach.most_ma if power_w > held.power_w else held.current_ma
        urgency = Urgency.SAFETY if power_w == 0 else Urgency.WRITE
        await secc.tell("limit_power", max(power_w, held.power_w), urgency)
        await secc.tell("limit_current", current_ma, urgency)
        await secc.tell("limit_voltage", reach.highest_mv, urgency)
        self._flowing = held

    async def _settle(self, waiting: _Waiting) -> None:
        """Wait for the modules' proof, if they may still deliver more than they shall."""
        deadline_s = time.monotonic() + self._outlet.latency_s + SETTLES_S
        while (most_w := self._most_w()) > waiting.order.power_w:
            self._check(waiting)
            if time.monotonic() > deadline_s:
                raise DeviceError(Fault.TIMEOUT, f"{self._id}: its modules may still deliver {most_w} W")
            await self._follow()
            await asyncio.sleep(LOOK_S)

    def _check(self, waiting: _Waiting) -> None:
        if self._waiting is not waiting:
            raise DeviceError(Fault.REFUSED, f"{self._id}: superseded")

    def _most_w(self) -> int:
        return self._outlet.supply.delivered().bound_ma * self._outlet.order_mv() // 1_000_000
