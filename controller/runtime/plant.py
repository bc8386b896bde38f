"""The devices of the site and who owns them; built from slices, stopped and started one by one (R36)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from controller.charging.rows import RowError, state_from_row
from controller.charging.session import EvseState, Running, Stopping
from controller.clock import Clock
from controller.runtime.actuator import Actuator
from controller.runtime.crew import Crew
from controller.runtime.cycle import NOTHING, Controlled, ControlledEvse
from controller.runtime.owner import EvseOwner, OwnerParts
from controller.runtime.registers import BillingRegister, DcOutput
from controller.runtime.slices import BusSlice, EvseSlice, MeterSlice, PlantSlice, ReaderSlice, SensorSlice
from controller.runtime.supervise import Supervised
from controller.runtime.watcher import Watcher
from controller.runtime.wires import Bus, Cluster, Component, Leaving, WireParts, Wires
from drivers.api import (
    BusFigures,
    DeviceEvent,
    EvseRead,
    Health,
    HealthChanged,
    Meter,
    MeterRead,
    MeterReading,
    SensorRead,
    Sink,
    TokenRead,
    TokenReader,
)
from drivers.setups import DcSetup, RegisterSetup

if TYPE_CHECKING:
    from drivers.dc.plan import ClusterPlan

_log = logging.getLogger(__name__)


class RunningReader(TokenReader, Protocol):
    async def run(self) -> None: ...


class RunningInput(Protocol):
    """A digital input of the machine itself."""

    async def run(self) -> None: ...


@dataclass
class EvseUnit:
    """One EVSE at run time."""

    plan: EvseSlice
    controlled: ControlledEvse
    register: BillingRegister
    watcher: Watcher


@dataclass(frozen=True, slots=True)
class Account:
    """What stays of an EVSE for as long as the process runs, whatever becomes of its device.

    Only so is no commit ever left in the middle: a new owner could not know whether it happened.
    """

    owner: EvseOwner
    register: BillingRegister


@dataclass(frozen=True, slots=True)
class PlantParts:
    """What the plant is built with. `owner` makes an owner's parts; the callbacks must not wait."""

    clock: Clock
    build_bus: Callable[[BusSlice, Sink], Bus]
    build_can: Callable[[BusSlice, Sink], Component]
    build_cluster: "Callable[[ClusterPlan, Mapping[str, Component], Sink], Cluster]"
    build_reader: Callable[[ReaderSlice, Sink], RunningReader]
    build_input: Callable[[SensorSlice, Sink], RunningInput]
    owner: Callable[[EvseSlice, BillingRegister], OwnerParts]
    stored: Mapping[str, Mapping[str, object]]
    tapped: Callable[[str, str], None]
    sensed: Callable[[str, int | None, float], None]
    heard: Callable[[], None]
    prompt: Callable[[], None]


def stored_state(stored: Mapping[str, Mapping[str, object]], evse: str) -> EvseState:
    """The EVSE's last committed state.

    Raises:
        RowError: it is from a newer version or damaged; starting afresh would lose a transaction.
    """
    row = stored.get(f"evse:{evse}")
    return EvseState(evse) if row is None else state_from_row(dict(row))


def orphans(stored: Mapping[str, Mapping[str, object]], configured: set[str]) -> tuple[str, ...]:
    """EVSEs that nobody owns any more although a transaction is, or may be, open there: it would never end."""
    names = [key.removeprefix("evse:") for key in stored if key.startswith("evse:")]
    return tuple(name for name in names if name not in configured and _may_be_open(stored, name))


def _may_be_open(stored: Mapping[str, Mapping[str, object]], evse: str) -> bool:
    try:
        return isinstance(stored_state(stored, evse).phase, Running | Stopping)
    except RowError:
        return True


class Plant:
    """Changes from one plan to the next touch only what differs; everything else goes on undisturbed."""

    def __init__(self, parts: PlantParts, tasks: asyncio.TaskGroup) -> None:
        self._parts = parts
        self._tasks = tasks
        self._crew = Crew(parts.clock, tasks)
        built_with = WireParts(parts.build_bus, parts.build_can, parts.build_cluster, self.sink)
        self.wires = Wires(built_with, self._crew)
        self.meters: dict[str, tuple[MeterSlice, Meter]] = {}
        self.readers: dict[str, tuple[ReaderSlice, RunningReader]] = {}
        self.evses: dict[str, EvseUnit] = {}
        self.sensors: dict[str, SensorSlice] = {}
        self.readings: dict[str, MeterReading] = {}
        self.health: dict[str, tuple[Health, str]] = {}
        self.controlled = NOTHING
        self._overload_ma: dict[str, tuple[int, int, int]] = {}
        self._plan = PlantSlice(NOTHING.layout, (), (), (), ())
        self._accounts: dict[str, Account] = {}

    @property
    def supervised(self) -> Mapping[str, Supervised]:
        return self._crew.supervised

    def buses(self) -> tuple[str, ...]:
        return tuple(self.wires)

    def running(self) -> Mapping[str, object]:
        """The buses themselves, by id, for whoever can do more with one than the plant needs."""
        return self.wires.running

    def figures(self) -> tuple[BusFigures, ...]:
        return self.wires.figures()

    def change_to(self, plan: PlantSlice) -> None:
        """Stop what is gone or different, start what is new, then hand the cycle the new whole.

        Raises:
            RowError: the stored state of a new EVSE cannot be read; nothing has been changed.
        """
        fresh = {
            evse.id: stored_state(self._parts.stored, evse.id)
            for evse in plan.evses
            if evse.id not in self._accounts
        }
        leaving = self.wires.leaving(plan)
        self._stop_devices(plan, leaving)
        self._stop_sensors(plan, leaving)
        self._forget(*self.wires.stop(leaving))
        self.wires.start(plan)
        for name, state in fresh.items():
            self._open_account(name, state, plan)
        self._start_devices(plan)
        self._start_sensors(plan)
        self._plan = plan
        self._overload_ma = {c.meter: c.rating_ma for c in plan.layout.circuits if c.meter}
        evses = {name: unit.controlled for name, unit in self.evses.items()}
        self.controlled = Controlled(plan.layout, evses, self.readings)

    def _stop_devices(self, plan: PlantSlice, leaving: Leaving) -> None:
        wanted = {evse.id: evse for evse in plan.evses}
        for name, unit in list(self.evses.items()):
            new = wanted.get(name)
            if new is None or new.device != unit.plan.device or self.wires.is_leaving(unit.plan, leaving):
                self.wires.remove(unit.plan)
                self._stop(name)
                self.evses.pop(name).controlled.owner.offered_ma = None
        meters = {meter.id: meter for meter in plan.meters}
        for name, (old, _) in list(self.meters.items()):
            if meters.get(name) != old or old.bus in leaving.buses:
                self._leave_bus(old.bus, name)
                del self.meters[name]
                self.readings.pop(name, None)
        readers = {reader.id: reader for reader in plan.readers}
        for name, (reader, _) in list(self.readers.items()):
            if readers.get(name) != reader:
                self._stop(name)
                del self.readers[name]

    def _stop_sensors(self, plan: PlantSlice, leaving: Leaving) -> None:
        sensors = {sensor.id: sensor for sensor in plan.sensors}
        for name, sensor in list(self.sensors.items()):
            if sensors.get(name) == sensor and sensor.bus not in leaving.buses:
                continue
            if sensor.bus is None:
                self._stop(name)
            else:
                self._leave_bus(sensor.bus, name)
            del self.sensors[name]

    def _leave_bus(self, bus: str, device: str) -> None:
        self.wires.modbus(bus).remove(device)
        self._forget(device)

    def _stop(self, name: str) -> None:
        self._crew.stop(name)
        self._forget(name)

    def _forget(self, *gone: str) -> None:
        """Of a stack of power modules also its modules."""
        for name in [name for name in self.health if name.partition("/")[0] in gone]:
            del self.health[name]

    def _start_devices(self, plan: PlantSlice) -> None:
        for meter in plan.meters:
            if meter.id not in self.meters:
                self.meters[meter.id] = (meter, self.wires.modbus(meter.bus).add_meter(meter.setup, meter.profile))
        for evse in plan.evses:
            if evse.id in self.evses:
                self._go_on(self.evses[evse.id], evse, plan)
            else:
                self._start_evse(evse, _dc_output(evse, plan))
        for reader in plan.readers:
            if reader.id not in self.readers:
                built = self._parts.build_reader(reader, self.sink)
                self.readers[reader.id] = (reader, built)
                self._crew.start_supervised(reader.id, built.run)

    def _start_sensors(self, plan: PlantSlice) -> None:
        for sensor in plan.sensors:
            if sensor.id in self.sensors:
                continue
            self.sensors[sensor.id] = sensor
            if isinstance(sensor.setup, RegisterSetup) and sensor.bus is not None:
                self.wires.modbus(sensor.bus).add_sensor(sensor.setup)
            else:
                self._crew.start_supervised(sensor.id, self._parts.build_input(sensor, self.sink).run)

    def _open_account(self, evse: str, state: EvseState, plan: PlantSlice) -> None:
        slice_ = next(one for one in plan.evses if one.id == evse)
        register = BillingRegister(own_meter=slice_.meter is not None, dc=_dc_output(slice_, plan))
        owner = EvseOwner(state, self._parts.owner(slice_, register))
        self._accounts[evse] = Account(owner, register)
        self._tasks.create_task(owner.run(), name=f"owner of {evse}")

    def _go_on(self, unit: EvseUnit, evse: EvseSlice, plan: PlantSlice) -> None:
        """Its device stays as it is; another billing meter is another register, so the stay needs new evidence."""
        owner = unit.controlled.owner
        owner.parts = self._parts.owner(evse, unit.register)
        if _billing(self._plan, unit.plan) != _billing(plan, evse):
            unit.register.start_over(own_meter=evse.meter is not None, dc=_dc_output(evse, plan))
            unit.watcher.doubt()
        unit.plan = evse

    def _start_evse(self, plan: EvseSlice, dc: DcOutput | None) -> None:
        account = self._accounts[plan.id]
        account.register.start_over(own_meter=plan.meter is not None, dc=dc)
        account.owner.parts = self._parts.owner(plan, account.register)
        device, served_by = self.wires.add(plan)
        account.register.read_now = device.read_now
        actuator = Actuator(device, self._parts.clock)
        controlled = ControlledEvse(device, account.owner, actuator, served_by)
        watcher = Watcher(account.owner, account.register, self._parts.clock.now)
        self.evses[plan.id] = EvseUnit(plan, controlled, account.register, watcher)
        self._crew.start(plan.id, actuator.run())

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
            case SensorRead(sensor, value, t_s):
                if sensor in self.sensors:
                    self._parts.sensed(sensor, value, t_s)
            case HealthChanged():
                self._health_changed(event)

    def _metered(self, meter: str, reading: MeterReading) -> None:
        if meter not in self.meters:
            return
        self.readings[meter] = reading
        for unit in self.evses.values():
            if unit.plan.meter == meter:
                unit.register.on_meter(reading)
        rating = self._overload_ma.get(meter)
        if rating and any(load > most for load, most in zip(reading.current_ma, rating, strict=True)):
            self._parts.prompt()

    def _health_changed(self, event: HealthChanged) -> None:
        if not any(
            event.device in known for known in (self.evses, self.meters, self.readers, self.sensors, self.wires)
        ):
            return  # a last word of something that was taken down
        before = self.health.get(event.device)
        self.health[event.device] = (event.health, event.text)
        if before != (event.health, event.text):
            _log.info("%s: %s %s", event.device, event.health.value, event.text)
        if before is not None and before[0] is event.health:
            return
        unit = self.evses.get(event.device)
        if unit is not None and event.health is Health.OK:
            unit.controlled.actuator.forget()
        if unit is not None and event.health is Health.LOST:
            unit.watcher.doubt()
        self._parts.prompt()


def _dc_output(evse: EvseSlice, plan: PlantSlice) -> DcOutput | None:
    return DcOutput(evse.point, plan.layout.voltage_mv) if isinstance(evse.setup, DcSetup) else None


def _billing(plan: PlantSlice, evse: EvseSlice) -> tuple[object, ...]:
    """What shows the EVSE's register, down to the wire."""
    meter = next((one for one in plan.meters if one.id == evse.meter), None)
    wire = next((one for one in plan.buses if meter is not None and one.id == meter.bus), None)
    return (meter, wire)
