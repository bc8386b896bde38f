"""A digital input on a line of a GPIO chip, by the kernel's character device (libgpiod 2).

`gpiod` is imported with this module, and this module only where a line is configured.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import gpiod
from gpiod.line import Bias, Direction, Edge, Value

from drivers.api import Health, HealthChanged, SensorRead, Sink
from drivers.setups import LineSetup

LOOK_S = 1.0
"""Between edges the level is read this often: an edge may have been lost, and silence must not look like health."""
RETRY_S = 2.0
CONSUMER = "ampyard"
BIAS = {
    "pull-up": Bias.PULL_UP,
    "pull-down": Bias.PULL_DOWN,
    "disabled": Bias.DISABLED,
    "as-is": Bias.AS_IS,
}


class GpioInput:
    """Tells each edge as it comes, and the level once a second."""

    def __init__(self, setup: LineSetup, sink: Sink) -> None:
        self._setup, self._sink = setup, sink
        self._health = Health.UNKNOWN
        self._edge = asyncio.Event()

    @property
    def id(self) -> str:
        return self._setup.id

    async def run(self) -> None:
        """Until cancelled; a line that cannot be had, or breaks, is requested again."""
        while True:
            try:
                with self._requested() as line:
                    await self._serve(line)
            except (OSError, gpiod.RequestReleasedError) as error:
                self._set_health(Health.LOST, f"{self._setup.chip}, line {self._setup.line}: {error}")
            except ValueError as error:  # the chip has no such line
                self._set_health(Health.LOST, f"{self._setup.chip} has no line {self._setup.line}: {error}")
            await asyncio.sleep(RETRY_S)

    @contextmanager
    def _requested(self) -> Iterator[gpiod.LineRequest]:
        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.BOTH,
            bias=BIAS[self._setup.bias],
            debounce_period=timedelta(milliseconds=self._setup.debounce_ms),
        )
        request = gpiod.request_lines(self._setup.chip, consumer=CONSUMER, config={self._setup.line: settings})
        loop = asyncio.get_running_loop()
        handle = request.fd
        loop.add_reader(handle, self._edge.set)
        try:
            yield request
        finally:
            loop.remove_reader(handle)
            request.release()

    async def _serve(self, line: gpiod.LineRequest) -> None:
        while True:
            self._edge.clear()
            if line.wait_edge_events(timedelta(0)):
                line.read_edge_events()
            level = int(line.get_value(self._setup.line) is Value.ACTIVE)
            self._set_health(Health.OK, "answers")
            self._sink(SensorRead(self.id, level, time.monotonic()))
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._edge.wait()
            except TimeoutError:
                continue

    def _set_health(self, health: Health, text: str) -> None:
        if health is not self._health:
            self._health = health
            self._sink(HealthChanged(self.id, health, text, time.monotonic()))
