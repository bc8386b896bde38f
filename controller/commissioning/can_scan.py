"""`ampyard scan --can`: power modules on a CAN bus, and what of them belongs into site.toml."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import typer

from controller.commissioning.profiles import OWN
from controller.commissioning.show import progress, teller
from controller.commissioning.wires import endpoint, fail_device, name_of
from controller.config.fragment import Names, text
from controller.config.module_fragment import module_fragment
from controller.config.problems import ConfigError
from controller.terminal import EXIT_FAILED, fail
from drivers.api import DeviceError
from drivers.can.frame import CanLine, Slcan, SocketCan, Socketcand
from drivers.can.module_profile import ModuleModel, catalogue
from drivers.can.scan import BITRATES, CanPatience, CanScan, Modules, ask_can, listen_can
from drivers.can.slcan import BITRATES as ADAPTER_BITRATES
from drivers.profile import ProfileError, builtin_folder

SOCKETCAND_PORT = 29536
FORM = "--can is CHANNEL (can0), slcan:PORT (slcan:/dev/ttyACM0) or socketcand:HOST[:PORT]/CHANNEL"
AGREED = "ask"

Lines = Callable[[int], CanLine]


def scan_can(config: Path, where: str, bitrates: Sequence[int]) -> None:
    """Listen, ask where that is safe or wanted, and print what was found.

    Raises:
        ConfigError: a module profile of the site has faults.
    """
    make = line_of(where)
    if unknown := [one for one in bitrates if one not in ADAPTER_BITRATES and isinstance(make(one), Slcan)]:
        raise typer.BadParameter(f"no adapter has {unknown[0]} bit/s: {', '.join(map(str, ADAPTER_BITRATES))}")
    lines = [make(one) for one in bitrates or _usual(make)]
    models = list(_models(config).values())
    try:
        found = _found(lines, models, told_rate=bool(bitrates))
    except DeviceError as error:
        fail_device(error)
    _show(found, given=bool(bitrates))


def line_of(where: str) -> Lines:
    """From the option's text to a line at some bit rate.

    Raises:
        typer.BadParameter: it is none.
    """
    kind, colon, rest = where.partition(":")
    if kind == "slcan" and rest:
        return lambda bitrate: Slcan(rest, bitrate)
    if kind == "socketcand" and "/" in rest:
        address, _, channel = rest.rpartition("/")
        place = endpoint(address if ":" in address else f"{address}:{SOCKETCAND_PORT}")
        if place.host and channel:
            return lambda bitrate: Socketcand(place.host, place.port, channel, bitrate)
    if colon or not where or "/" in where:
        raise typer.BadParameter(FORM)
    return lambda bitrate: SocketCan(where, bitrate)


def _usual(make: Lines) -> Sequence[int]:
    """Only an adapter takes its bit rate from us; an interface has the one that the system gave it."""
    return BITRATES if isinstance(make(BITRATES[0]), Slcan) else BITRATES[:1]


def _models(config: Path) -> Mapping[str, ModuleModel]:
    own = config.parent / OWN
    try:
        return catalogue(builtin_folder(), *([own] if os.access(own, os.X_OK) else []))
    except ProfileError as error:
        raise ConfigError(error.problems) from error


def _found(lines: Sequence[CanLine], models: Sequence[ModuleModel], *, told_rate: bool) -> CanScan:
    with progress() as bar:
        heard = asyncio.run(listen_can(lines, models, told=teller(bar), patience=CanPatience()))
    if heard.heard or not (told_rate or not isinstance(lines[0], Slcan) or _agreed(lines)):
        return heard
    with progress() as bar:
        answered = asyncio.run(ask_can(lines, models, told=teller(bar), patience=CanPatience()))
    return CanScan(answered.modules, (*heard.notes, *answered.notes), heard=answered.heard)


def _agreed(lines: Sequence[CanLine]) -> bool:
    rates = ", ".join(str(line.bitrate) for line in lines)
    typer.echo(
        f"Nothing was heard at {rates} bit/s, which modules that nobody asks do as well. They can be asked at each "
        "of these bit rates in turn, but a wrong one disturbs whatever runs on this bus: only do so where no "
        "module delivers and no other device works. If you know the bit rate, stop here and give it by --bitrate.",
        err=True,
    )
    return bool(typer.prompt(f"Type {AGREED} to do so", default="", show_default=False, err=True) == AGREED)


def _show(found: CanScan, *, given: bool) -> None:
    for note in found.notes:
        typer.echo(f"note: {note}")
    if not found.modules:
        fail(
            "no power module was found. Check power, wiring, 120 ohm at both ends and the bit rate (--bitrate), "
            "and that no other controller has the bus.",
            EXIT_FAILED,
        )
    for one in found.modules:
        addresses = ", ".join(map(str, one.addresses))
        typer.echo(f"{name_of(one.line)} at {one.line.bitrate} bit/s, {one.model.id}: address {addresses}")
        typer.echo(f"  {one.model.profile.vendor} {one.model.profile.model}")
        for note in one.notes:
            typer.echo(f"  note: {note}")
    lines = module_tables(found.modules, rate_known=given or isinstance(found.modules[0].line, Slcan))
    typer.echo("\n".join(("", "# For site.toml; check each line against the type plate.", *lines)))


def module_tables(found: Sequence[Modules], *, rate_known: bool) -> Iterator[str]:
    """Tables of one bus and its modules; which of them work together only somebody on site knows."""
    yield from ("", "[[buses]]", 'id = "can-1"', 'kind = "can"', *_bus(found[0].line))
    asked = "" if rate_known else "  # as the interface has it: ip -details link show"
    yield f"bitrate = {found[0].line.bitrate}{asked}"
    yield from module_fragment(found, "can-1", Names())


def _bus(line: CanLine) -> Iterator[str]:
    match line:
        case SocketCan():
            yield from ('interface = "socketcan"', f"channel = {text(line.channel)}")
        case Slcan():
            yield from ('interface = "slcan"', f"port = {text(line.port)}")
        case Socketcand():
            yield from ('interface = "socketcand"', f"host = {text(line.host)}", f"port = {line.port}")
            yield f"channel = {text(line.channel)}"
