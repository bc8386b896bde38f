"""What a scan found, as tables for site.toml."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from drivers.api import Endpoint, Line, Wire
from drivers.profile import DeviceProfile
from drivers.scan import Device

MOST_A = 16
"""Where the profile is not to be asked: what any wiring of an EVSE carries."""


def fragment(devices: Sequence[Device]) -> Iterator[str]:
    """Lines of TOML. What only somebody on site can know is marked with what to put there."""
    proposed = [one for one in devices if one.matches]
    buses = _buses(proposed)
    for wire, name in buses.items():
        yield from ("", "[[buses]]", f"id = {_text(name)}", *_wire(wire))
    names = _Names()
    for one in proposed:
        profile = one.matches[0].profile
        yield ""
        yield from _device(one, profile, names.next(profile.kind), bus=buses[one.wire])


class _Names:
    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def next(self, kind: str) -> str:
        self._count[kind] = self._count.get(kind, 0) + 1
        return f"{'evse' if kind == 'charger' else kind}-{self._count[kind]}"


def _buses(devices: Iterable[Device]) -> Mapping[Wire, str]:
    found: dict[Wire, str] = {}
    for one in devices:
        kind = "rtu" if isinstance(one.wire, Line) else "tcp"
        number = 1 + sum(name.startswith(kind) for name in found.values())
        found.setdefault(one.wire, f"{kind}-{number}")
    return found


def _wire(wire: Wire) -> Iterator[str]:
    if isinstance(wire, Endpoint):
        yield 'kind = "modbus-tcp"'
        yield f"host = {_text(wire.host)}"
        yield f"port = {wire.port}"
        return
    yield 'kind = "modbus-rtu"'
    yield f"port = {_text(wire.port)}"
    yield f"baud = {wire.baud}"
    yield f"parity = {_text(wire.parity)}"
    yield f"stop_bits = {wire.stop_bits}"


def _device(device: Device, profile: DeviceProfile, name: str, *, bus: str) -> Iterator[str]:
    yield "[[evses]]" if profile.kind == "charger" else "[[meters]]"
    yield f"id = {_text(name)}"
    yield f"profile = {_text(profile.id)}{_others(device)}"
    yield f"bus = {_text(bus)}"
    yield f"unit = {device.unit}"
    if profile.kind != "charger":
        return
    if profile.modbus.outlets > 1:
        yield f"outlet = 1  # the first of up to {profile.modbus.outlets}; one table for each that is wired"
    most = MOST_A if profile.setpoint is None else min(MOST_A, profile.setpoint.max_a)
    yield 'circuit = "main"  # the circuit that feeds it'
    yield f"max_current_a = {most}  # what its wiring and fuse carry"


def _others(device: Device) -> str:
    first, *rest = device.matches
    doubt = "" if first.confidence == 3 else f"  # {first.confidence.name.lower()}, check the type plate"
    names = [one.profile.id for one in rest if one.confidence == first.confidence][:3]
    also = f"; fits as well: {', '.join(names)}" if names else ""
    return doubt + also if doubt else f"  #{also[1:]}" if also else ""


def _text(text: str) -> str:
    """A basic string of TOML; that of JSON is one."""
    return json.dumps(text, ensure_ascii=False)
