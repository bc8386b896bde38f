"""Scenarios with DC outlets, and a supply that does all that an SECC asks for unless a test says otherwise."""

from collections.abc import Sequence
from typing import Any

from sim.dc.contactor import Contactor
from sim.dc.plant import DcStation
from sim.dc.stack import Stack
from sim.dc.vehicle import DcEv, DcEvSpec
from sim.physics import STEP_S
from sim.world import World
from tests.sim.sites import Row, evse, scenario

ENABLE, LIMIT_POWER, TIMEOUT, HEARTBEAT = 40, 41, 46, 47


def outlet(name: str = "DC1", **more: Any) -> Row:
    row: Row = {
        "id": name, "profile": "ampyard-secc", "bus": "lan", "unit": int(name[2:]), "circuit": "main",
        "max_current_a": 100, "max_power_kw": 60, "latency_s": 0.1, "reject_writes": 0, "energy_wh": 1000,
    }  # fmt: skip
    return row | more


def stack(name: str = "stack-1", evse: str = "DC1", **more: Any) -> Row:
    row: Row = {"id": name, "profile": "infypower-v1.13", "bus": "can0", "addresses": [0, 1], "evse": evse}
    return row | more


def switch(evse: str, coil: int, **more: Any) -> Row:
    row: Row = {"evse": evse, "bus": "lan", "unit": 9, "coil": coil, "feedback": coil}
    return row | more


def dc_scenario(*rows: Row, stacks: list[Row], more_circuits: Sequence[Row] = ()) -> Row:
    """Outlets (and chargers) on one circuit, their SECCs on one network, modules on one CAN bus."""
    data = scenario(*rows, circuits=[{"id": "main", "rating_a": 200}, *more_circuits], power_modules=stacks)
    buses = [bus for bus in data["buses"] if bus["id"] != "lan"]
    data["buses"] = [*buses, {"id": "lan", "kind": "modbus-tcp"}, {"id": "can0", "kind": "can", "bitrate": 125000}]
    return data


def one_outlet(**more: Any) -> Row:
    return dc_scenario(outlet(**more), stacks=[stack()])


def matrix(*chargers: Row) -> Row:
    """Two outlets and two stacks, each of which can go to either."""
    return dc_scenario(
        outlet(), outlet("DC2"), *chargers,
        stacks=[
            stack(switches=[switch("DC1", 0), switch("DC2", 1)]),
            stack("stack-2", "DC2", addresses=[2, 3], switches=[switch("DC1", 2), switch("DC2", 3)]),
        ],
    )  # fmt: skip


def with_charger() -> Row:
    return dc_scenario(evse(), outlet(), evse("A2"), stacks=[stack()])


def plug(station: DcStation, **changes: Any) -> DcEv:
    values: dict[str, Any] = {
        "battery_v": 400.0, "max_a": 100.0, "soc": 0.3, "capacity_wh": 60_000.0, "ramp_a_s": 100.0,
    }  # fmt: skip
    car = DcEv(DcEvSpec(**(values | changes)))
    station.outlet.plug_in(car)
    return car


def allow(station: DcStation, *, kilowatts: float = 40, volts: float = 1000, amperes: float = 200) -> None:
    """Release and limits, as the field bus writes them."""
    station.device.write(16, ENABLE, [1, round(kilowatts * 100), round(volts * 10), round(amperes * 10)])


def lock(station: DcStation) -> None:
    station.device.write(16, ENABLE, [0])


def close(station: DcStation, *stacks: Stack) -> None:
    """Command the contactors from those stacks to that outlet."""
    for one in stacks:
        way(one, station).commanded = True


def way(one: Stack, station: DcStation) -> Contactor:
    return next(contactor for outlet, contactor in one.ways if outlet is station.outlet and contactor is not None)


class Supplier:
    """Lets the stacks deliver what the SECC asks for, without a CAN bus; `obeys` False: goes on as it was."""

    def __init__(self, world: World, station: DcStation, *stacks: Stack) -> None:
        self.world = world
        self.station = station
        self.stacks = stacks or tuple(world.dc.stacks.values())
        self.obeys = True

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            if self.obeys:
                self.supply()
            self.world.step()

    def supply(self) -> None:
        request, *_, decivolts, deciamperes = self.station.device.read("holding", 2, 6)
        sources = [source for stack in self.stacks for source in stack.sources]
        for source in sources:
            source.stage.heard_s = self.world.now_s
            source.stage.on = bool(request)
            source.stage.set_v, source.stage.set_a = decivolts / 10, deciamperes / 10 / len(sources)
