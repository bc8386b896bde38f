"""The devices of the site and who owns them; built from slices, stopped and started one by one (R36)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from controller.charging.rows import state_from_row
from controller.charging.session import EvseState
from controller.clock import Clock
from controller.runtime.actuator import Actuator
from controller.runtime.cycle import NOTHING, Controlled, ControlledEvse
from controller.runtime.owner import EvseOwner, OwnerParts
from controller.runtime.registers import BillingRegister
from controller.runtime.slices import BusSlice, EvseSlice, MeterSlice, PlantSlice, ReaderSlice
from controller.runtime.supervise import Supervised
from controller.runtime.watcher import Watcher
from drivers.api import (
    DeviceEvent,
    Evse,
    EvseRead,
    EvseSetup,
    Health,
    HealthChanged,
    Meter,
    MeterRead,
    MeterReading,
    MeterSetup,
    Sink,
    TokenRead,
    TokenReader,
)
from drivers.profile import DeviceProfile

_log = logging.getLogger(__name__)


class Bus(Protocol):
    """A wire with devices that come and go while it runs."""

    async def run(self) -> None: ...

    def add_evse(self, setup: EvseSetup, profile: DeviceProfile) -> Evse: ...

    def add_meter(self, setup: MeterSetup, profile: DeviceProfile) -> Meter: ...

    def remove(self, device_id: str) -> None: ...


class RunningReader(TokenReader, Protocol):
    async def run(self) -> None: ...


@dataclass
class EvseUnit:
    """One EVSE at run time. The owner outlives a rebuild of its device."""

    plan: EvseSlice
    controlled: ControlledEvse
    register: BillingRegister
    watcher: Watcher


@dataclass(frozen=True, slots=True)
class PlantParts:
    """What the plant is built with. `owner` makes an owner's parts; the callbacks must not wait."""

    clock: Clock
    build_bus: Callable[[BusSlice, Sink], Bus]
    build_reader: Callable[[ReaderSlice, Sink], RunningReader]
    owner: Callable[[EvseSlice, BillingRegister], OwnerParts]
    stored: Mapping[str, Mapping[str, object]]
    tapped: Callable[[str, str], None]
    heard: Callable[[], None]
    prompt: Callable[[], None]


class Plant:
    """Changes from one plan to the next touch only what differs; everything else goes on undisturbed."""

    def __init__(self, parts: PlantParts, tasks: asyncio.TaskGroup) -> None:
        self._parts = parts
        self._tasks = tasks
        self._running: dict[str, list[asyncio.Task[None]]] = {}
        self._buses: dict[str, tuple[BusSlice, Bus]] = {}
        self.meters: dict[str, tuple[MeterSlice, Meter]] = {}
        self.readers: dict[str, tuple[ReaderSlice, RunningReader]] = {}
        self.evses: dict[str, EvseUnit] = {}
        self.readings: dict[str, MeterReading] = {}
        self.health: dict[str, tuple[Health, str]] = {}
        self.supervised: dict[str, Supervised] = {}
        self.controlled = NOTHING
        self._overload_ma: dict[str, tuple[int, int, int]] = {}
        self._left: dict[str, EvseState] = {}
        """Last states of EVSEs that were taken down in this run: newer than what was stored at its start."""

    def buses(self) -> tuple[str, ...]:
        return tuple(self._buses)

    def change_to(self, plan: PlantSlice) -> None:
        """Stop what is gone or different, start what is new, then hand the cycle the new whole."""
        wires = {bus.id: bus for bus in plan.buses}
        stale = {name for name, (old, _) in self._buses.items() if wires.get(name) != old}
        self._stop_devices(plan, stale)
        for name in stale:
            self._stop(name)
            del self._buses[name]
        for bus in plan.buses:
            if bus.id not in self._buses:
                built = self._parts.build_bus(bus, self.sink)
                self._buses[bus.id] = (bus, built)
                self._start_supervised(bus.id, built.run)
        self._start_devices(plan)
        self._overload_ma = {c.meter: c.rating_ma for c in plan.layout.circuits if c.meter}
        evses = {name: unit.controlled for name, unit in self.evses.items()}
        self.controlled = Controlled(plan.layout, evses, self.readings)

    def _stop_devices(self, plan: PlantSlice, stale: set[str]) -> None:
        wanted = {evse.id: evse for evse in plan.evses}
        for name, unit in list(self.evses.items()):
            new = wanted.get(name)
            if new is None or new.device != unit.plan.device or unit.plan.bus in stale:
                self._leave_bus(unit.plan.bus, name)
                self._stop(name)
                self._left[name] = self.evses.pop(name).controlled.owner.state
        meters = {meter.id: meter for meter in plan.meters}
        for name, (old, _) in list(self.meters.items()):
            if meters.get(name) != old or old.bus in stale:
                self._leave_bus(old.bus, name)
                del self.meters[name]
                self.readings.pop(name, None)
        readers = {reader.id: reader for reader in plan.readers}
        for name, (reader, _) in list(self.readers.items()):
            if readers.get(name) != reader:
                self._stop(name)
                del self.readers[name]

    def _leave_bus(self, bus: str, device: str) -> None:
        self._buses[bus][1].remove(device)
        self.health.pop(device, None)

    def _start_devices(self, plan: PlantSlice) -> None:
        for meter in plan.meters:
            if meter.id not in self.meters:
                self.meters[meter.id] = (meter, self._buses[meter.bus][1].add_meter(meter.setup, meter.profile))
        for evse in plan.evses:
            if evse.id in self.evses:
                self.evses[evse.id].plan = evse
            else:
                self._start_evse(evse)
        for reader in plan.readers:
            if reader.id not in self.readers:
                built = self._parts.build_reader(reader, self.sink)
                self.readers[reader.id] = (reader, built)
                self._start_supervised(reader.id, built.run)

    def _start_evse(self, plan: EvseSlice) -> None:
        register = BillingRegister(own_meter=plan.meter is not None)
        parts = self._parts.owner(plan, register)
        owner = EvseOwner(self._stored_state(plan.id), parts)
        device = self._buses[plan.bus][1].add_evse(plan.setup, plan.profile)
        actuator = Actuator(device, self._parts.clock)
        controlled = ControlledEvse(device, owner, actuator)
        self.evses[plan.id] = EvseUnit(plan, controlled, register, Watcher(owner, register, self._parts.clock.now))
        self._start(plan.id, owner.run())
        self._start(plan.id, actuator.run())

    def _stored_state(self, evse: str) -> EvseState:
        """The EVSE's last committed state: of this run, if it is only being rebuilt, else of the store.

        Raises:
            RowError: it is from a newer version or damaged; starting afresh would lose a transaction.
        """
        if evse in self._left:
            return self._left.pop(evse)
        row = self._parts.stored.get(f"evse:{evse}")
        return EvseState(evse) if row is None else state_from_row(dict(row))

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._running.setdefault(name, []).append(self._tasks.create_task(work, name=name))

    def _start_supervised(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.supervised[name] = Supervised(name, run, self._parts.clock)
        self._start(name, self.supervised[name].run())

    def _stop(self, name: str) -> None:
        for task in self._running.pop(name, []):
            task.cancel()
        self.supervised.pop(name, None)
        self.health.pop(name, None)

    def sink(self, event: DeviceEvent) -> None:
        """All that devices tell; called in the loop, returns at once."""
        match event:
            case EvseRead(evse, reading):
                if evse in self.evses:
                    self.evses[evse].watcher.on_reading(reading)
                    self._parts.heard()
            case MeterRead(meter, reading):
                self._metered(meter, reading)
            case TokenRead(reader, uid):
                self._parts.tapped(reader, uid)
            case HealthChanged():
                self._health_changed(event)

    def _metered(self, meter: str, reading: MeterReading) -> None:
        self.readings[meter] = reading
        for unit in self.evses.values():
            if unit.plan.meter == meter:
                unit.register.on_meter(reading)
        rating = self._overload_ma.get(meter)
        if rating and any(load > most for load, most in zip(reading.current_ma, rating, strict=True)):
            self._parts.prompt()

    def _health_changed(self, event: HealthChanged) -> None:
        before = self.health.get(event.device)
        self.health[event.device] = (event.health, event.text)
        if before is None or before[0] is not event.health:
            _log.info("%s: %s %s", event.device, event.health.value, event.text)
        unit = self.evses.get(event.device)
        if unit is not None and event.health is Health.OK:
            unit.controlled.actuator.forget()
        self._parts.prompt()
