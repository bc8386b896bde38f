"""Finds a device, keeps reading it, and says when it is lost: the same for chargers and meters."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

from drivers.api import DeviceError, Fault, Health
from drivers.modbus.blocks import Block, Packing, plan
from drivers.modbus.codec import Point
from drivers.modbus.link import Answer
from drivers.modbus.pdu import ExceptionAnswerError, read
from drivers.modbus.reading import Image, Sample
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.unit import Unit

SLOW_S = 10.0
REPACK_S = 60.0
"""A register that was refused is asked for again after this time: the device may have been starting."""
BACK_OFF_S = (0.25, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
ABSENT = (1, 2, 3)
"""Exceptions that say that a register is not there, and not that the device is busy."""


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
    """What is read each `period_s` (or as fast as the wire allows), and how it may be packed."""

    points: Sequence[Point]
    packing: Packing
    period_s: float
    together: Sequence[str] = ()
    """Registers that are read in one block if the device allows it."""


class Poller:
    def __init__(self, scheduler: Scheduler, unit: Unit, *, plan: PollPlan, device: Device) -> None:
        self.health = Health.UNKNOWN
        self._scheduler = scheduler
        self._unit = unit
        self._plan = plan
        self._device = device
        self._blocks: tuple[Block, ...] = ()
        self._packed_s = 0.0
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
        await self._hush()
        self._pack()
        urgency = Urgency.SLOW if self._unit.untried else Urgency.PROBE
        first = self._blocks[0].points[0]
        with contextlib.suppress(ExceptionAnswerError):  # that is an answer too
            await self._words(Block(first.table, first.address, first.width, (first,)), urgency)
        await self._device.found()
        await self._round()
        self._set_health(Health.OK, "answers")

    def _pack(self) -> None:
        self._blocks = plan(self._plan.points, self._plan.packing, self._plan.together)
        self._packed_s = time.monotonic()

    async def _serve(self) -> None:
        slow_s = time.monotonic()
        while True:
            begin_s = time.monotonic()
            try:
                if begin_s >= slow_s:
                    await self._device.slow()
                    if begin_s > self._packed_s + REPACK_S:
                        self._pack()
                    slow_s = begin_s + SLOW_S
                await self._round()
            except DeviceError as error:
                if error.fault is not Fault.TIMEOUT or self._unit.lost:
                    raise
                continue
            await self._pause(begin_s + self._plan.period_s)
            await self._hush()

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

    async def _round(self) -> None:
        waiters, self._waiters = self._waiters, []
        try:
            image = await self._read()
            if not image:
                raise DeviceError(
                    Fault.MISMATCH, f"unit {self._unit.number} offers no register of its device profile"
                )
        except DeviceError as error:
            _fail(waiters, error)
            raise
        self._device.seen(image)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _read(self) -> dict[str, Sample]:
        """One round. What the device refuses or garbles is missing in it."""
        image: dict[str, Sample] = {}
        waiting = list(self._blocks)
        for number in itertools.count():
            if not waiting:
                return image
            block = waiting.pop(0)
            try:
                answer = await self._words(block, Urgency.FAST)
            except DeviceError as error:
                if error.fault not in (Fault.REFUSED, Fault.DATA):
                    raise
                if isinstance(error, ExceptionAnswerError) and error.code in ABSENT:
                    waiting = [*self._split(block), *waiting]
                continue
            for point in block.points:
                start = point.address - block.address
                words = answer.values[start : start + point.width]
                image[point.name] = Sample(point, words, answer.t_s, number)
        return image

    async def _words(self, block: Block, urgency: Urgency) -> Answer:
        request = read(self._unit.number, block.table, address=block.address, count=block.count)
        return await self._scheduler.transfer(request, urgency)

    def _split(self, block: Block) -> Sequence[Block]:
        """A part of the block is not there: from now on its points are read one by one, without the missing one."""
        alone = block.count == block.points[0].width
        parts = () if alone else tuple(Block(block.table, p.address, p.width, (p,)) for p in block.points)
        place = self._blocks.index(block)
        self._blocks = (*self._blocks[:place], *parts, *self._blocks[place + 1 :])
        return parts

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
        self._set_health(Health.LOST, str(error))

    def _release(self, error: DeviceError) -> None:
        waiters, self._waiters = self._waiters, []
        _fail(waiters, error)

    def _set_health(self, health: Health, text: str) -> None:
        if self.health is not health:
            self.health = health
            self._device.health_changed(health, text)


def _fail(waiters: Iterable[asyncio.Future[None]], error: DeviceError) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(DeviceError(error.fault, str(error)))
