"""What GET /v1/state tells of DC."""

from typing import Any

from sim.can.modules import SimModule
from sim.dc.plant import DcPlant, DcStation
from sim.dc.stack import Stack
from sim.dc.vehicle import DcEv


def summary(plant: DcPlant) -> dict[str, Any]:
    """`damage` lists what no controller must ever do to the hardware; it is empty after a good day."""
    return {
        "stacks": [_stack_row(stack) for stack in plant.stacks.values()],
        "modules": [_module_row(name, module) for name, module in plant.modules.items()],
        "contactors": [
            {
                "id": contactor.name, "closed": contactor.closed, "commanded": contactor.commanded,
                "feedback": contactor.feedback,
            }
            for stack in plant.stacks.values() for contactor in stack.contactors
        ],
        "damage": list(plant.damage.records),
    }  # fmt: skip


def dc_row(number: int, station: DcStation) -> dict[str, Any]:
    """Keys of AC outlets mean the same; `drawn_a` is of the mains of what feeds it, all else is DC."""
    outlet, secc = station.outlet, station.controller
    orders, ev = secc.orders, outlet.ev
    return {
        "n": number,
        "id": outlet.name,
        "profile": station.spec.profile.id,
        "circuit": outlet.circuit,
        "plugged": ev is not None,
        "pilot": secc.letter if secc.up else None,
        "contactor": outlet.contactors.closed,
        "offered_a": orders.offered_a(outlet.volts),
        "drawn_a": outlet.drawn_a,
        "power_w": outlet.power_w,
        "energy_wh": outlet.energy_wh,
        "session_energy_wh": outlet.session_wh,
        "energy_register_wh": station.device.register_value("energy_import_total"),
        "plug_count": outlet.plug_count,
        "enabled": orders.enabled,
        "watchdog_timeout_s": orders.timeout_s,
        "watchdog_expired": orders.expired,
        "up": secc.up,
        "errors": sorted(secc.errors | ({secc.error} if secc.error is not None else set())),
        "volts": outlet.volts,
        "amperes": outlet.amperes,
        "phase": secc.phase.value,
        "insulation": secc.insulation.value,
        "target_v": secc.target_v,
        "target_a": secc.target_a,
        "limit_w": orders.limit_w,
        "limit_v": orders.limit_v,
        "limit_a": orders.limit_a,
        "delivered_v": orders.delivered_v,
        "delivered_a": orders.delivered_a,
        "ev": None if ev is None else _ev_row(ev),
    }


def _ev_row(ev: DcEv) -> dict[str, Any]:
    return {
        "state": ev.mood.value, "asking": ev.wants, "soc": ev.soc, "max_a": ev.spec.max_a, "battery_v": ev.open_v,
        "demand_a": ev.demand_a, "closed": ev.closed, "stopped_by": ev.stopped_by,
    }  # fmt: skip


def _stack_row(stack: Stack) -> dict[str, Any]:
    outlet = stack.outlet
    return {
        "id": stack.name, "owner": stack.owner.name, "outlet": None if outlet is None else outlet.name,
        "joined": [o.name for o in stack.outlets], "amperes": stack.amperes, "ac_w": stack.ac_w,
    }  # fmt: skip


def _module_row(name: str, module: SimModule) -> dict[str, Any]:
    stage = module.stage
    return {
        "id": name,
        "address": module.address,
        "on": stage.on,
        "volts": stage.volts,
        "amperes": stage.amperes,
        "set_v": stage.set_v,
        "set_a": stage.set_a,
        "dc_w": stage.dc_w,
        "ac_w": stage.ac_w if module.powered else 0.0,
        "available_w": stage.available_w,
        "fault": module.fault,
        "silent": module.mute,
        "dead": module.dead,
        "powered": module.powered,
    }
