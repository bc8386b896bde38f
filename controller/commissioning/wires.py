"""From the options of a command to a wire, and whether it is free: a port serves one master."""

import errno
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import NoReturn

import typer

from controller.config.problems import ConfigError
from controller.config.slices import SiteConfig
from controller.terminal import EXIT_FAILED, EXIT_UNAVAILABLE, fail, local_address
from drivers.api import DeviceError, Fault
from drivers.can.frame import CanLine, Slcan, SocketCan, Socketcand
from drivers.profile import DeviceProfile
from drivers.setups import Endpoint, Line, Wire

ALIVE_S = 2.0
_TAKEN = (
    "Another program has this port, and only one may: `fuser PORT` names it. If it is the service: "
    "systemctl stop ampyard"
)
_ABSENT = "There is no such port. Is the adapter plugged in? `ls /dev/serial/by-id` shows them."
_FORBIDDEN = (
    "You may not open it: do it as the service's user (sudo -u ampyard ampyard ...), or join the port's group "
    "(sudo usermod -aG dialout $USER, then log in anew)."
)
_NO_PORT = "This is no serial port; `ls /dev/serial/by-id` shows those of adapters."
HINTS = {
    "exclusively lock": _TAKEN,
    os.strerror(errno.ENOENT): _ABSENT,
    os.strerror(errno.EACCES): _FORBIDDEN,
    os.strerror(errno.ENOTTY): _NO_PORT,
    os.strerror(errno.EISDIR): _NO_PORT,
}
"""What to do, by what pyserial and the system say of a port that cannot be opened."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a serial line, as far as somebody said them."""

    baud: int | None = None
    parity: str | None = None
    stop_bits: int | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """A wire that the running service has; `bus` is its id there."""

    bus: str
    address: str
    wire: Wire | CanLine
    """With the settings that the service gives it."""


def serial_wire(port: str, profile: DeviceProfile | None, given: Settings) -> Line:
    """The line with what was said, else with the profile's settings, else 9600 8N1."""
    usual = None if profile is None else profile.rtu
    if usual is None:
        return Line(port, given.baud or 9600, given.parity or "N", given.stop_bits or 1)
    baud, parity, stop_bits = (
        given.baud or usual.baud,
        given.parity or usual.parity,
        given.stop_bits or usual.stop_bits,
    )
    return Line(port, baud, parity, stop_bits, usual.bits, usual.framing)


def endpoint(text: str, profile: DeviceProfile | None = None) -> Endpoint:
    """HOST, HOST:PORT or [HOST]:PORT.

    Raises:
        typer.BadParameter: the port is none.
    """
    usual = profile.tcp.port if profile is not None and profile.tcp is not None else 502
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        return Endpoint(text.strip("[]"), usual)
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535 or not host.strip("[]"):
        raise typer.BadParameter(f"{text!r} must be HOST or HOST:PORT")
    return Endpoint(host.strip("[]"), int(port))


def owned(config: Path, wire: Wire | CanLine) -> Owned | None:
    """Whether the site of this configuration runs now and has this wire; None also where there is no such site."""
    return owners(config, [wire]).get(wire)


def owners(config: Path, wires: Iterable[Wire | CanLine]) -> dict[Wire | CanLine, Owned]:
    """Those of the wires that the running site has."""
    site = _site(config)
    if site is None:
        return {}
    address = local_address(site.web)
    found = {
        wire: Owned(bus.id, address, bus.wire)
        for wire in wires
        for bus in site.plant.buses
        if _same(bus.wire, wire)
    }
    return found if found and _runs(address) else {}


def explain(error: DeviceError) -> str:
    """The error, and what to do about it."""
    text = str(error)
    for sign, hint in HINTS.items():
        if sign in text and error.fault is Fault.CLOSED:
            return f"{text}\n{hint}"
    if error.fault is Fault.TIMEOUT:
        return f"{text}\nCheck unit, baud rate and parity, A and B, termination, and whether it has power."
    return text


def fail_device(error: DeviceError) -> NoReturn:
    fail(explain(error), EXIT_UNAVAILABLE if error.fault is Fault.CLOSED else EXIT_FAILED)


def _site(config: Path) -> SiteConfig | None:
    from controller.config.read import read

    try:
        return read(config) if config.is_file() else None
    except (ConfigError, OSError):
        return None


def _same(one: Wire | CanLine, other: Wire | CanLine) -> bool:
    """Whatever the settings: a port has one master."""
    if isinstance(one, Line | Slcan) and isinstance(other, Line | Slcan):
        return realpath(one.port) == realpath(other.port)
    if isinstance(one, SocketCan) and isinstance(other, SocketCan):
        return one.channel == other.channel
    if isinstance(one, Socketcand) and isinstance(other, Socketcand):
        return one.channel == other.channel and _same_host(one, other)
    return isinstance(one, Endpoint) and isinstance(other, Endpoint) and _same_host(one, other)


def _same_host(one: Endpoint | Socketcand, other: Endpoint | Socketcand) -> bool:
    return one.port == other.port and not _addresses(one.host).isdisjoint(_addresses(other.host))


def _addresses(host: str) -> set[str]:
    """Under one name or another it is the same device."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return {host}


def name_of(wire: Wire | CanLine) -> str:
    match wire:
        case Line() | Slcan():
            return wire.port
        case SocketCan():
            return wire.channel
        case Socketcand():
            return f"{wire.host}:{wire.port}/{wire.channel}"
        case Endpoint():
            return f"{wire.host}:{wire.port}"


def _runs(address: str) -> bool:
    import httpx

    try:
        return "cycle_age_s" in httpx.get(f"http://{address}/healthz", timeout=ALIVE_S, trust_env=False).text
    except httpx.HTTPError:
        return False
