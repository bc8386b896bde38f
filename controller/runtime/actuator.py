"""Carries one EVSE's setpoints to its device, newest first, and knows what the device has confirmed."""

import asyncio
import logging
import math

from controller.clock import Clock
from drivers.api import DeviceError, Evse, Fault, Health, Setpoint

_log = logging.getLogger(__name__)

APPLY_TIMEOUT_S = 10.0
"""An apply that takes longer has failed as far as control is concerned; the wire finishes it by itself."""
CALM_S = 300.0
"""A device that takes one setpoint and not the next is complained of once in this time ..."""
LASTING_S = 60.0
"""... unless it has taken none for so long."""


class Complaint:
    """What the log says of a device that does not take its setpoints: when that begins, and when it is over.

    Nothing of a device that is still being looked for: it is found, or its driver says that it is lost. One that is
    lost may take locks all the same; it takes setpoints again when it is found.
    """

    def __init__(self, device: Evse) -> None:
        self._device = device
        self._since_s: float | None = None
        self._said_s = -math.inf
        self._open = False

    def failed(self, failure: Exception, now_s: float) -> None:
        if self._device.health is Health.UNKNOWN:
            return
        self._since_s = now_s if self._since_s is None else self._since_s
        calm = now_s - self._said_s < CALM_S and now_s - self._since_s < LASTING_S
        if self._open or calm:
            return
        self._open, self._said_s = True, now_s
        _log.warning("%s does not take its setpoint: %s", self._device.id, str(failure) or "no answer in time")

    def worked(self) -> None:
        if self._device.health is not Health.OK:
            return
        self._since_s = None
        if self._open:
            self._open = False
            _log.info("%s takes setpoints again", self._device.id)


class Actuator:
    """Between the cycle, which must not wait, and a device, which may be slow.

    `confirmed_ma` is the newest setpoint that the device acknowledged, `commanded_ma` the newest handed to it,
    or a higher one since then whose fate is unknown: until both agree the device may hold either.
    """

    def __init__(self, device: Evse, clock: Clock) -> None:
        self._device = device
        self._clock = clock
        self._wanted: Setpoint | None = None
        self._newest: Setpoint | None = None
        self._wake = asyncio.Event()
        self._writing = False
        self._unsettled_ma = 0
        """The highest setpoint since the last confirmation of which nobody knows whether the device took it."""
        self._complaint = Complaint(device)
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
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if self._wanted is None or (self._writing and not self._is_cut(self._wanted)):
                    continue
                setpoint, self._wanted = self._wanted, None
                self._hand_over(setpoint)
                tasks.create_task(self._apply(setpoint))

    def _is_cut(self, setpoint: Setpoint) -> bool:
        """A cut does not wait for an older write to end: the device drops that one for it."""
        newest = self._newest
        if newest is None:
            return False
        return setpoint.current_ma < newest.current_ma or (newest.enabled and not setpoint.enabled)

    def _hand_over(self, setpoint: Setpoint) -> None:
        if self._writing and self._newest is not None:
            self._unsettled_ma = max(self._unsettled_ma, self._newest.current_ma)
        self.commanded_ma = max(setpoint.current_ma, self._unsettled_ma)
        self._newest, self._writing = setpoint, True

    async def _apply(self, setpoint: Setpoint) -> None:
        failure: Exception | None = None
        try:
            async with asyncio.timeout(APPLY_TIMEOUT_S):
                await self._device.apply(setpoint)
        except (DeviceError, TimeoutError) as error:
            failure = error
        if setpoint is not self._newest:
            return  # a cut has replaced it
        self._writing = False
        self._wake.set()
        self._conclude(setpoint, failure)

    def _conclude(self, setpoint: Setpoint, failure: Exception | None) -> None:
        now_s = self._clock.mono()
        if failure is None:
            self._unsettled_ma = 0
            self.commanded_ma = self.confirmed_ma = setpoint.current_ma
            self.confirmed_s = now_s
            self._complaint.worked()
            return
        if not _refused(failure):
            self._unsettled_ma = max(self._unsettled_ma, setpoint.current_ma)
        self._complaint.failed(failure, now_s)


def _refused(failure: Exception) -> bool:
    """The device said no, or was never asked: a setpoint that did not get through to it is not held."""
    return isinstance(failure, DeviceError) and failure.fault is Fault.REFUSED
