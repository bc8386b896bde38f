"""The configuration slice of this edge, and the terms on which it may connect (R35)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from controller.csms.schemas import Version


class CsmsError(Exception):
    """The CSMS edge cannot work as configured; the text says which setting is wrong."""


@dataclass(frozen=True, slots=True)
class StationSlice:
    """One charging station: `identity` towards the CSMS, and its EVSEs; their OCPP numbers count from 1 (R31)."""

    identity: str
    evses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CsmsSlice:
    """One CSMS. `initial` are first values of OCPP variables, in either version's spelling."""

    id: str
    url: str
    version: Version
    password: str | None = field(repr=False)
    ca_file: Path | None
    lab: bool
    stations: tuple[StationSlice, ...]
    initial: Mapping[str, object]

    @property
    def security_profile(self) -> int:
        """0: no password, 1: password, 2: password and TLS."""
        if self.password is None:
            return 0
        return 2 if urlsplit(self.url).scheme == "wss" else 1


def refusal(csms: CsmsSlice) -> str | None:
    """Why this CSMS must not be connected to as configured; None if it may be (R35)."""
    address = urlsplit(csms.url)
    if address.scheme not in {"ws", "wss"} or not address.hostname:
        return f"url: {csms.url!r} is not a ws:// or wss:// address"
    if address.username or address.password:
        return "url: must not hold a password; name a password_file"
    if address.scheme == "ws" and not csms.lab:
        return "url: ws:// is not encrypted; only with lab = true"
    if csms.password is None and not csms.lab:
        return "password_file: missing; only with lab = true"
    return None


def endpoint(csms: CsmsSlice, station: StationSlice) -> str:
    """Address of one station: the identity is appended, percent-encoded (OCPP-J 3.1.1)."""
    return f"{csms.url.rstrip('/')}/{quote(station.identity, safe='')}"
