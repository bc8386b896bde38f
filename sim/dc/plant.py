"""Everything DC of a site: CAN buses, modules, matrix, SECCs; built from the scenario and stepped together."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sim.can.bus import CanBus
from sim.can.module_profile import FAMILIES
from sim.can.modules import SimInfyPower, SimModule
from sim.can.source import Stage
from sim.chargers import Temper
from sim.clock import SimClock
from sim.dc.contactor import Contactor, DamageBook
from sim.dc.matrix import MatrixPanel
from sim.dc.node import Source, Terminal, settle
from sim.dc.outlet import DcOutlet
from sim.dc.secc import Secc
from sim.dc.secc_device import SeccDevice
from sim.dc.stack import Stack
from sim.events import EventLog
from sim.scenario import BusSpec, EvseSpec, Scenario, StackSpec
from sim.wiring import nothing

Draw = tuple[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class DcStation:
    """One DC outlet with all that belongs to it."""

    spec: EvseSpec
    outlet: DcOutlet
    controller: Secc
    device: SeccDevice


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a plant lives in. `now` brings the site up to the present; `chance` depends on seed and name."""

    clock: SimClock
    log: EventLog
    now: Callable[[], float]
    chance: Callable[[str], random.Random]


class DcPlant:
    """Nothing of it runs before `start`. Needs a running loop."""

    def __init__(self, scenario: Scenario, around: Surroundings) -> None:
        self._around = around
        self._volts = scenario.site.voltage_v
        self.damage = DamageBook(around.log)
        self.can = {bus.id: self._bus(bus) for bus in scenario.buses if bus.can is not None}
        self.stations = [self._station(spec) for spec in scenario.evses if spec.dc is not None]
        self.panels: dict[tuple[str, int], MatrixPanel] = {}
        self.modules: dict[str, SimModule] = {}
        self.stacks = {spec.id: self._stack(spec) for spec in scenario.stacks}
        self._count_families(scenario.stacks)

    # Building.

    def _bus(self, spec: BusSpec) -> CanBus:
        can = spec.can
        if can is None:
            raise ValueError(f"{spec.id} is no CAN bus")
        return CanBus(
            spec.id, interface=can.interface, channel=can.channel, bitrate=can.bitrate,
            clock=self._around.clock, rng=self._around.chance(spec.id),
        )  # fmt: skip

    def _station(self, spec: EvseSpec) -> DcStation:
        around, rng = self._around, self._around.chance(spec.id)
        energy_wh = spec.energy_wh if spec.energy_wh is not None else rng.uniform(1e4, 5e5)
        outlet = DcOutlet(spec.id, spec.circuit, supply=spec.supply, energy_wh=energy_wh, book=self.damage)
        temper = Temper(spec.max_a, spec.power_up_a, spec.latency_s, spec.reject_rate, spec.boot_s)
        secc = Secc(outlet, temper, rng=rng, log=around.log)
        device = SeccDevice(
            spec.profile, secc, unit=spec.unit, now=around.now,
            rng=around.chance(f"{spec.bus}/{spec.unit}"), log=around.log,
        )  # fmt: skip
        return DcStation(spec, outlet, secc, device)

    def _stack(self, spec: StackSpec) -> Stack:
        outlets = {station.spec.id: station.outlet for station in self.stations}
        pairs = [self._module(spec, address) for address in spec.addresses]
        ways: list[tuple[DcOutlet, Contactor | None]] = []
        for switch in spec.switches:
            contactor = Contactor(f"{spec.id}/{switch.evse}", self.damage)
            panel = self.panels.setdefault((switch.bus, switch.unit), MatrixPanel(switch.unit))
            panel.add(contactor, coil=switch.coil, feedback=switch.feedback)
            ways.append((outlets[switch.evse], contactor))
        owner = outlets[spec.evse]
        return Stack(
            spec.id, owner, modules=[module for module, _ in pairs], sources=[source for _, source in pairs],
            ways=ways or [(owner, None)], book=self.damage,
        )  # fmt: skip

    def _module(self, spec: StackSpec, address: int) -> tuple[SimModule, Source]:
        profile, terminal = spec.profile, Terminal()
        stage = Stage(
            terminal, profile.rated_a, ramp_a_s=spec.ramp_a_s, timeout_s=profile.timeout_s, rated_w=profile.rated_w,
            available_w=profile.rated_w,
        )  # fmt: skip
        module = FAMILIES[profile.family](
            self.can[spec.bus].wire, address, stage, latency_s=spec.latency_s, now=self._around.now
        )
        self.modules[f"{spec.id}.{address}"] = module
        return module, Source(stage, terminal)

    def _count_families(self, stacks: Sequence[StackSpec]) -> None:
        """Modules of one maker count each other on the bus."""
        for spec in stacks:
            alike = [s for s in stacks if (s.bus, s.profile.family) == (spec.bus, spec.profile.family)]
            for module in self.stacks[spec.id].modules:
                if isinstance(module, SimInfyPower):
                    module.group_size = sum(len(s.addresses) for s in alike)

    # Life.

    def slaves(self, bus_id: str) -> dict[int, SeccDevice | MatrixPanel]:
        """Units of DC on a Modbus bus."""
        found: dict[int, SeccDevice | MatrixPanel] = {
            station.spec.unit: station.device for station in self.stations if station.spec.bus == bus_id
        }
        return found | {unit: panel for (bus, unit), panel in self.panels.items() if bus == bus_id}

    async def start(self) -> None:
        for bus in self.can.values():
            await bus.start()

    async def stop(self) -> None:
        for bus in self.can.values():
            await bus.stop()

    def spawn(self, tasks: asyncio.TaskGroup) -> None:
        for bus in self.can.values():
            tasks.create_task(bus.faults.run())

    def step(self, now_s: float, dt_s: float) -> None:
        """Live through one step, after the site's controller has spoken and before circuits are added up."""
        for module in self.modules.values():
            module.stage.broken = module.fault
        for station in self.stations:
            station.controller.step(now_s)
            station.outlet.contactors.step(now_s, station.outlet.amperes)
        for stack in self.stacks.values():
            stack.switch(now_s)
            if stack.outlet is None:
                stack.open_v, _ = settle(stack.sources, None, stack.open_v, now_s=now_s, dt_s=dt_s)
        for station in self.stations:
            self._settle(station.outlet, now_s, dt_s)
            station.outlet.step(now_s, dt_s, asked_a=station.controller.target_a)
            station.controller.note()

    def _settle(self, outlet: DcOutlet, now_s: float, dt_s: float) -> None:
        feeding = [stack for stack in self.stacks.values() if stack.outlet is outlet]
        sources = [source for stack in feeding for source in stack.sources]
        outlet.volts, outlet.amperes = settle(sources, outlet.battery, outlet.volts, now_s=now_s, dt_s=dt_s)
        outlet.drawn_a = nothing()
        for stack in feeding:
            stack.open_v = outlet.volts
            for phase in stack.owner.supply:
                outlet.drawn_a[phase] += stack.phase_a(self._volts)

    def draws(self) -> Iterator[Draw]:
        """What each stack takes of its circuit, wherever its output goes."""
        for stack in self.stacks.values():
            amperes = nothing()
            for phase in stack.owner.supply:
                amperes[phase] = stack.phase_a(self._volts)
            yield stack.owner.circuit, amperes

    def mains(self, on: bool, now_s: float) -> None:
        """Modules go first: what no longer flows is broken by no contactor."""
        for module in self.modules.values():
            module.mains(on)
        for station in self.stations:
            station.outlet.amperes = 0.0 if not on else station.outlet.amperes
            station.controller.mains(on, now_s)
            station.device.forget()
        for panel in self.panels.values():
            panel.answers = on
        for stack in self.stacks.values() if not on else ():
            for contactor in stack.contactors:
                contactor.drop(stack.amperes)

    def readdress(self, name: str, address: int) -> None:
        """Give a module another address, also one that is taken; those that count each other notice."""
        module = self.modules[name]
        module.address = address
        for one in self.modules.values():
            if isinstance(one, SimInfyPower):
                one.duplicate = any(other is not one and other.shares(one) for other in self.modules.values())
