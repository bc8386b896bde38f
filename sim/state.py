"""What GET /v1/state tells: the truth of the simulated hardware."""

from typing import Any

from sim.dc.plant import DcStation
from sim.dc.state import dc_row, summary
from sim.meters import SimMeter
from sim.modbus_server import TcpBus
from sim.world import Station, World


def snapshot(world: World) -> dict[str, Any]:
    """The whole site as JSON. `drawn_a` is by supply phase, signed; energies in Wh are exact but for registers."""
    return {
        "time_s": world.now_s,
        "scale": world.clock.scale,
        "slipped_s": world.clock.slipped_s,
        "power": world.powered,
        "last_event": world.log.last,
        "evse": [
            dc_row(number, station) if isinstance(station, DcStation) else _evse(world, number, station)
            for number, station in enumerate(world.numbered, start=1)
        ],
        "circuits": [
            {
                "name": circuit.name,
                "parent": circuit.parent,
                "drawn_a": circuit.drawn_a,
                "load_a": circuit.load_a,
                "rating_a": list(circuit.rating_a),
                "over_s": circuit.over_s,
                "longest_over_s": circuit.longest_over_s,
                "worst_ratio": circuit.worst_ratio,
            }
            for circuit in world.wiring.circuits.values()
        ],
        "meters": [_meter(meter) for meter in world.meters.values()],
        "readers": [
            {"id": r.name, "number": number, "port": r.port, "evses": list(r.evses)}
            for number, r in enumerate(world.readers.values(), start=1)
        ],
        "buses": [
            {
                "id": bus.id,
                "kind": "modbus-tcp" if isinstance(bus, TcpBus) else "modbus-rtu",
                "port": bus.port,
                "faults": [{"kind": f.kind, "device": f.device, "rate": f.rate} for f in bus.slaves.faults.active],
            }
            for bus in world.buses.values()
        ]
        + [
            {
                "id": bus.id,
                "kind": "can",
                "port": bus.port,
                "faults": [{"kind": f.kind, "device": None, "rate": f.rate} for f in bus.faults.active],
            }
            for bus in world.dc.can.values()
        ],
        "dc": summary(world.dc),
        "inputs": world.inputs.summary(),
    }


def _evse(world: World, number: int, station: Station) -> dict[str, Any]:
    outlet, controller, ev = station.outlet, station.controller, station.outlet.ev
    return {
        "n": number,
        "id": outlet.name,
        "profile": station.spec.profile.id,
        "circuit": outlet.circuit,
        "plugged": ev is not None,
        "pilot": controller.letter if controller.up else None,
        "contactor": outlet.contactor,
        "offered_a": controller.offered_a,
        "drawn_a": outlet.drawn_a,
        "power_w": outlet.power_w,
        "energy_wh": outlet.energy_wh,
        "session_energy_wh": outlet.session_wh,
        "energy_register_wh": _register(world, station),
        "plug_count": outlet.plug_count,
        "limit_a": controller.limit_a,
        "enabled": controller.enabled,
        "failsafe_a": controller.failsafe_a,
        "watchdog_timeout_s": controller.timeout_s,
        "watchdog_expired": controller.expired,
        "up": controller.up,
        "errors": sorted(controller.errors),
        "ev": None if ev is None else {
            "state": ev.mood.value, "asking": ev.asking, "soc": ev.soc, "max_a": ev.spec.max_a,
            "phases": len(ev.spec.conductors),
        },
    }  # fmt: skip


def _register(world: World, station: Station) -> float | None:
    """The energy register that a controller bills by, in Wh of the metered conductors."""
    meter_id = station.spec.meter
    if meter_id is None:
        return station.device.register_value(station.spec.outlet, "energy_import_total")
    value = world.meters[meter_id].register_value("energy_import_total")
    return None if value is None else value * world.meters[meter_id].ct_ratio


def _meter(meter: SimMeter) -> dict[str, Any]:
    return {
        "id": meter.name,
        "profile": meter.profile.id,
        "current_a": list(meter.look.current_a),
        "power_w": list(meter.look.power_w),
        "energy_import_wh": meter.energy_wh,
        "energy_register_wh": meter.register_value("energy_import_total"),
        "frozen": meter.frozen,
    }
