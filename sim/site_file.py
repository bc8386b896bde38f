"""Writes the site.toml with which a controller can run the simulated site."""

import json
import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from sim.can.bus import CanBus
from sim.device_profile import SerialLine
from sim.modbus_server import TcpBus
from sim.scenario import CircuitSpec, EvseSpec, MeterSpec, StackSpec
from sim.upstream import Upstream
from sim.world import World

CREDENTIAL_FILE = "csms.password"
INPUT_FOLDER = "inputs"

Value = str | float | bool | Iterable[str] | Iterable[float] | None
Row = Mapping[str, Value]


def write_site(world: World, upstream: Upstream, out: Path) -> str:
    """Write `out`/site.toml and the password beside it; return where the controller will show its pages."""
    scenario = world.scenario
    site = scenario.site
    world.inputs.show_in(out / INPUT_FOLDER)
    listen = site.web_listen or f"127.0.0.1:{_free_port()}"
    parts = [
        _table("[site]", {
            "id": site.id, "name": site.name, "supply": "three-phase-star", "voltage_v": site.voltage_v,
            "state_dir": "state", "billed_by": "free" if not upstream.present else "csms", "cycle_s": site.cycle_s,
        }),
        _table("[web]", {"listen": listen}),
        *(_table("[[circuits]]", _circuit(c)) for c in scenario.circuits),
        *(_table("[[buses]]", _bus(world, b.id, b.line)) for b in scenario.buses),
        *(_table("[[meters]]", _meter(m)) for m in scenario.meters),
        *(_stack(stack) for stack in scenario.stacks),
        *(_table("[[evses]]", _evse(e) if e.dc is None else _dc_evse(e)) for e in scenario.evses),
        *(_table("[[readers]]", {
            "id": r.id, "profile": r.profile.id, "port": world.readers[r.id].port,
            "evses": r.evses, "oldest_first": r.oldest_first,
        }) for r in scenario.readers),
        *(_table("[[inputs]]", {
            "id": name, "path": str(world.inputs.path(name)), "stop_all": stop_all,
        }) for name, stop_all in world.inputs.declared.items()),
    ]  # fmt: skip
    if upstream.present:
        parts += _csms(world, upstream, out)
    (out / "site.toml").write_text("\n".join(parts), encoding="utf-8")
    return f"http://{listen}"


def _circuit(c: CircuitSpec) -> Row:
    return {
        "id": c.id, "parent": c.parent, "rating_a": c.rating_a, "usable_share": c.usable_share,
        "max_other_load_a": c.max_other_load_a, "meter": c.meter,
    }  # fmt: skip


def _bus(world: World, bus_id: str, line: SerialLine | None) -> Row:
    if bus_id in world.dc.can:
        return _can_bus(world.dc.can[bus_id])
    bus = world.buses[bus_id]
    if isinstance(bus, TcpBus) or line is None:
        return {"id": bus_id, "kind": "modbus-tcp", "host": "127.0.0.1", "port": bus.port}
    return {
        "id": bus_id, "kind": "modbus-rtu", "port": bus.port,
        "baud": line.baud, "parity": line.parity, "stop_bits": line.stop_bits,
        "framing": line.framing, "data_bits": line.data_bits,
    }  # fmt: skip


def _can_bus(bus: CanBus) -> Row:
    row: Row = {"id": bus.id, "kind": "can", "interface": bus.interface, "bitrate": bus.wire.bitrate}
    if bus.interface == "slcan":
        return {**row, "port": bus.port}
    return {**row, "host": "127.0.0.1", "port": bus.port, "channel": bus.channel}


def _stack(s: StackSpec) -> str:
    head = _table("[[power_modules]]", {
        "id": s.id, "profile": s.profile.id, "bus": s.bus, "addresses": s.addresses, "evse": s.evse,
    })  # fmt: skip
    switches = [
        _table("[[power_modules.switches]]", {
            "evse": w.evse, "bus": w.bus, "unit": w.unit, "coil": w.coil, "feedback": w.feedback,
        })
        for w in s.switches
    ]  # fmt: skip
    return "\n".join([head, *switches])


def _dc_evse(e: EvseSpec) -> Row:
    return {
        "id": e.id, "profile": e.profile.id, "bus": e.bus, "unit": e.unit, "circuit": e.circuit,
        "phases": len(e.supply), "rotation": e.rotation, "min_current_a": e.min_a, "max_current_a": e.max_a,
        "max_power_kw": None if e.dc is None else e.dc.max_power_kw,
        "efficiency": None if e.dc is None else e.dc.efficiency,
        "watchdog_timeout_s": e.watchdog_timeout_s,
    }  # fmt: skip


def _meter(m: MeterSpec) -> Row:
    return {
        "id": m.id, "profile": m.profile.id, "bus": m.bus, "unit": m.unit,
        "ct_ratio": m.ct_ratio, "reversed": m.reversed, "period_s": m.period_s,
    }  # fmt: skip


def _evse(e: EvseSpec) -> Row:
    return {
        "id": e.id, "profile": e.profile.id, "bus": e.bus, "unit": e.unit, "outlet": e.outlet,
        "circuit": e.circuit, "phases": len(e.supply), "rotation": e.rotation,
        "min_current_a": e.min_a, "max_current_a": e.max_a, "failsafe_current_a": e.failsafe_a,
        "watchdog_timeout_s": e.watchdog_timeout_s, "power_up_current_a": e.power_up_a, "meter": e.meter,
    }  # fmt: skip


def _csms(world: World, upstream: Upstream, out: Path) -> list[str]:
    scenario = world.scenario
    spec = scenario.csms
    if upstream.password is not None:
        file = out / CREDENTIAL_FILE
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(upstream.password + "\n", encoding="utf-8")
    ids = [evse.id for evse in scenario.evses]
    single = len(upstream.identities) == 1
    return [
        _table("[csms]", {
            "id": "simulated", "url": upstream.url, "version": spec.version if spec is not None else "2.0.1",
            "password_file": CREDENTIAL_FILE if upstream.password is not None else None,
            "ca_file": upstream.ca_file.name if upstream.ca_file is not None else None,
            "lab": not upstream.tls,
        }),
        *(
            _table("[[csms.stations]]", {"identity": identity, "evses": ids if single else [identity]})
            for identity in upstream.identities
        ),
        _table("[csms.initial]", spec.initial if spec is not None else {}),
    ]  # fmt: skip


def _table(head: str, row: Row) -> str:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in row.items() if value is not None]
    return "\n".join([head, *lines, ""])


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _value(value: Value) -> str:
    if isinstance(value, (str, bool)):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return f"{value:g}" if value == int(value) and abs(value) < 1e6 else repr(value)
    return "[" + ", ".join(_value(item) for item in value or ()) + "]"


def _free_port() -> int:
    """Below the ports that the system gives to connections: one of those could be taken before the page opens."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
