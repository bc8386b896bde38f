"""A GPIO line. The kernel's side of libgpiod is played by a pipe: an edge is a byte in it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import gpiod
import pytest
from gpiod.line import Bias, Direction, Edge, Value

from drivers.api import DeviceEvent, Health, HealthChanged, SensorRead
from drivers.inputs import gpio
from drivers.inputs.gpio import GpioInput
from drivers.setups import LineSetup

SETUP = LineSetup("fire", "/dev/gpiochip0", 17, "pull-up", 20)


class Kernel:
    """One chip with one line that can be had once, as the kernel gives it."""

    def __init__(self) -> None:
        self.level = 0
        self.broken: Exception | None = None
        self.requests: list[tuple[str, str, Mapping[int, gpiod.LineSettings]]] = []
        self.held = False
        self.fd, self._edges = -1, -1

    def request_lines(self, path: str, consumer: str, config: Mapping[int, gpiod.LineSettings]) -> "Kernel":
        if self.broken is not None:
            raise self.broken
        assert not self.held, "the line is busy"
        self.requests.append((path, consumer, config))
        self.held = True
        self.fd, self._edges = os.pipe()
        os.set_blocking(self.fd, False)
        return self

    def release(self) -> None:
        self.held = False
        os.close(self.fd)
        os.close(self._edges)

    def switch(self, level: int) -> None:
        self.level = level
        os.write(self._edges, b"!")

    def wait_edge_events(self, timeout: timedelta) -> bool:
        assert timeout == timedelta(0), "the loop must not wait here"
        try:
            self._waiting = os.read(self.fd, 64)
        except BlockingIOError:
            return False
        return True

    def read_edge_events(self) -> bytes:
        return self._waiting

    def get_value(self, line: int) -> Value:
        if self.broken is not None:
            raise self.broken
        assert line == 17
        return Value.ACTIVE if self.level else Value.INACTIVE


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(gpiod, "request_lines", made.request_lines)
    monkeypatch.setattr(gpio, "RETRY_S", 0.05)
    return made


@asynccontextmanager
async def reading() -> AsyncIterator[list[DeviceEvent]]:
    events: list[DeviceEvent] = []
    task = asyncio.create_task(GpioInput(SETUP, events.append).run())
    try:
        yield events
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.01)


def values(events: list[DeviceEvent]) -> list[int | None]:
    return [event.value for event in events if isinstance(event, SensorRead)]


def health(events: list[DeviceEvent]) -> Health | None:
    found = [event.health for event in events if isinstance(event, HealthChanged)]
    return found[-1] if found else None


async def test_a_line_is_requested_as_configured_and_given_back(kernel: Kernel) -> None:
    async with reading() as events:
        await until(lambda: values(events) == [0])
        ((path, consumer, config),) = kernel.requests
        assert (path, consumer) == ("/dev/gpiochip0", "ampyard")
        settings = config[17]
        assert (settings.direction, settings.edge_detection, settings.bias) == (
            Direction.INPUT,
            Edge.BOTH,
            Bias.PULL_UP,
        )
        assert settings.debounce_period == timedelta(milliseconds=20)
        assert kernel.held
    assert not kernel.held, "a line that is not released cannot be had again"


async def test_an_edge_is_told_at_once(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio, "LOOK_S", 60.0)
    async with reading() as events:
        await until(lambda: values(events) == [0])
        kernel.switch(1)
        await until(lambda: values(events)[-1] == 1)
        kernel.switch(0)
        await until(lambda: values(events)[-1] == 0)


async def test_a_level_without_an_edge_is_told_as_well(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio, "LOOK_S", 0.05)
    async with reading() as events:
        await until(lambda: values(events))
        kernel.level = 1
        await until(lambda: values(events)[-1] == 1)


@pytest.mark.parametrize("broken", [OSError("no such device"), ValueError("no line 17")])
async def test_a_line_that_cannot_be_had_is_lost_and_tried_again(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    monkeypatch.setattr(gpio, "LOOK_S", 0.05)
    kernel.broken = broken
    async with reading() as events:
        await until(lambda: health(events) is Health.LOST)
        kernel.broken = None
        await until(lambda: health(events) is Health.OK)
        kernel.broken = OSError("the expander is gone")
        await until(lambda: health(events) is Health.LOST)
        kernel.broken = None
        await until(lambda: health(events) is Health.OK)


async def test_without_such_a_chip_the_real_library_says_so() -> None:
    """Not even the stand-in: what the installer sees who mistyped the path."""
    events: list[DeviceEvent] = []
    task = asyncio.create_task(GpioInput(LineSetup("x", "/dev/null", 1, "as-is", 0), events.append).run())
    await until(lambda: health(events) is Health.LOST)
    task.cancel()
    await asyncio.wait({task})
