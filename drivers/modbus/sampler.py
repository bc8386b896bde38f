"""Reads a set of registers of one unit in as few requests as it takes, and learns which of them it lacks."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drivers.api import DeviceError, Fault
from drivers.modbus.blocks import Block, Packing, plan
from drivers.modbus.codec import Point
from drivers.modbus.link import Answer
from drivers.modbus.pdu import ExceptionAnswerError, read
from drivers.modbus.reading import Image, Sample
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.unit import Unit

REPACK_S = 60.0
"""A register that was refused is asked for again after this time: the device may have been starting."""
ABSENT = (1, 2, 3)
"""Exceptions that say that a register is not there, and not that the device is busy."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read together, and how it may be packed."""

    points: Sequence[Point]
    packing: Packing
    together: Sequence[str] = ()
    """Registers that are read in one block if the device allows it."""


class Sampler:
    def __init__(self, scheduler: Scheduler, unit: Unit, wanted: Wanted) -> None:
        self._scheduler, self._unit, self._wanted = scheduler, unit, wanted
        self._numbers: Iterator[int] = itertools.count()
        self._blocks: tuple[Block, ...] = ()
        self._packed_s = 0.0

    @property
    def empty(self) -> bool:
        return not self._wanted.points

    @property
    def lacking(self) -> bool:
        """Whether the device said of every register that it is not there."""
        return not self._blocks

    def pack(self) -> None:
        """Forget what was refused."""
        self._blocks = plan(self._wanted.points, self._wanted.packing, self._wanted.together)
        self._packed_s = time.monotonic()

    def pack_again(self) -> None:
        """As `pack`, once in a while."""
        if time.monotonic() > self._packed_s + REPACK_S:
            self.pack()

    async def touch(self, urgency: Urgency) -> None:
        """Read the first register, whatever is answered.

        Raises:
            DeviceError: not answered.
        """
        first = self._wanted.points[0]
        try:
            await self._words(Block(first.table, first.address, first.width, (first,)), urgency)
        except ExceptionAnswerError as error:
            if error.fault is not Fault.REFUSED:
                raise

    async def read(self, urgency: Urgency, *, due_s: float | None = None) -> Image:
        """One round, wanted by `due_s`. What the device refuses or garbles is missing in it.

        Raises:
            DeviceError: not answered.
        """
        image: dict[str, Sample] = {}
        waiting = list(self._blocks)
        while waiting:
            block = waiting.pop(0)
            try:
                answer = await self._words(block, urgency, due_s)
            except DeviceError as error:
                if error.fault not in (Fault.REFUSED, Fault.DATA):
                    raise
                if isinstance(error, ExceptionAnswerError) and error.code in ABSENT:
                    waiting = [*self._split(block), *waiting]
                continue
            image |= _samples(block, answer, next(self._numbers))
        return image

    async def _words(self, block: Block, urgency: Urgency, due_s: float | None = None) -> Answer:
        request = read(self._unit.number, block.table, address=block.address, count=block.count)
        return await self._scheduler.transfer(request, urgency, due_s=due_s)

    def _split(self, block: Block) -> Sequence[Block]:
        """A part of the block is not there: from now on its points are read one by one, without the missing one."""
        alone = block.count == block.points[0].width
        parts = () if alone else tuple(Block(block.table, p.address, p.width, (p,)) for p in block.points)
        if block in self._blocks:  # two rounds may find out at once
            place = self._blocks.index(block)
            self._blocks = (*self._blocks[:place], *parts, *self._blocks[place + 1 :])
        return parts


def _samples(block: Block, answer: Answer, number: int) -> dict[str, Sample]:
    found = {}
    for point in block.points:
        start = point.address - block.address
        found[point.name] = Sample(point, answer.values[start : start + point.width], answer.t_s, number)
    return found
