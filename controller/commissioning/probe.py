"""`ampyard probe`: one device by its device profile or by raw registers, before it is part of a site."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from controller.commissioning.profiles import profile_of
from controller.commissioning.wires import Owned, Settings, endpoint, fail_device, owned, serial_wire
from controller.terminal import EXIT_FAILED, EXIT_UNAVAILABLE, Config, aligned, fail
from drivers.api import DeviceError, Fault
from drivers.profile import DeviceProfile
from drivers.setups import Endpoint, Wire

if TYPE_CHECKING:
    from controller.commissioning.raw import Asked
    from drivers.modbus.scheduler import Asks, Scheduler
    from drivers.modbus.survey import Seen
    from drivers.modbus.survey_write import Write


ENERGISING = ("current_limit", "enable")
SHOWN_AGE_S = 0.1
"""A value that is older is shown with its age."""
NOBODY_THERE = (
    "Check address and port, power and network of the device, and that Modbus TCP is switched on in its menu: many "
    "come with it off. Some take one connection only: end what else is connected, such as a home automation."
)
NO_SUCH_UNIT = (
    "Somebody takes connections there, but unit {} does not answer: try another --unit (usual are 1, 255 and 0; "
    "behind a gateway that of the device), and check that this is the device and no other service."
)
ANOTHER_DEVICE = (
    "NOT THIS DEVICE: no register of the profile could be read. Check --unit and --profile; `ampyard scan` finds "
    "out what is there."
)
CarryOut = Callable[[DeviceProfile, "Write"], Awaitable[bool]]
NOT_TYPED = "not written: what was typed is not the register's name"


@dataclass(frozen=True, slots=True)
class Order:
    """What `probe` is to do with one device."""

    wire: Wire
    unit: int
    profile: DeviceProfile | None
    outlet: int
    raw: Sequence["Asked"]
    writes: Sequence["Write"]


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
    owner = owned(config, order.wire)
    if owner is None:
        _confirm(order)
    try:
        sound = asyncio.run(_probe(order) if owner is None else _probe_running(order, owner))
    except DeviceError as error:
        _fail(order, error)
    if not sound:
        raise typer.Exit(EXIT_FAILED)


def _fail(order: Order, error: DeviceError) -> NoReturn:
    if not isinstance(order.wire, Endpoint):
        fail_device(error)
    if error.fault is Fault.CLOSED:
        fail(f"{error}\n{NOBODY_THERE}", EXIT_UNAVAILABLE)
    if error.fault is Fault.TIMEOUT:
        fail(f"{error}\n{NO_SUCH_UNIT.format(order.unit)}", EXIT_FAILED)
    fail_device(error)


def _wire(port: str | None, host: str | None, profile: DeviceProfile | None, settings: Settings) -> Wire:
    if (port is None) == (host is None):
        raise typer.BadParameter("say where: either --port or --host")
    if port is not None:
        if profile is not None and profile.rtu is None and settings.baud is None:
            raise typer.BadParameter(
                f"{profile.id} knows no serial line: --host, or --baud if it has one all the same"
            )
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
        outlets = profile.modbus.outlets
        raise typer.BadParameter(f"{profile.id} has {outlets} outlet{'s' if outlets > 1 else ''}")
    try:
        asked = [parse(text) for text in raw]
        writes = [_write(text, profile, outlet) for text in write]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return Order(wire, _unit(wire, profile, unit), profile, outlet, asked, writes)


def _unit(wire: Wire, profile: DeviceProfile | None, unit: int | None) -> int:
    from drivers.setups import Line

    serial = isinstance(wire, Line)
    usual = None if profile is None else profile.rtu if serial else profile.tcp or profile.rtu
    chosen = unit if unit is not None else 1 if usual is None else usual.unit
    if serial and not 1 <= chosen <= 247:
        raise typer.BadParameter("on a serial wire a unit is from 1 to 247; 0 would reach every device")
    return chosen


# Writing


def _write(text: str, profile: DeviceProfile | None, outlet: int) -> "Write":
    """Raises ValueError: it must not or cannot be written."""
    from drivers.modbus.survey_write import write_of

    name, equals, said = text.partition("=")
    if profile is None or not equals:
        raise ValueError(f"{text!r}: --write takes NAME=VALUE, and --profile must say what NAME is")
    return write_of(profile, name, said, outlet=outlet)


def _confirm(order: Order) -> None:
    for one in order.writes:
        if _typed(order, one) != one.name:
            fail(NOT_TYPED, EXIT_FAILED)


def _typed(order: Order, one: "Write") -> str:
    form = order.profile.setpoint if order.profile is not None else None
    cost = " It may be kept in EEPROM, which wears." if form is None or not form.volatile else ""
    car = " A car that is connected may begin to charge." if one.name in ENERGISING else ""
    typer.echo(f"About to write {one.name} = {one.said} to unit {order.unit}.{cost}{car}", err=True)
    return str(typer.prompt(f"Type {one.name} to do so", default="", show_default=False, err=True))


# Reading


async def _probe(order: Order) -> bool:
    """Whether the device is as its profile says, and took what was written."""
    from drivers.modbus.survey import on_wire

    async def work(scheduler: "Scheduler") -> bool:
        if order.profile is not None:
            scheduler.unit(order.unit, order.profile.modbus.spacing_ms / 1000)
        return await _work(scheduler, order, partial(_carry_out, scheduler, order))

    return await on_wire(order.wire, work)


async def _probe_running(order: Order, owner: Owned) -> bool:
    """The same through the service that has the wire."""
    from controller.commissioning.running import ServiceWire

    typer.echo(f"bus {owner.bus!r} belongs to the site that runs here: its service is asked", err=True)
    return await _work(ServiceWire(owner), order, partial(_let_write, owner, order))


async def _work(wire: "Asks", order: Order, carry_out: CarryOut) -> bool:
    sound = await _by_profile(wire, order, order.profile, carry_out) if order.profile is not None else True
    for asked in order.raw:
        sound = await _by_address(wire, order.unit, asked) and sound
    return sound


async def _by_profile(wire: "Asks", order: Order, profile: DeviceProfile, carry_out: CarryOut) -> bool:
    from drivers.modbus.survey import read_profile

    fitting, sound = await _fitting(wire, order, profile)
    for one in order.writes if sound else ():
        sound = await carry_out(fitting, one) and sound
    seen = [one async for one in read_profile(wire, fitting, unit=order.unit, outlet=order.outlet)]
    _print_table(seen, asyncio.get_running_loop().time())
    if not any(one.words for one in seen):
        typer.echo(ANOTHER_DEVICE, err=True)
        return False
    return sound


async def _fitting(wire: "Asks", order: Order, profile: DeviceProfile) -> tuple[DeviceProfile, bool]:
    """The reading that fits, and whether one does; where none does the file is used as it stands, to read only."""
    from drivers.modbus.probing import Probing

    try:
        choice = await Probing(wire, profile, unit=order.unit, outlet=order.outlet).choose()
    except DeviceError as error:
        if error.fault is not Fault.MISMATCH:
            raise
        blocked = "; nothing is written" if order.writes else ""
        typer.echo(f"NOT THIS DEVICE: {error}{blocked}\nBy the profile as it stands it reads:", err=True)
        return profile, False
    for line in choice.told:
        typer.echo(line)
    return choice.profile, True


async def _carry_out(wire: "Asks", order: Order, profile: DeviceProfile, write: "Write") -> bool:
    from drivers.modbus.survey_write import carry_out

    try:
        written = await carry_out(wire, profile, write, unit=order.unit, outlet=order.outlet)
    except DeviceError as error:
        if error.fault is Fault.CLOSED:
            raise
        typer.echo(f"{write.name}: {error}", err=True)
        return False
    typer.echo(f"{write.name}: {written.text}")
    return written.kept


async def _let_write(owner: Owned, order: Order, profile: DeviceProfile, write: "Write") -> bool:
    """The service writes, if it may (R11); what was typed goes with it."""
    from controller.commissioning.running import let_write

    body = {
        "unit": order.unit,
        "profile": profile.id,
        "outlet": order.outlet,
        "register": write.name,
        "value": write.said.partition(" ")[0],
        "confirmed": await asyncio.to_thread(_typed, order, write),
    }
    kept, text = await asyncio.to_thread(let_write, owner, body)
    typer.echo(text, err=not kept)
    return kept


async def _by_address(wire: "Asks", unit: int, asked: "Asked") -> bool:
    from controller.commissioning.raw import values
    from drivers.modbus.scheduler import Urgency

    try:
        answer = await wire.transfer(asked.request(unit), Urgency.SLOW)
    except DeviceError as error:
        if error.fault is Fault.CLOSED:
            raise
        typer.echo(f"{asked.table} {asked.address}: {error}", err=True)
        return False
    age_s = asyncio.get_running_loop().time() - answer.t_s
    age = "" if age_s < SHOWN_AGE_S else f"  {age_s:.1f} s ago"
    for address, words, value in values(asked, answer.values):
        typer.echo(f"{asked.table} {address}  {words}  {asked.type} {value}{age}")
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
