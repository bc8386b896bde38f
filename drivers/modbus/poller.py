"""Finds a device, keeps reading it, and says when it is lost: the same for chargers and meters."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

from drivers.api import DeviceError, Fault, Health
from drivers.modbus.codec import Point
from drivers.modbus.reading import Image
from drivers.modbus.sampler import Sampler, Wanted
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.unit import Unit

SLOW_S = 10.0
ANSWERS = "answers"
"""What people read of a healthy device."""
GLITCHES = 2
"""So often an answer may be missing while a device is set up: one that is polled is lost after three as well."""
REFUSALS = 3
"""Rounds in a row in which everything was refused (busy, starting) after which a device is lost, ..."""
REFUSED_S = 0.35
"""... at least so far apart: over about a second, as one that is silent."""
BACK_OFF_S = (0.25, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class Device(Protocol):
    async def found(self) -> None:
        """The device answers (again): set it up. A DeviceError other than REFUSED or DATA loses it again."""

    def seen(self, image: Image) -> None:
        """A round was read."""

    async def slow(self) -> None:
        """Each 10 s while it is found."""

    def health_changed(self, health: Health, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class PollPlan:
    """What is read each `period_s` (or as fast as the wire allows), and what each 10 s."""

    fast: Wanted
    slow: Wanted
    period_s: float
    elsewhere: Sequence[Point] = ()
    """Where it may answer if it is silent: under another reading of its profile. Nothing is believed of it yet."""


class Poller:
    def __init__(self, scheduler: Scheduler, unit: Unit, *, plan: PollPlan, device: Device) -> None:
        self.health = Health.UNKNOWN
        self._unit = unit
        self._period_s = plan.period_s
        self._fast = Sampler(scheduler, unit, plan.fast)
        self._slow = Sampler(scheduler, unit, plan.slow)
        others = [Wanted([point], plan.fast.packing) for point in plan.elsewhere]
        self._touched = (self._fast, *(Sampler(scheduler, unit, wanted) for wanted in others))
        self._slow_image: Image = {}
        self._device = device
        self._told = ""
        """The last reason of the health that was told."""
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        self.health = Health.UNKNOWN
        self._unit.devices += 1
        try:
            while True:
                try:
                    await self._find()
                    failures = 0
                    await self._serve()
                except DeviceError as error:
                    self._lose(error)
                    await self._back_off(failures, error.fault)
                    failures += 1
        finally:
            self._unit.devices -= 1
            self._release(DeviceError(Fault.CLOSED, "stopped"))

    async def read_now(self) -> None:
        """Return after a round that began after this call.

        Raises:
            DeviceError: the device is not found, or the round failed.
        """
        if self.health is not Health.OK:
            raise DeviceError(Fault.TIMEOUT, "the device does not answer")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        await waiter

    async def _find(self) -> None:
        """Set it up, again where a unit that does answer was silent once."""
        for _ in range(GLITCHES):
            try:
                await self._set_up()
            except DeviceError as error:
                if error.fault is not Fault.TIMEOUT or not self._unit.heard:
                    raise
            else:
                return
        await self._set_up()

    async def _set_up(self) -> None:
        await self._hush()
        self._fast.pack()
        self._slow.pack()
        await self._touch()
        await self._device.found()
        await self._round(all_of_it=True)
        self._set_health(Health.OK, ANSWERS)

    async def _touch(self) -> None:
        """Whether it answers at all: some devices are silent on a function that they do not have."""
        urgency = Urgency.SLOW if self._unit.untried or self._unit.heard else Urgency.PROBE
        for place in self._touched:
            try:
                return await place.touch(urgency)
            except DeviceError as error:
                if error.fault is not Fault.TIMEOUT:
                    raise
                silence = error
        raise silence

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(self._keep_slow())
            error = await self._keep_fast()
            slow.cancel()
        raise error

    async def _keep_fast(self) -> DeviceError:
        """Until the device is lost; returns why."""
        check_s, refusals = time.monotonic(), 0
        while True:
            begin_s = time.monotonic()
            period_s = self._period_s
            try:
                if begin_s >= check_s:
                    await self._device.slow()
                    self._fast.pack_again()
                    check_s = begin_s + SLOW_S
                await self._round(all_of_it=False)
                refusals = 0
            except DeviceError as error:
                refusals += error.fault is Fault.REFUSED
                if self._is_lost(error, refusals):
                    return error
                if error.fault is Fault.TIMEOUT:
                    continue
                period_s = max(period_s, REFUSED_S)
            await self._pause(begin_s + period_s)
            await self._hush()

    def _is_lost(self, error: DeviceError, refusals: int) -> bool:
        if error.fault is Fault.REFUSED:
            return refusals >= REFUSALS
        return error.fault is not Fault.TIMEOUT or self._unit.lost

    async def _keep_slow(self) -> None:
        """Beside the fast rounds, so that none of those waits for it. What fails is tried again in its turn."""
        while not self._slow.empty:
            await asyncio.sleep(SLOW_S)
            await self._hush()
            self._slow.pack_again()
            with contextlib.suppress(DeviceError):  # a lost device is noticed by its fast rounds
                self._slow_image = await self._slow.read(Urgency.SLOW)

    async def _pause(self, until_s: float) -> None:
        if self._waiters:
            return
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await self._wake.wait()

    async def _hush(self) -> None:
        """Leave the unit alone while its own watchdog shall fire."""
        wait_s = self._unit.hushed_until_s - time.monotonic()
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._unit.lifted.wait()

    async def _round(self, *, all_of_it: bool) -> None:
        waiters, self._waiters = self._waiters, []
        try:
            # What is read slowly beside may take long on a busy wire, and is not waited for.
            slow = await self._slow.read(Urgency.FAST) if all_of_it or waiters else None
            image = await self._fast.read(Urgency.FAST, due_s=time.monotonic() + self._period_s)
            if not image:
                raise self._nothing_read()
        except DeviceError as error:
            _fail(waiters, error)
            raise
        if slow is not None:
            self._slow_image = slow
        self._device.seen({**self._slow_image, **image})
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _nothing_read(self) -> DeviceError:
        number = self._unit.number
        if self._fast.lacking:
            return DeviceError(Fault.MISMATCH, f"unit {number} offers no register of its device profile")
        return DeviceError(Fault.REFUSED, f"unit {number} answers, but refuses or garbles every read")

    async def _back_off(self, failures: int, fault: Fault) -> None:
        """Less and less often; at once when the unit or the wire comes back, if silence was the reason."""
        pause_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)] * SystemRandom().uniform(0.8, 1.2)
        if fault in (Fault.TIMEOUT, Fault.CLOSED):
            await asyncio.sleep(min(pause_s, BACK_OFF_S[0]))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._unit.revived.wait()
        else:
            await asyncio.sleep(pause_s)

    def _lose(self, error: DeviceError) -> None:
        self._release(error)
        self._set_health(Health.LOST, str(error), anew=error.fault is Fault.MISMATCH)

    def _release(self, error: DeviceError) -> None:
        waiters, self._waiters = self._waiters, []
        _fail(waiters, error)

    def _set_health(self, health: Health, text: str, *, anew: bool = False) -> None:
        """`anew`: told also where only the reason is another: what was silent came back as another device."""
        if self.health is not health or (anew and text != self._told):
            self.health, self._told = health, text
            self._device.health_changed(health, text)


def _fail(waiters: Iterable[asyncio.Future[None]], error: DeviceError) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(DeviceError(error.fault, str(error)))
