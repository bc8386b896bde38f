"""One wire with the chargers and meters on it, as a component that can be changed while it runs (R36)."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers.api import BusFigures, Evse, Fault, Health, HealthChanged, Meter, Sink, UnitFigures
from drivers.modbus import pdu
from drivers.modbus.blocks import packing
from drivers.modbus.evse import ModbusEvse
from drivers.modbus.meter import ModbusMeter
from drivers.modbus.rtu import RtuLink
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.sensor import ModbusSensor
from drivers.modbus.survey_guest import Guest
from drivers.modbus.tcp import TcpLink
from drivers.modbus.unit import RTU, TCP, Timing, Unit
from drivers.profile_schema import DeviceProfile, Table
from drivers.setups import EvseSetup, Line, MeterSetup, RegisterSetup, Wire

FAST_RTU_S = 1.0
FAST_TCP_S = 0.5
"""Period of the chargers' readings, where the wire sustains it."""
KINDS = (Fault.TIMEOUT, Fault.DATA, Fault.REFUSED, Fault.CLOSED)
"""What can become of an exchange."""


class Member(Protocol):
    @property
    def id(self) -> str: ...

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """What a device needs of the bus that it is built for."""

    scheduler: Scheduler
    wire: Wire


class ModbusBus:
    def __init__(
        self, id: str, wire: Wire, sink: Sink, *, fast_s: float | None = None, timing: Timing | None = None
    ) -> None:
        self.id = id
        self._wire, self._sink = wire, sink
        usual_s = FAST_RTU_S if isinstance(wire, Line) else FAST_TCP_S
        self._fast_s = usual_s if fast_s is None else fast_s
        link = RtuLink(wire) if isinstance(wire, Line) else TcpLink(wire)
        usual = RTU if isinstance(wire, Line) else TCP
        self._scheduler = Scheduler(link, timing=timing or usual, on_health=self._health_changed)
        self._members: dict[str, Member] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    def add_evse(self, setup: EvseSetup, profile: DeviceProfile) -> Evse:
        """Put an outlet on the wire, before or while it runs.

        Raises:
            ValueError: the id is taken, the profile is no charger's, or the outlet is none of the model's.
        """
        if profile.setpoint is None:
            raise ValueError(f"{setup.id}: device profile {profile.id} describes no charger")
        if not 1 <= setup.outlet <= profile.modbus.outlets:
            raise ValueError(f"{setup.id}: {profile.id} has no outlet {setup.outlet}")
        evse = ModbusEvse(
            self._scheduler,
            setup,
            profile,
            form=profile.setpoint,
            sink=self._sink,
            packing=packing(self._wire, profile, setup.outlet),
            period_s=self._fast_s,
        )
        self._scheduler.unit(setup.unit, pipeline=profile.modbus.pipeline)
        self._add(evse)
        return evse

    def add_meter(self, setup: MeterSetup, profile: DeviceProfile) -> Meter:
        """Put a meter on the wire, before or while it runs.

        Raises:
            ValueError: the id is taken, or the profile is no meter's.
        """
        if profile.kind != "meter":
            raise ValueError(f"{setup.id}: device profile {profile.id} describes no meter")
        fits = packing(self._wire, profile)
        meter = ModbusMeter(self._scheduler, setup, profile, sink=self._sink, fits=fits)
        self._scheduler.unit(setup.unit, pipeline=profile.modbus.pipeline)
        self._add(meter)
        return meter

    def add_sensor(self, setup: RegisterSetup) -> None:
        """Put a single register on the wire, before or while it runs.

        Raises:
            ValueError: the id is taken.
        """
        self._add(ModbusSensor(self._scheduler, setup, sink=self._sink))

    @property
    def place(self) -> Place:
        """For drivers of other packages, which then `join`."""
        return Place(self._scheduler, self._wire)

    def join(self, member: Member) -> None:
        """Have a device that was built for this bus run on it, before or while it runs.

        Raises:
            ValueError: the id is taken.
        """
        self._add(member)

    def remove(self, device_id: str) -> None:
        """Take a device off the wire; a waiting setpoint fails with CLOSED.

        Raises:
            KeyError: there is none of this id.
        """
        del self._members[device_id]
        task = self._running.pop(device_id, None)
        if task is not None:
            task.cancel()

    async def run(self) -> None:
        """Serve until cancelled. A fault of the wire or of a device never ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._scheduler.run())
                self._tasks = tasks
                for member in self._members.values():
                    self._start(member)
        finally:
            self._tasks = None
            self._running.clear()

    def figures(self) -> BusFigures:
        counters = self._scheduler.counters
        return BusFigures(
            bus=self.id,
            transactions=counters.transactions,
            errors=counters.errors,
            timeouts=counters.timeouts,
            busy_s=counters.busy_s,
            devices=tuple(self._members),
            units=tuple(_unit_figures(unit) for unit in self._scheduler.units.values() if unit.devices),
            faults=_by_kind(counters.faults),
            waiting=self._scheduler.waiting,
            worst_cut_s=self._scheduler.worst_cut_s,
        )

    @property
    def wire(self) -> Wire:
        return self._wire

    def units(self) -> Collection[int]:
        """Behind which devices of the site are."""
        return {number for number, unit in self._scheduler.units.items() if unit.devices}

    def guest(self, *, writes: bool = False) -> Guest:
        """For whoever wants to ask other units as well, without disturbing those of the site."""
        return Guest(self._scheduler, writes=writes)

    async def read_raw(
        self, unit: int, table: Table, address: int, count: int, *, urgency: Urgency = Urgency.SLOW
    ) -> list[int]:
        """Registers or bits as they are.

        Raises:
            DeviceError: not answered, or refused.
            ValueError: the request cannot be sent.
        """
        request = pdu.read(unit, table, address=address, count=count)
        return list((await self._scheduler.transfer(request, urgency)).values)

    async def write_raw(self, unit: int, function: int, address: int, words: Sequence[int]) -> None:
        """Write by function 5, 6 or 16.

        Raises:
            DeviceError: not answered, or refused.
            ValueError: the request cannot be sent.
        """
        request = pdu.write(unit, function, address=address, words=words)
        await self._scheduler.transfer(request, Urgency.WRITE)

    def _add(self, member: Member) -> None:
        if member.id in self._members:
            raise ValueError(f"{member.id}: already on bus {self.id}")
        self._members[member.id] = member
        self._start(member)

    def _start(self, member: Member) -> None:
        if self._tasks is not None:
            self._running[member.id] = self._tasks.create_task(member.run())

    def _health_changed(self, health: Health, text: str) -> None:
        self._sink(HealthChanged(self.id, health, text, time.monotonic()))


def _unit_figures(unit: Unit) -> UnitFigures:
    counters, now_s = unit.counters, time.monotonic()
    return UnitFigures(
        unit=unit.number,
        transactions=counters.transactions,
        errors=counters.errors,
        timeouts=counters.timeouts,
        busy_s=counters.busy_s,
        lost_s=counters.lost_s,
        lost=unit.lost,
        turnaround_s=unit.turnaround_s,
        answer_age_s=None if unit.answered_s is None else max(0.0, now_s - unit.answered_s),
        faults=_by_kind(counters.faults),
    )


def _by_kind(faults: Mapping[Fault, int]) -> dict[str, int]:
    """All kinds, so that a rate can be told from the first of each on."""
    return {kind.value: faults.get(kind, 0) for kind in KINDS}
