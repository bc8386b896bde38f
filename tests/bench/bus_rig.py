"""Starts and questions the processes that stand for slaves, and drives our engine against them."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.api import DeviceError, Fault
from drivers.modbus import pdu
from drivers.modbus.rtu import RtuLink
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.tcp import TcpLink
from drivers.modbus.unit import RTU, TCP, Timing
from drivers.setups import Endpoint, Line
from tests.bench.bus_slave import Tally, word

ROOT = Path(__file__).resolve().parents[2]
QUIT_S = 5.0
PATIENT = Timing(first_s=2.0, floor_s=2.0, ceiling_s=2.0)


class WrongValueError(Exception):
    """A read gave what no slave said: nothing that such a run measured counts."""


@dataclass(frozen=True, slots=True)
class Report:
    tally: Tally
    violations: int


class Slaves:
    """One process with slaves behind a port or an endpoint."""

    def __init__(self, module: str, settings: dict[str, object]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(settings)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self._hear()

    def tell(self, **order: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def report(self) -> Report:
        self.tell(report=True)
        said = self._hear()
        return Report(Tally(**said["tally"]), said["violations"])

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(QUIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _hear(self) -> Any:
        return None if self._process.stdout is None else json.loads(self._process.stdout.readline())


@dataclass(frozen=True, slots=True)
class LineSettings:
    baud: int
    turnaround_s: tuple[float, float] = (0.005, 0.005)
    throttled: bool = True
    seed: int = 1


@contextmanager
def serial_slaves(settings: LineSettings) -> Iterator[tuple[Slaves, Line]]:
    low_s, high_s = settings.turnaround_s
    slaves = Slaves(
        "tests.bench.bus_slave",
        {
            "baud": settings.baud,
            "throttled": settings.throttled,
            "seed": settings.seed,
            "turnaround_low_s": low_s,
            "turnaround_high_s": high_s,
        },
    )
    try:
        yield slaves, Line(str(slaves.said["port"]), settings.baud, "N", 1)
    finally:
        slaves.stop()


@contextmanager
def tcp_slaves(count: int) -> Iterator[list[Endpoint]]:
    slaves = Slaves("tests.bench.bus_tcp_slave", {"count": count})
    try:
        yield [Endpoint("127.0.0.1", port) for port in slaves.said["ports"]]
    finally:
        slaves.stop()


@asynccontextmanager
async def engine(
    wire: Line | Endpoint, *, gap_s: float | None = None, patient: bool = False
) -> AsyncIterator[Scheduler]:
    """Our scheduler at work on the wire. `gap_s` 0: as clients do that keep no silence.

    `patient`: where no unit is dead, one that a busy machine holds up is not to be taken for it.
    """
    timing = RTU if isinstance(wire, Line) else TCP
    link = RtuLink(wire, gap=gap_s) if isinstance(wire, Line) else TcpLink(wire)
    scheduler = Scheduler(link, timing=PATIENT if patient else timing, on_health=lambda health, text: None)
    running = asyncio.create_task(scheduler.run())
    try:
        await asyncio.sleep(0.1)
        yield scheduler
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def poll(scheduler: Scheduler, unit: int, count: int, until_s: float) -> int:
    """Read the unit again and again; returns how often it answered.

    Raises:
        WrongValueError: a value is not the one that this register holds.
    """
    request = pdu.read(unit, "holding", address=100, count=count)
    expected = tuple(word(unit, 100 + place) for place in range(count))
    answered = 0
    while time.monotonic() < until_s:
        try:
            answer = await scheduler.transfer(request, Urgency.FAST)
        except DeviceError as error:
            if error.fault is not Fault.TIMEOUT:
                raise
            continue
        if answer.values != expected:
            raise WrongValueError(f"unit {unit}: {answer.values}")
        answered += 1
    return answered
