"""`ampyard probe`: one device by its device profile or by raw registers, before it is part of a site."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from controller.commissioning.profiles import profile_of
from controller.commissioning.wires import Settings, endpoint, fail_device, refuse_owned, serial_wire
from controller.terminal import EXIT_FAILED, Config, aligned, fail
from drivers.api import DeviceError, Fault, Wire
from drivers.profile import DeviceProfile

if TYPE_CHECKING:
    from controller.commissioning.raw import Asked
    from drivers.modbus.scheduler import Scheduler
    from drivers.modbus.survey import Seen


ENERGISING = ("current_limit", "enable")


@dataclass(frozen=True, slots=True)
class Order:
    """What `probe` is to do with one device."""

    wire: Wire
    unit: int
    profile: DeviceProfile | None
    outlet: int
    raw: Sequence["Asked"]
    writes: Sequence["Write"]


@dataclass(frozen=True, slots=True)
class Write:
    """`value` in mA, mV, W, Wh, ms or the raw number, as the codec takes it; `said` in the register's unit."""

    name: str
    value: int
    said: str


def probe(
    config: Config,
    profile: Annotated[str | None, typer.Option(help="Id of a device profile, or a file.")] = None,
    port: Annotated[str | None, typer.Option(help="Serial port.")] = None,
    host: Annotated[str | None, typer.Option(help="Modbus TCP: HOST or HOST:PORT.")] = None,
    unit: Annotated[int | None, typer.Option(help="Unit id; without it the profile's.", min=0, max=255)] = None,
    outlet: Annotated[int, typer.Option(help="Outlet, counted from 1.", min=1)] = 1,
    baud: Annotated[int | None, typer.Option(help="Without it the profile's.", min=300, max=921600)] = None,
    parity: Annotated[str | None, typer.Option(help="N, E or O.")] = None,
    stop_bits: Annotated[int | None, typer.Option(min=1, max=2)] = None,
    raw: Annotated[
        list[str] | None, typer.Option(help="TABLE:ADDRESS[:COUNT[:TYPE[:little]]], address 0-based as sent.")
    ] = None,
    write: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE in the register's unit; asks before it writes.")
    ] = None,
) -> None:
    """Read a device by its profile, or raw registers; write one register after a typed confirmation.

    Such as: ampyard probe --profile eastron-sdm630-v2 --port /dev/ttyUSB0 --unit 3
    """
    known = None if profile is None else profile_of(profile, config)
    if parity not in (None, "N", "E", "O"):
        raise typer.BadParameter("parity is N, E or O")
    order = _order(
        _wire(port, host, known, Settings(baud, parity, stop_bits)),
        known,
        unit=unit,
        outlet=outlet,
        raw=raw or [],
        write=write or [],
    )
    refuse_owned(config, order.wire, "a probe")
    _confirm(order)
    try:
        sound = asyncio.run(_probe(order))
    except DeviceError as error:
        fail_device(error)
    if not sound:
        raise typer.Exit(EXIT_FAILED)


def _wire(port: str | None, host: str | None, profile: DeviceProfile | None, settings: Settings) -> Wire:
    if (port is None) == (host is None):
        raise typer.BadParameter("say where: either --port or --host")
    if port is not None:
        return serial_wire(port, profile, settings)
    if settings != Settings():
        raise typer.BadParameter("--baud, --parity and --stop-bits belong to --port")
    return endpoint(str(host), profile)


def _order(
    wire: Wire,
    profile: DeviceProfile | None,
    *,
    unit: int | None,
    outlet: int,
    raw: Sequence[str],
    write: Sequence[str],
) -> Order:
    from controller.commissioning.raw import parse

    if profile is None and not raw:
        raise typer.BadParameter("say what to read: --profile NAME, or --raw TABLE:ADDRESS:COUNT")
    if profile is not None and profile.driver != "modbus":
        raise typer.BadParameter(f"{profile.id} is no Modbus device")
    if profile is not None and outlet > profile.modbus.outlets:
        raise typer.BadParameter(f"{profile.id} has {profile.modbus.outlets} outlets")
    try:
        asked = [parse(text) for text in raw]
        writes = [_write(text, profile, outlet) for text in write]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return Order(wire, _unit(wire, profile, unit), profile, outlet, asked, writes)


def _unit(wire: Wire, profile: DeviceProfile | None, unit: int | None) -> int:
    from drivers.api import Line

    serial = isinstance(wire, Line)
    usual = None if profile is None else profile.rtu if serial else profile.tcp
    chosen = unit if unit is not None else 1 if usual is None else usual.unit
    if serial and not 1 <= chosen <= 247:
        raise typer.BadParameter("on a serial wire a unit is from 1 to 247; 0 would reach every device")
    return chosen


# Writing


def _write(text: str, profile: DeviceProfile | None, outlet: int) -> Write:
    """A write that the profile allows; its rules keep protective functions unwritable (R11).

    Raises:
        ValueError: it must not or cannot be written.
    """
    from drivers.modbus import codec

    name, equals, said = text.partition("=")
    if profile is None or not equals:
        raise ValueError(f"{text!r}: --write takes NAME=VALUE, and --profile must say what NAME is")
    register = profile.registers.get(name)
    if register is None or not register.writable:
        names = ", ".join(one for one, entry in profile.registers.items() if entry.writable) or "none"
        raise ValueError(f"{name!r} is not writable in {profile.id}; these are: {names}")
    try:
        exact = Fraction(Decimal(said)) * codec.FACTORS[register.unit]
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"{said!r} is no number") from None
    if exact.denominator != 1:
        raise ValueError(f"{said} {register.unit or ''} is finer than {name} can be written")
    _refuse_between(profile, name, int(exact))
    codec.encode(codec.point(profile, name, outlet), int(exact))
    return Write(name, int(exact), f"{said} {register.unit or ''}".strip())


def _refuse_between(profile: DeviceProfile, name: str, value: int) -> None:
    """R7: chargers do undefined things between 0 and their least current."""
    form = profile.setpoint
    if name == "current_limit" and form is not None and 0 < value < form.min_ma:
        raise ValueError(f"current_limit is 0 or at least {form.min_a} A")
    if name == "current_limit" and form is not None and value == 0 and form.pause != "zero":
        raise ValueError(
            f"{profile.id} is not paused by 0 A, which it may read as no limit; {form.pause!r} pauses it"
        )


def _confirm(order: Order) -> None:
    for one in order.writes:
        form = order.profile.setpoint if order.profile is not None else None
        cost = " It may be kept in EEPROM, which wears." if form is None or not form.volatile else ""
        car = " A car that is connected may begin to charge." if one.name in ENERGISING else ""
        typer.echo(f"About to write {one.name} = {one.said} to unit {order.unit}.{cost}{car}", err=True)
        typed = typer.prompt(f"Type {one.name} to do so", default="", show_default=False, err=True)
        if typed != one.name:
            fail("not written: what was typed is not the register's name", EXIT_FAILED)


# Reading


async def _probe(order: Order) -> bool:
    """Whether the device is as its profile says, and took what was written."""
    from drivers.modbus.survey import on_wire

    async def work(scheduler: "Scheduler") -> bool:
        sound = await _by_profile(scheduler, order, order.profile) if order.profile is not None else True
        for asked in order.raw:
            sound = await _by_address(scheduler, order.unit, asked) and sound
        return sound

    return await on_wire(order.wire, work)


async def _by_profile(scheduler: "Scheduler", order: Order, profile: DeviceProfile) -> bool:
    from drivers.modbus.survey import read_profile

    scheduler.unit(order.unit, profile.modbus.spacing_ms / 1000)
    fitting, sound = await _fitting(scheduler, order, profile)
    for one in order.writes if sound else ():
        sound = await _carry_out(scheduler, order, fitting, write=one) and sound
    seen = [one async for one in read_profile(scheduler, fitting, unit=order.unit, outlet=order.outlet)]
    _print_table(seen, asyncio.get_running_loop().time())
    return sound


async def _fitting(scheduler: "Scheduler", order: Order, profile: DeviceProfile) -> tuple[DeviceProfile, bool]:
    """The reading that fits, and whether one does; where none does the file is used as it stands, to read only."""
    from drivers.modbus.probing import Probing

    try:
        choice = await Probing(scheduler, profile, unit=order.unit, outlet=order.outlet).choose()
    except DeviceError as error:
        if error.fault is not Fault.MISMATCH:
            raise
        blocked = "; nothing is written" if order.writes else ""
        typer.echo(f"NOT THIS DEVICE: {error}{blocked}. By the profile as it stands it reads:", err=True)
        return profile, False
    for line in choice.told:
        typer.echo(line)
    return choice.profile, True


async def _carry_out(scheduler: "Scheduler", order: Order, profile: DeviceProfile, *, write: Write) -> bool:
    from drivers.modbus.registers import Registers
    from drivers.modbus.scheduler import Urgency

    registers = Registers(scheduler, profile, unit=order.unit, outlet=order.outlet)
    try:
        await registers.write(write.name, write.value, urgency=Urgency.WRITE)
        if not registers.readable(write.name):
            typer.echo(f"{write.name}: {write.said} acknowledged; it cannot be read back")
            return True
        kept = await registers.read(write.name, Urgency.SLOW)
    except DeviceError as error:
        if error.fault is Fault.CLOSED:
            raise
        typer.echo(f"{write.name}: {error}", err=True)
        return False
    same = kept == write.value
    typer.echo(f"{write.name}: {write.said} {'written and read back' if same else 'acknowledged, but NOT kept'}")
    return same


async def _by_address(scheduler: "Scheduler", unit: int, asked: "Asked") -> bool:
    from controller.commissioning.raw import values
    from drivers.modbus.survey import read_raw

    try:
        answer = await read_raw(scheduler, asked.request(unit))
    except DeviceError as error:
        if error.fault is Fault.CLOSED:
            raise
        typer.echo(f"{asked.table} {asked.address}: {error}", err=True)
        return False
    for address, words, value in values(asked, answer.values):
        typer.echo(f"{asked.table} {address}  {words}  {asked.type} {value}")
    return True


def _print_table(seen: Sequence["Seen"], now_s: float) -> None:
    from controller.commissioning.raw import hexadecimal

    rows = [("Register", "Value", "Unit", "Raw", "Age s", "")]
    for one in seen:
        age = f"{now_s - one.t_s:.1f}" if one.words else ""
        note = "; ".join(part for part in (one.meaning, one.problem) if part)
        rows.append((one.name, _value(one.value), one.unit or "", hexadecimal(one.words), age, note))
    typer.echo("\n".join(aligned(rows)))


def _value(value: Fraction | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{float(value):.10g}"
