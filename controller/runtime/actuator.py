"""Carries one EVSE's setpoints to its device, newest first, and knows what the device has confirmed."""

import asyncio
import logging

from controller.clock import Clock
from drivers.api import DeviceError, Evse, Setpoint

_log = logging.getLogger(__name__)

APPLY_TIMEOUT_S = 10.0
"""An apply that takes longer has failed as far as control is concerned; the wire finishes it by itself."""


class Actuator:
    """Between the cycle, which must not wait, and a device, which may be slow.

    `commanded_ma` is the newest setpoint handed to the device, `confirmed_ma` the newest it acknowledged: until
    both agree the device may hold either.
    """

    def __init__(self, device: Evse, clock: Clock) -> None:
        self._device = device
        self._clock = clock
        self._wanted: Setpoint | None = None
        self._wake = asyncio.Event()
        self._failing = False
        self.commanded_ma: int | None = None
        self.confirmed_ma: int | None = None
        self.confirmed_s: float | None = None

    def command(self, setpoint: Setpoint) -> None:
        """Replace what waits to be written."""
        self._wanted = setpoint
        self._wake.set()

    def forget(self) -> None:
        """The device was away and may have been restarted: nothing that it confirmed before counts."""
        self.confirmed_ma = None
        self.confirmed_s = None

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            setpoint, self._wanted = self._wanted, None
            if setpoint is not None:
                await self._apply(setpoint)

    async def _apply(self, setpoint: Setpoint) -> None:
        self.commanded_ma = setpoint.current_ma
        try:
            async with asyncio.timeout(APPLY_TIMEOUT_S):
                await self._device.apply(setpoint)
        except (DeviceError, TimeoutError) as error:
            if not self._failing:
                _log.warning("%s does not take its setpoint: %s", self._device.id, error)
            self._failing = True
            return
        if self._failing:
            _log.info("%s takes setpoints again", self._device.id)
        self._failing = False
        self.confirmed_ma = setpoint.current_ma
        self.confirmed_s = self._clock.mono()
