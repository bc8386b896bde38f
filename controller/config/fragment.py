"""What a scan found, as tables for site.toml."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from drivers.profile import DeviceProfile
from drivers.scan import Device
from drivers.setups import Endpoint, Line, Wire

MOST_A = 16
"""Where the profile is not to be asked: what any wiring of an EVSE carries."""
TABLES = {"charger": "evses", "secc": "evses", "meter": "meters"}


def fragment(
    devices: Sequence[Device], *, buses: Mapping[Wire, str] | None = None, taken: Collection[str] = ()
) -> Iterator[str]:
    """Lines of TOML. What only somebody on site can know is marked with what to put there.

    `buses` are those that site.toml has already, and `taken` the ids in it.
    """
    known = dict(buses or {})
    proposed = [one for one in devices if one.matches]
    for wire, name in _new_buses(proposed, known, taken).items():
        yield from ("", "[[buses]]", f"id = {text(name)}", *_wire(wire))
        known[wire] = name
    names = Names(taken)
    for one in proposed:
        profile = one.matches[0].profile
        yield ""
        yield from _device(one, profile, names.next(profile.kind), bus=known[one.wire])


class Names:
    """Ids that nobody has."""

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = set(taken)

    def next(self, kind: str) -> str:
        stem = "evse" if TABLES.get(kind) == "evses" else kind
        number = 1
        while f"{stem}-{number}" in self._taken:
            number += 1
        self._taken.add(f"{stem}-{number}")
        return f"{stem}-{number}"


def _new_buses(devices: Iterable[Device], known: Mapping[Wire, str], taken: Collection[str]) -> Mapping[Wire, str]:
    found: dict[Wire, str] = {}
    names = Names({*taken, *known.values()})
    for one in devices:
        if one.wire not in known and one.wire not in found:
            found[one.wire] = names.next("rtu" if isinstance(one.wire, Line) else "tcp")
    return found


def _wire(wire: Wire) -> Iterator[str]:
    if isinstance(wire, Endpoint):
        yield 'kind = "modbus-tcp"'
        yield f"host = {text(wire.host)}"
        yield f"port = {wire.port}"
        return
    yield 'kind = "modbus-rtu"'
    yield f"port = {text(wire.port)}"
    yield f"baud = {wire.baud}"
    yield f"parity = {text(wire.parity)}"
    yield f"stop_bits = {wire.stop_bits}"
    if wire.framing != "rtu":
        yield f"framing = {text(wire.framing)}"
        yield f"data_bits = {wire.data_bits}"


def _device(device: Device, profile: DeviceProfile, name: str, *, bus: str) -> Iterator[str]:
    table = TABLES.get(profile.kind, "meters")
    yield f"[[{table}]]"
    yield f"id = {text(name)}"
    yield f"profile = {text(profile.id)}{_others(device)}"
    yield f"bus = {text(bus)}"
    yield f"unit = {device.unit}"
    if table != "evses":
        return
    if profile.modbus.outlets > 1:
        yield f"outlet = 1  # the first of up to {profile.modbus.outlets}; one table for each that is wired"
    most = MOST_A if profile.setpoint is None else min(MOST_A, profile.setpoint.max_a)
    yield 'circuit = "main"  # the circuit that feeds it'
    yield f"max_current_a = {most}  # what its wiring and fuse carry"
    if profile.kind == "secc":
        yield "max_power_kw = 30  # DC power at the outlet"


def _others(device: Device) -> str:
    first, *rest = device.matches
    doubt = "" if first.confidence == 3 else f"  # {first.confidence.name.lower()}, check the type plate"
    names = [one.profile.id for one in rest if one.confidence == first.confidence][:3]
    also = f"; fits as well: {', '.join(names)}" if names else ""
    return doubt + also if doubt else f"  #{also[1:]}" if also else ""


def text(value: str) -> str:
    """A basic string of TOML; that of JSON is one."""
    return json.dumps(value, ensure_ascii=False)
