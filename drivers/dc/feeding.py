"""Keeps an SECC informed of what its modules deliver, and its watchdog fed, as long as a setpoint is valid."""

import asyncio
import contextlib
import time
from typing import Protocol

from drivers.api import DeviceError, Health
from drivers.dc.secc import Secc
from drivers.dc.supply import ModuleSupply
from drivers.modbus.scheduler import Urgency

EACH_S = 0.5
BEATS = 3
"""Heartbeats in the SECC's time-out."""


class Commanded(Protocol):
    @property
    def commanded(self) -> bool: ...

    @property
    def expired(self) -> bool: ...

    @property
    def supply(self) -> ModuleSupply: ...


class Feeding:
    def __init__(self, secc: Secc, outlet: Commanded) -> None:
        self._secc, self._outlet = secc, outlet
        self._beaten_s = -1e9

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._secc.health is Health.OK:
                with contextlib.suppress(DeviceError):  # a lost device is noticed by its poller
                    await self._tell()
            await asyncio.sleep(EACH_S)

    async def _tell(self) -> None:
        if self._outlet.commanded:
            await self._feed()
        elif self._outlet.expired:
            await self._secc.tell("limit_power", 0, Urgency.SAFETY)
            await self._secc.tell("limit_current", 0, Urgency.SAFETY)

    async def _feed(self) -> None:
        now_s = time.monotonic()
        if now_s - self._beaten_s >= self._secc.timeout_s / BEATS:
            self._beaten_s = now_s
            await self._secc.beat()
        delivered = self._outlet.supply.delivered()
        await self._secc.tell("delivered_voltage", delivered.voltage_mv or 0, Urgency.FAST)
        await self._secc.tell("delivered_current", delivered.current_ma, Urgency.FAST)
