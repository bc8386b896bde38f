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
    def measured(self) -> tuple[int, int] | None: ...

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

    async def _feed(self) -> None:
        now_s = time.monotonic()
        if now_s - self._beaten_s >= self._secc.timeout_s / BEATS:
            self._beaten_s = now_s
            await self._secc.beat()
        delivered = self._outlet.supply.delivered()
        # Of modules that do not tell what they deliver the SECC knows more than they said last.
        told_mv, told_ma = (delivered.held.current_ma and self._outlet.measured) or (
            delivered.told_mv,
            delivered.told_ma,
        )
        await self._secc.tell("delivered_voltage", told_mv, Urgency.FAST)
        await self._secc.tell("delivered_current", told_ma, Urgency.FAST)
