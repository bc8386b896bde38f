"""`ampyard scan`: what is connected, and what of it belongs into site.toml."""

import asyncio
import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from controller.commissioning.profiles import known
from controller.commissioning.wires import endpoint, fail_device, owned, refuse_owned
from controller.terminal import EXIT_FAILED, EXIT_UNAVAILABLE, Config, fail
from drivers.api import DeviceError, Endpoint, Line, Wire

if TYPE_CHECKING:
    from rich.progress import Progress

    from drivers.scan import Device, Profiles, Scan, Told

MOST_HOSTS = 1024
PORT = 502


def scan(
    config: Config,
    port: Annotated[str | None, typer.Option(help="Serial port.")] = None,
    tcp: Annotated[
        str | None, typer.Option(help="Addresses: 192.168.1.0/28, 192.168.1.7 or a name; with :PORT if not 502.")
    ] = None,
    baud: Annotated[
        list[int] | None, typer.Option(help="Only these; without it the common ones.", min=300, max=921600)
    ] = None,
    units: Annotated[str | None, typer.Option(help="Units to ask, such as 1-32,255.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Serial: all 247 units at all settings.")] = False,
) -> None:
    """Find Modbus devices and propose device profiles. Only reads; two masters on one wire are refused.

    Such as: ampyard scan --port /dev/ttyUSB0, or: ampyard scan --tcp 192.168.1.0/28
    """
    from drivers.modbus.survey_line import ForeignMasterError

    if (port is None) == (tcp is None):
        raise typer.BadParameter("say where: either --port or --tcp")
    profiles = {name: one for name, one in known(config).items() if one.driver == "modbus"}
    try:
        if port is not None:
            found = _serial(config, port, profiles, bauds=baud, units=units, full=full)
        else:
            found = _network(config, str(tcp), profiles, units=units)
    except ForeignMasterError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    except DeviceError as error:
        fail_device(error)
    _show(found)


def _serial(
    config: Path,
    port: str,
    profiles: "Profiles",
    *,
    bauds: Sequence[int] | None,
    units: str | None,
    full: bool,
) -> "Scan":
    from drivers.scan import SERIAL_UNITS, Wanted, scan_serial

    asked = SERIAL_UNITS if units is None else numbers(units)
    if not set(asked) <= set(SERIAL_UNITS):
        raise typer.BadParameter("on a serial wire units are from 1 to 247; 0 reaches every device")
    refuse_owned(config, Line(port, 9600, "N", 1), "a scan")
    with _progress() as bar:
        return asyncio.run(
            scan_serial(port, profiles, Wanted(bauds, asked, full or units is not None), told=_teller(bar))
        )


def _network(config: Path, text: str, profiles: "Profiles", *, units: str | None) -> "Scan":
    from drivers.scan import likely_units, scan_tcp

    wires = [one for one in hosts(text) if not _skipped(config, one)]
    if not wires:
        fail("nothing is left to scan", EXIT_UNAVAILABLE)
    asked = likely_units(profiles, wires[0]) if units is None else numbers(units)
    with _progress() as bar:
        return asyncio.run(scan_tcp(wires, profiles, asked, told=_teller(bar)))


def _skipped(config: Path, wire: Endpoint) -> bool:
    """What the running service has stays with it: many devices serve one connection only."""
    owner = owned(config, wire)
    if owner is not None:
        typer.echo(f"{wire.host}:{wire.port} is bus {owner.bus!r} of the site that runs here: left alone", err=True)
    return owner is not None


def hosts(text: str) -> list[Endpoint]:
    """The addresses of a range, or one host.

    Raises:
        typer.BadParameter: no such range, or too large a one.
    """
    address, slash, rest = text.partition("/")
    if not slash:
        return [endpoint(text)]
    prefix, colon, port = rest.partition(":")
    number = endpoint(f"x:{port}").port if colon else PORT
    try:
        network = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no range such as 192.168.1.0/28: {error}") from error
    if network.num_addresses > MOST_HOSTS + 2:
        raise typer.BadParameter(f"{text!r} has {network.num_addresses} addresses, more than {MOST_HOSTS}")
    return [Endpoint(str(one), number) for one in network.hosts()]


def numbers(text: str) -> list[int]:
    """Units as in 1-32,255.

    Raises:
        typer.BadParameter: it is no such list.
    """
    try:
        found = [unit for part in text.split(",") for unit in _span(part)]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of units such as 1-32,255") from None
    return list(dict.fromkeys(found))


def _span(part: str) -> range:
    first, _, last = part.partition("-")
    low, high = int(first), int(last or first)
    if not 0 <= low <= high <= 255:
        raise ValueError(part)
    return range(low, high + 1)


def _progress() -> "Progress":
    """On a terminal a bar; the results go to standard output alone."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _teller(bar: "Progress") -> "Told":
    task = bar.add_task("listening whether somebody else talks", total=None)

    def told(text: str, done: int, of: int) -> None:
        bar.update(task, description=text, completed=done, total=of)

    return told


def _show(found: "Scan") -> None:
    from controller.commissioning.fragment import fragment

    for note in found.notes:
        typer.echo(f"note: {note}")
    if not found.devices:
        fail(
            "nobody answered. Check power, A and B, termination and the unit ids; --baud tries other speeds, "
            "--full all units at all settings.",
            EXIT_FAILED,
        )
    for device in found.devices:
        typer.echo("\n".join(_described(device)))
    typer.echo(
        "\n".join(("", "# For site.toml; check each line against the type plate.", *fragment(found.devices)))
    )


def _described(device: "Device") -> Iterator[str]:
    yield f"{_wire(device.wire)}, unit {device.unit}:"
    for match in device.matches[:5]:
        why = f" ({'; '.join(match.why[:3])})" if match.why else ""
        yield f"  {match.confidence.name.lower():<10} {match.profile.id}{why}"
    if not device.matches and not device.notes:
        yield "  answers, but fits no device profile: see firmware-profiles/README.md to describe it"
    yield from (f"  note: {note}" for note in device.notes)


def _wire(wire: Wire) -> str:
    if isinstance(wire, Line):
        return f"{wire.port} {wire.baud} 8{wire.parity}{wire.stop_bits}"
    return f"{wire.host}:{wire.port}"
