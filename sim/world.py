"""The simulated site as a whole, and its time: everything is built here and stepped together."""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.bus_faults import Faults
from sim.charger_device import ChargerDevice
from sim.chargers import ChargeController, Temper
from sim.clock import SimClock
from sim.dc.plant import DcPlant, DcStation, Surroundings
from sim.dc.secc_device import SeccDevice
from sim.device_profile import SerialLine
from sim.events import EventLog
from sim.inputs import Inputs
from sim.meters import MeterTemper, SimMeter
from sim.modbus_server import RtuBus, Slaves, TcpBus
from sim.panels import Panel
from sim.physics import STEP_S, Outlet
from sim.readers import SimReader
from sim.scenario import EvseSpec, MeterSpec, Scenario
from sim.wiring import Circuit, Wiring

if TYPE_CHECKING:
    from sim.pdu import Slave

TICK_S = 0.02
"""Real seconds between two looks at the clock."""
BACKLOG_S = 0.5
"""Real seconds that are made up for when the machine was busy; more than that has not happened."""


class NotNowError(Exception):
    """The hardware cannot reach the wanted state as things are."""


@dataclass(frozen=True, slots=True)
class Station:
    """One EVSE with all that belongs to it."""

    spec: EvseSpec
    outlet: Outlet
    controller: ChargeController
    device: ChargerDevice


class World:
    """Circuits, EVSEs, meters, readers and buses of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        """Build everything; nothing listens before `start`. Needs a running loop for the serial lines."""
        self.scenario = scenario
        self.clock = SimClock()
        self.log = EventLog(self.clock)
        self.now_s = 0.0
        self._built = False
        self.powered = True
        self.inputs = Inputs(scenario.inputs)
        self.panels = {spec.id: Panel(spec.id, spec.unit, spec.initial) for spec in scenario.panels}
        self.wiring = Wiring([
            Circuit(c.id, c.parent, c.rating_a, load_a=list(c.load_a)) for c in scenario.circuits
        ])  # fmt: skip
        self.devices: dict[tuple[str, int], ChargerDevice] = {}
        self.stations = [self._station(spec) for spec in scenario.evses if spec.dc is None]
        self.dc = DcPlant(scenario, Surroundings(self.clock, self.log, self.present_s, self.chance))
        self.meters = {spec.id: self._meter(spec) for spec in scenario.meters}
        self.readers = {
            spec.id: SimReader(spec.id, spec.profile, spec.evses, clock=self.clock) for spec in scenario.readers
        }
        self.buses = {spec.id: self._bus(spec.id, spec.line) for spec in scenario.buses if spec.can is None}
        self._overloaded: set[str] = set()
        self._built = True

    @property
    def numbered(self) -> list[Station | DcStation]:
        """All EVSEs in the order of the scenario; the first is number 1."""
        everybody: list[Station | DcStation] = [*self.stations, *self.dc.stations]
        found = {station.spec.id: station for station in everybody}
        return [found[spec.id] for spec in self.scenario.evses]

    def chance(self, name: str) -> random.Random:
        """A source of chance that depends on the seed and the name only."""
        return random.Random(f"{self.scenario.site.seed}/{name}")

    # Building.

    def _station(self, spec: EvseSpec) -> Station:
        rng = self.chance(spec.id)
        energy_wh = spec.energy_wh if spec.energy_wh is not None else rng.uniform(1e4, 5e5)
        volts = self.scenario.site.voltage_v
        outlet = Outlet(spec.id, spec.circuit, supply=spec.supply, volts=volts, energy_wh=energy_wh)
        temper = Temper(spec.max_a, spec.power_up_a, spec.latency_s, spec.reject_rate, spec.boot_s)
        controller = ChargeController(spec.profile, outlet, temper, rng=rng, log=self.log)
        device = self.devices.get((spec.bus, spec.unit))
        if device is None:
            device = ChargerDevice(
                spec.profile, unit=spec.unit, now=self.present_s,
                rng=self.chance(f"{spec.bus}/{spec.unit}"), log=self.log,
            )  # fmt: skip
            self.devices[spec.bus, spec.unit] = device
        device.add(spec.outlet, controller)
        return Station(spec, outlet, controller, device)

    def _meter(self, spec: MeterSpec) -> SimMeter:
        rng = self.chance(spec.id)
        refresh_s = spec.refresh_s if spec.refresh_s is not None else rng.uniform(0.1, 1.0)
        return SimMeter(
            spec.id, spec.profile, spec.unit,
            source=self._source(spec),
            temper=MeterTemper(refresh_s, spec.noise, spec.ct_ratio, spec.reversed),
            volts=self.scenario.site.voltage_v,
            energy_wh=spec.energy_wh if spec.energy_wh is not None else rng.uniform(1e4, 5e5),
            rng=rng,
        )  # fmt: skip

    def _source(self, spec: MeterSpec) -> Callable[[], Sequence[float]]:
        if spec.circuit is not None:
            circuit = self.wiring.circuits[spec.circuit]
            return lambda: circuit.drawn_a
        outlet = next(s.outlet for s in self.stations if s.spec.id == spec.evse)
        return lambda: outlet.conductor_a

    def _bus(self, bus_id: str, line: SerialLine | None) -> TcpBus | RtuBus:
        slaves: dict[int, Slave] = {unit: device for (bus, unit), device in self.devices.items() if bus == bus_id}
        slaves |= self.dc.slaves(bus_id)
        for spec in self.scenario.meters:
            if spec.bus == bus_id:
                slaves[spec.unit] = self.meters[spec.id]
        for panel in self.scenario.panels:
            if panel.bus == bus_id:
                slaves[panel.unit] = self.panels[panel.id]
        rng = self.chance(bus_id)
        behind = Slaves(slaves, Faults(self.clock, rng), rng)
        return TcpBus(bus_id, behind) if line is None else RtuBus(bus_id, behind, line)

    # Life.

    async def start(self) -> None:
        for bus in self.buses.values():
            if isinstance(bus, TcpBus):
                await bus.start()
            else:
                bus.listen()
        await self.dc.start()

    async def stop(self) -> None:
        for bus in self.buses.values():
            if isinstance(bus, TcpBus):
                await bus.stop()
            else:
                bus.close()
        await self.dc.stop()
        for reader in self.readers.values():
            await reader.close()

    async def run(self) -> None:
        """Let time pass and serve the serial lines, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self.dc.spawn(tasks)
            for bus in self.buses.values():
                if isinstance(bus, RtuBus):
                    tasks.create_task(bus.run())
            while True:
                self.advance()
                await asyncio.sleep(TICK_S)

    def advance(self) -> None:
        """Step the physics up to the clock; none passes while it is being built, though parts may ask for it."""
        if not self._built:
            return
        behind_s = self.clock.now_s - self.now_s
        if behind_s > BACKLOG_S * self.clock.scale:
            self.clock.slip(self.now_s + BACKLOG_S * self.clock.scale)
            behind_s = BACKLOG_S * self.clock.scale
        for _ in range(int(behind_s / STEP_S)):
            self.step()

    def present_s(self) -> float:
        """Simulated time, after everything that happens until now has happened."""
        self.advance()
        return self.now_s

    def step(self) -> None:
        """Live through one step of `STEP_S`."""
        self.now_s += STEP_S
        for station in self.stations:
            station.controller.step(self.now_s)
            station.outlet.step(STEP_S, offered_a=station.controller.offered_a, powered=self.powered)
            station.controller.note()
        self.dc.step(self.now_s, STEP_S)
        draws = itertools.chain(((s.outlet.circuit, s.outlet.drawn_a) for s in self.stations), self.dc.draws())
        self.wiring.settle(draws, powered=self.powered)
        self.wiring.account(STEP_S)
        self._note_overloads()
        for meter in self.meters.values():
            meter.step(self.now_s, STEP_S)

    def _note_overloads(self) -> None:
        over = {name for name, circuit in self.wiring.circuits.items() if circuit.over}
        for name in over ^ self._overloaded:
            self.log.add("overload" if name in over else "overload_ended", circuit=name)
        self._overloaded = over

    async def until(self, reached: Callable[[], bool], *, within_s: float, what: str) -> None:
        """Wait until the hardware is in a state, for at most `within_s` simulated seconds.

        Raises:
            NotNowError: it did not get there.
        """
        start_s = self.clock.now_s
        while True:
            self.advance()
            if reached():
                return
            if self.clock.now_s - start_s > within_s:
                raise NotNowError(what)
            await asyncio.sleep(TICK_S / 2)

    def set_power(self, on: bool) -> None:
        """Switch the mains of the whole site."""
        if on == self.powered:
            return
        self.advance()
        self.powered = on
        self.log.add("power", on=on)
        for (bus, _), device in self.devices.items():
            self._cut(bus, device)
        for station in self.stations:
            station.controller.mains(on, self.now_s)
        self.dc.mains(on, self.now_s)
        for bus_id in {station.spec.bus for station in self.dc.stations}:
            self._disconnect(bus_id)
        for meter in self.meters.values():
            meter.powered = on

    def reboot(self, station: Station | DcStation) -> None:
        """Restart a station's device, its other outlets included."""
        self.advance()
        self._cut(station.spec.bus, station.device)
        if isinstance(station, DcStation):
            station.controller.reboot(self.now_s)
            return
        for controller in station.device.outlets.values():
            controller.reboot(self.now_s)

    def _cut(self, bus_id: str, device: ChargerDevice | SeccDevice) -> None:
        """What a device without power loses: its memory, and its connections."""
        device.forget()
        self._disconnect(bus_id)

    def _disconnect(self, bus_id: str) -> None:
        bus = self.buses[bus_id]
        if isinstance(bus, TcpBus):
            bus.drop_clients()
