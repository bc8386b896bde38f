"""Chargers that are polled as the product polls them, on several wires at once, for the benchmark."""

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction

from drivers.api import Health
from drivers.modbus import pdu
from drivers.modbus.blocks import Packing
from drivers.modbus.codec import Point
from drivers.modbus.poller import Poller, PollPlan
from drivers.modbus.reading import Image
from drivers.modbus.sampler import Wanted
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.setups import Endpoint, Line
from tests.bench.bus_rig import WrongValueError, engine
from tests.bench.bus_slave import word

SETPOINT = 900
FOUND_S = 30.0
PLAIN = tuple(range(100, 120))
"""Twenty registers in one block."""
WHOLE = Packing(125, 20, 125)


@dataclass(frozen=True, slots=True)
class Model:
    """What of a device profile matters here."""

    addresses: Sequence[int] = PLAIN
    packing: Packing = WHOLE
    spacing_s: float = 0.0


class Charger:
    """A unit that is polled again and again, and whose every value is checked."""

    def __init__(self, scheduler: Scheduler, number: int, model: Model, *, period_s: float) -> None:
        self.unit = scheduler.unit(number, model.spacing_s)
        self.rounds = 0
        self.found_once = asyncio.Event()
        self._scheduler, self._wrong = scheduler, ""
        points = [word_at(address) for address in model.addresses]
        plan = PollPlan(Wanted(points, model.packing), Wanted([], model.packing), period_s)
        self._poller = Poller(scheduler, self.unit, plan=plan, device=self)

    async def run(self) -> None:
        await self._poller.run()

    async def cut(self, value: int) -> None:
        """Write a lower setpoint; returns when it is acknowledged."""
        request = pdu.write(self.unit.number, 6, address=SETPOINT, words=(value,))
        await self._scheduler.transfer(request, Urgency.SAFETY)

    def check(self) -> None:
        """Raises:
        WrongValueError: a reading held what the slave never said.
        """
        if self._wrong:
            raise WrongValueError(self._wrong)

    async def found(self) -> None:
        """Nothing to set up."""

    async def slow(self) -> None:
        """Nothing to renew."""

    def seen(self, image: Image) -> None:
        self.rounds += 1
        self.found_once.set()
        for sample in image.values():
            if sample.words != (word(self.unit.number, sample.point.address),):
                self._wrong = f"unit {self.unit.number}, register {sample.point.address}: {sample.words}"

    def health_changed(self, health: Health, text: str) -> None:
        """Nobody to tell."""


@asynccontextmanager
async def polled(
    wires: Sequence[tuple[Line | Endpoint, Sequence[Model]]],
    *,
    period_s: float = 0.0,
    dead: Container[int] = (),
    patient: bool = False,
) -> AsyncIterator[list[Charger]]:
    """Unit numbers count from 1 on each wire. Yields when every charger was read that is not dead."""
    async with AsyncExitStack() as stack:
        chargers = []
        for wire, models in wires:
            scheduler = await stack.enter_async_context(engine(wire, patient=patient))
            for number, model in enumerate(models, start=1):
                chargers.append(Charger(scheduler, number, model, period_s=period_s))
        tasks = [asyncio.create_task(charger.run()) for charger in chargers]
        try:
            async with asyncio.timeout(FOUND_S):
                for charger in chargers:
                    if charger.unit.number not in dead:
                        await charger.found_once.wait()
            yield chargers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for charger in chargers:
            charger.check()


def word_at(address: int) -> Point:
    return Point(
        name=f"r{address}",
        table="holding",
        address=address,
        width=1,
        type="u16",
        high_word_first=True,
        scale=Fraction(1),
        low=None,
        high=None,
        sentinels=(),
        write_fc=None,
        readable=True,
    )
