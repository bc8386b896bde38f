"""One wire of one's own, for as long as a tool needs it, and what one device on it shows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from drivers.api import DeviceError, Fault, Health
from drivers.modbus import codec, pdu
from drivers.modbus.link import Answer
from drivers.modbus.rtu import RtuLink
from drivers.modbus.scheduler import Asks, Scheduler, Urgency
from drivers.modbus.tcp import TcpLink
from drivers.modbus.unit import TCP, Timing
from drivers.profile_schema import DeviceProfile, Register
from drivers.setups import Line, Wire

PATIENT_RTU = Timing(first_s=0.4, floor_s=0.2)
"""Nobody waits for a wire that a tool has alone."""
SILENT_AFTER = 3
"""Reads without an answer after which a unit that never answered is not asked for the rest."""
MOST_TENS = 12

Shown = Fraction | str | None
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """A register of a device. `value` is in the register's own unit; None where it holds none, for `problem`."""

    name: str
    value: Shown
    unit: str | None
    meaning: str | None
    words: tuple[int, ...]
    t_s: float
    """Monotonic receive time; of a register that was not read, of the failure."""
    problem: str | None = None


async def on_wire(wire: Wire, work: Callable[[Scheduler], Awaitable[T]], *, timing: Timing | None = None) -> T:
    """Open the wire, do the work, close it.

    Raises:
        DeviceError: CLOSED where it cannot be opened; else what the work raises.
    """
    serial = isinstance(wire, Line)
    link = RtuLink(wire) if isinstance(wire, Line) else TcpLink(wire)
    usual = timing or (PATIENT_RTU if serial else TCP)
    scheduler = Scheduler(link, timing=usual, on_health=_unheard)
    found: T | DeviceError
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(scheduler.run())
        await asyncio.sleep(0)  # until it serves
        try:
            found = await work(scheduler)
        except DeviceError as error:
            found = error
        finally:
            serving.cancel()
    if isinstance(found, DeviceError):
        raise found
    return found


async def read_profile(wire: Asks, profile: DeviceProfile, *, unit: int, outlet: int = 1) -> AsyncIterator[Seen]:
    """Every readable register, one request each, so that what the device lacks costs only itself.

    Raises:
        DeviceError: the unit does not answer at all, or the wire is gone.
    """
    tens: dict[str, int] = {}
    heard, misses = False, 0
    for name in _exponents_first(profile):
        try:
            answer = await _words(wire, codec.point(profile, name, outlet), unit)
        except DeviceError as error:
            if error.fault is Fault.CLOSED:
                raise
            heard, misses = heard or error.fault is not Fault.TIMEOUT, misses + (error.fault is Fault.TIMEOUT)
            if not heard and misses >= SILENT_AFTER:
                raise DeviceError(Fault.TIMEOUT, f"unit {unit}: no answer to {misses} different reads") from error
            yield _failed(profile.registers[name], str(error))
            continue
        heard = True
        point = codec.point(profile, name, outlet)
        raw = codec.raw(point, answer.values)
        if isinstance(raw, int):
            tens[name] = raw
        yield _seen(profile.registers[name], point, answer, _tens(point, tens))


def _unheard(health: Health, text: str) -> None:
    """A tool sees by its own requests how the wire is."""


def _exponents_first(profile: DeviceProfile) -> Sequence[str]:
    readable = [name for name, one in profile.registers.items() if one.readable]
    exponents = {one.exponent for one in profile.registers.values()}
    return sorted(readable, key=lambda name: name not in exponents)


async def _words(wire: Asks, point: codec.Point, unit: int) -> Answer:
    request = pdu.read(unit, point.table, address=point.address, count=point.width)
    return await wire.transfer(request, Urgency.SLOW)


def _tens(point: codec.Point, known: dict[str, int]) -> int | None:
    if point.exponent is None:
        return 0
    tens = known.get(point.exponent)
    return tens if tens is not None and abs(tens) <= MOST_TENS else None


def _seen(register: Register, point: codec.Point, answer: Answer, tens: int | None) -> Seen:
    raw = codec.raw(point, answer.values)
    value: Shown = raw if isinstance(raw, str) or raw is None else None
    problem = "no value: the device marks it so, or it cannot be one" if raw is None else None
    if isinstance(raw, int | float):
        if tens is None:
            problem = f"its power of ten, {point.exponent}, is not known"
        else:
            value = Fraction(raw) * register.scale * Fraction(10) ** tens
            problem = _disbelief(register, value)
    meaning = None if raw is None else (register.values or {}).get(str(raw))
    return Seen(register.name, value, register.unit, meaning, answer.values, answer.t_s, problem)


def _disbelief(register: Register, value: Fraction) -> str | None:
    low, high = register.low, register.high
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    return f"not believable: outside {'any' if low is None else low} to {'any' if high is None else high}"


def _failed(register: Register, text: str) -> Seen:
    return Seen(register.name, None, register.unit, None, (), asyncio.get_running_loop().time(), text)
