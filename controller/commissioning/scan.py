"""`ampyard scan`: what is connected, and what of it belongs into site.toml."""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.charging.found import FoundView, KnownView, ScanState, ScanView
from controller.commissioning.profiles import known
from controller.commissioning.show import progress, show, teller
from controller.commissioning.wires import Owned, endpoint, fail_device, name_of, owned, owners
from controller.terminal import EXIT_FAILED, EXIT_UNAVAILABLE, Config, fail
from drivers.api import DeviceError
from drivers.can.frame import Slcan, SocketCan, Socketcand
from drivers.setups import Endpoint, Line

if TYPE_CHECKING:
    from drivers.scan import Profiles, Scan

MOST_HOSTS = 1024
PORT = 502
CAN_HINT = "Check power and wiring of the modules, and that no two of them have one address."


@dataclass(slots=True)
class Results:
    """Of all wires that were scanned, by us or by the service."""

    found: list[FoundView] = field(default_factory=list)
    known: list[KnownView] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def add(self, scan: ScanView) -> None:
        self.found += scan.found
        self.known += scan.known
        self.notes += scan.notes
        self.tables += [scan.fragment] if scan.fragment else []


def scan(
    config: Config,
    port: Annotated[str | None, typer.Option(help="Serial port.")] = None,
    tcp: Annotated[
        str | None, typer.Option(help="Addresses: 192.168.1.0/28, 192.168.1.7 or a name; with :PORT if not 502.")
    ] = None,
    can: Annotated[
        str | None, typer.Option(help="Power modules: can0, slcan:/dev/ttyACM0 or socketcand:HOST:PORT/CHANNEL.")
    ] = None,
    baud: Annotated[
        list[int] | None, typer.Option(help="Only these; without it the common ones.", min=300, max=921600)
    ] = None,
    bitrate: Annotated[
        list[int] | None, typer.Option(help="CAN: the bit rate of the bus.", min=10_000, max=1_000_000)
    ] = None,
    units: Annotated[str | None, typer.Option(help="Units to ask, such as 1-32,255.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Serial: all 247 units at all settings.")] = False,
) -> None:
    """Find Modbus devices and power modules, and propose profiles. Only reads; a second master is refused.

    A wire of the running site is scanned by the service, while cars charge.

    Such as: ampyard scan --port /dev/ttyUSB0, or: ampyard scan --tcp 192.168.1.0/28
    """
    from drivers.modbus.survey_line import ForeignMasterError

    if sum(one is not None for one in (port, tcp, can)) != 1:
        raise typer.BadParameter("say where: one of --port, --tcp and --can")
    if bitrate and can is None:
        raise typer.BadParameter("--bitrate belongs to --can; a serial line has a --baud")
    if can is not None:
        _modules(config, can, bitrate or [])
        return
    try:
        results = _serial(config, port, baud, units, full=full) if port else _network(config, str(tcp), units)
    except ForeignMasterError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    except DeviceError as error:
        fail_device(error)
    show(results.found, results.notes, "\n\n".join(results.tables), results.known)


def _modules(config: Path, where: str, bitrates: Sequence[int]) -> None:
    """By the service where it has the bus: it asks beside its own modules."""
    from controller.commissioning.can_scan import line_of, scan_can

    owner = owned(config, line_of(where)(bitrates[0] if bitrates else 0))
    if owner is None:
        scan_can(config, where, bitrates)
        return
    if isinstance(owner.wire, SocketCan | Slcan | Socketcand) and not set(bitrates) <= {owner.wire.bitrate}:
        fail(
            f"{name_of(owner.wire)} is bus {owner.bus!r} of the site that runs here, at {owner.wire.bitrate} "
            "bit/s: only that can be searched while it runs. Leave --bitrate away, or stop the service (systemctl "
            "stop ampyard; chargers then go to their fall-back).",
            EXIT_UNAVAILABLE,
        )
    found = _by_service(owner, ())
    show(found.found, found.notes, found.fragment, found.known, CAN_HINT)


def _serial(config: Path, port: str, bauds: Sequence[int] | None, units: str | None, *, full: bool) -> Results:
    from drivers.scan import SERIAL_UNITS, Wanted, scan_serial

    asked = SERIAL_UNITS if units is None else numbers(units)
    if not set(asked) <= set(SERIAL_UNITS):
        raise typer.BadParameter("on a serial wire units are from 1 to 247; 0 reaches every device")
    owner = owned(config, Line(port, 9600, "N", 1))
    if owner is not None:
        _refuse_settings(owner, bauds)
        results = Results()
        results.add(_by_service(owner, () if units is None else asked))
        return results
    profiles = _modbus(config)
    with progress() as bar:
        wanted = Wanted(bauds, asked, full or units is not None)
        return _ours(asyncio.run(scan_serial(port, profiles, wanted, told=teller(bar))))


def _refuse_settings(owner: Owned, bauds: Sequence[int] | None) -> None:
    """While the service runs, the wire has the settings of its bus."""
    if not isinstance(owner.wire, Line) or bauds is None or set(bauds) == {owner.wire.baud}:
        return
    fail(
        f"{owner.wire.port} is bus {owner.bus!r} of the site that runs here, at {owner.wire.baud} baud and parity "
        f"{owner.wire.parity}: only that can be scanned while it runs. Leave --baud away, or stop the service "
        "(systemctl stop ampyard; chargers then go to their fall-back).",
        EXIT_UNAVAILABLE,
    )


def _network(config: Path, text: str, units: str | None) -> Results:
    from drivers.scan import likely_units, scan_tcp

    wires = hosts(text)
    asked = None if units is None else numbers(units)
    ours = owners(config, wires)
    free = [wire for wire in wires if wire not in ours]
    results = Results()
    if free:
        profiles = _modbus(config)
        with progress() as bar:
            units_there = likely_units(profiles, free[0]) if asked is None else asked
            results = _ours(asyncio.run(scan_tcp(free, profiles, units_there, told=teller(bar))))
    for owner in ours.values():
        results.add(_by_service(owner, asked or ()))
    return results


def _modbus(config: Path) -> "Profiles":
    return {name: one for name, one in known(config).items() if one.driver == "modbus"}


def _ours(found: "Scan") -> Results:
    from controller.config.fragment import fragment
    from controller.runtime.scanning import found_view

    tables = "\n".join(fragment(found.devices)).strip()
    return Results(
        [found_view(one) for one in found.devices], notes=list(found.notes), tables=[tables] if tables else []
    )


def _by_service(owner: Owned, units: Sequence[int]) -> ScanView:
    from controller.commissioning.running import scan_by_service

    typer.echo(f"bus {owner.bus!r} belongs to the site that runs here: its service scans it", err=True)
    with progress() as bar:
        told = teller(bar, f"bus {owner.bus}")
        scan = scan_by_service(owner, units, lambda view: told(view.text, view.done, view.of))
    if scan.state is not ScanState.DONE:
        fail(f"bus {owner.bus!r}: the scan ended early: {scan.text}", EXIT_FAILED)
    return scan


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
