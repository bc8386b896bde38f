"""The one scan of a wire that the running site has, and single reads beside it (R39)."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from controller.charging.commands import (
    CancelScan,
    Outcome,
    ReadRegisters,
    RegistersRead,
    Result,
    StartScan,
    WriteRegister,
)
from controller.charging.found import FoundView, KnownView, ProposalView, ScanState, ScanView, WireView
from controller.runtime import scan_modules
from controller.runtime.scan_modules import ModuleOrder, ModuleParts, Searchable
from drivers.api import DeviceError
from drivers.modbus import pdu
from drivers.modbus.pdu import READ_FUNCTION, ExceptionAnswerError
from drivers.modbus.scheduler import Asks, Urgency
from drivers.modbus.survey_write import carry_out, sets_up, write_of
from drivers.profile import DeviceProfile, ProfileError
from drivers.scan import SERIAL_UNITS, Device, Scan, Visit, likely_units, scan_running
from drivers.setups import Line, Wire

_log = logging.getLogger(__name__)

READ_S = 8.0
"""For one read beside a scan: its share of the wire is small."""
WHY = 3
PROPOSALS = 5
ONLY_THIS = (
    "Scanned at the settings of this bus only: devices with another baud rate or parity are found with the "
    "service stopped (ampyard scan --port)."
)

Commissions = StartScan | CancelScan | ReadRegisters | WriteRegister


@runtime_checkable
class Visitable(Protocol):
    """A bus that lets others be asked beside its own devices."""

    @property
    def wire(self) -> Wire: ...

    def units(self) -> Collection[int]: ...

    def guest(self, *, writes: bool = False) -> Asks: ...


@dataclass(frozen=True, slots=True)
class ScanningParts:
    """`buses` are those that run, by id. `owners` names what site.toml has behind a unit of a bus.

    `profiles` reads files and is called in a thread; `fragment` makes tables for site.toml of what was found on a
    bus. `modules`: the same for power modules; None: no CAN bus can be searched.
    """

    buses: Callable[[], Mapping[str, object]]
    owners: Callable[[str], Mapping[int, Sequence[str]]]
    profiles: Callable[[], Mapping[str, DeviceProfile]]
    fragment: Callable[[str, Wire, Sequence[Device]], str]
    changed: Callable[[], None]
    modules: ModuleParts | None = None


@dataclass(frozen=True, slots=True)
class Order:
    bus: str
    wire: Visitable | Searchable
    units: Sequence[int]


class Scanning:
    """`run` is a component of its own: what a strange device does to a scan does nothing to the site."""

    def __init__(self, parts: ScanningParts) -> None:
        self._parts = parts
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self._wanted: Order | None = None
        self._job: asyncio.Task[None] | None = None
        self._view = ScanView()
        self._devices: list[Device] = []

    async def run(self) -> None:
        """Carry out scans, one after the other, until cancelled."""
        while True:
            order = await self._orders.get()
            if order is not self._wanted:
                continue  # cancelled before it began
            try:
                async with asyncio.TaskGroup() as tasks:
                    self._job = tasks.create_task(self._scan(order), name=f"scan of {order.bus}")
            finally:
                self._job = None
                if self._view.state is ScanState.RUNNING:
                    self._end(ScanState.FAILED, "the scan failed, and the log says why; charging goes on")

    def view(self) -> ScanView:
        wires = tuple(WireView(name, _name(bus)) for name, bus in self._scannable().items())
        return replace(self._view, wires=wires)

    async def ask(self, command: Commissions) -> Outcome:
        match command:
            case StartScan(bus, units):
                return self._start(bus, units)
            case CancelScan():
                return self._cancel()
            case ReadRegisters():
                return await self._read(command)
            case WriteRegister():
                return await self._write(command)

    def _visitable(self) -> dict[str, Visitable]:
        return {name: bus for name, bus in self._parts.buses().items() if isinstance(bus, Visitable)}

    def _scannable(self) -> dict[str, Visitable | Searchable]:
        """In the order of site.toml."""
        kinds = Visitable if self._parts.modules is None else Visitable | Searchable
        return {name: bus for name, bus in self._parts.buses().items() if isinstance(bus, kinds)}

    # The scan

    def _start(self, name: str, units: Sequence[int]) -> Outcome:
        bus = self._scannable().get(name)
        if bus is None:
            return Outcome(Result.UNKNOWN, f"there is no bus {name!r} that could be scanned")
        if self._view.state is ScanState.RUNNING or self._job is not None:
            return Outcome(Result.REFUSED, f"bus {self._view.bus!r} is being scanned: wait, or cancel that scan")
        serial = isinstance(bus, Visitable) and isinstance(bus.wire, Line)
        if serial and not set(units) <= set(SERIAL_UNITS):
            return Outcome(Result.REFUSED, "on a serial wire units are from 1 to 247; 0 reaches every device")
        self._devices = []
        known, notes = self._known_views(name, bus), (ONLY_THIS,) if serial else ()
        self._view = ScanView(ScanState.RUNNING, name, "reading device profiles", known=known, notes=notes)
        self._wanted = Order(name, bus, units)
        self._orders.put_nowait(self._wanted)
        self._parts.changed()
        _log.info("scan of bus %s begins", name)
        return Outcome(Result.DONE, f"bus {name} is being scanned; charging goes on")

    def _cancel(self) -> Outcome:
        if self._view.state is not ScanState.RUNNING:
            return Outcome(Result.UNKNOWN, "no scan is running")
        self._wanted = None
        if self._job is not None:
            self._job.cancel()
        self._end(ScanState.CANCELLED, "cancelled")
        return Outcome(Result.DONE, "the scan was cancelled")

    async def _scan(self, order: Order) -> None:
        try:
            notes = await self._carry_out(order)
        except (DeviceError, ProfileError) as error:
            self._end(ScanState.FAILED, str(error))
            return
        self._view = replace(self._view, notes=(*self._view.notes, *notes))
        count = len(self._view.found)
        self._end(ScanState.DONE, f"{count or 'no'} new device{'' if count == 1 else 's'} found")

    def _end(self, state: ScanState, text: str) -> None:
        self._view = replace(self._view, state=state, text=text)
        _log.info("scan of bus %s: %s", self._view.bus, text)
        self._parts.changed()

    async def _carry_out(self, order: Order) -> Sequence[str]:
        if isinstance(order.wire, Visitable):
            return await self._go_through(order.bus, order.wire, order.units)
        if self._parts.modules is None:
            return ()
        progress = scan_modules.Progress(self._told, self._found_modules)
        return await scan_modules.search(
            ModuleOrder(order.bus, order.wire, order.units), self._parts.modules, progress
        )

    async def _go_through(self, name: str, bus: Visitable, units: Sequence[int]) -> Sequence[str]:
        profiles = await asyncio.to_thread(self._parts.profiles)
        modbus = {key: one for key, one in profiles.items() if one.driver == "modbus"}
        serial = isinstance(bus.wire, Line)
        asked = units or (SERIAL_UNITS if serial else likely_units(modbus, bus.wire))
        visit = Visit(bus.guest(), bus.wire, asked, known=self._known(name, bus))
        found: Scan = await scan_running(visit, modbus, told=self._told, found=lambda one: self._found(name, one))
        return found.notes

    def _known(self, name: str, bus: Visitable) -> Mapping[int, Sequence[str]]:
        return {**dict.fromkeys(bus.units(), ()), **self._parts.owners(name)}

    def _known_views(self, name: str, bus: Visitable | Searchable) -> tuple[KnownView, ...]:
        if isinstance(bus, Visitable):
            return tuple(KnownView(unit, tuple(ids)) for unit, ids in sorted(self._known(name, bus).items()))
        return () if self._parts.modules is None else scan_modules.known_views(self._parts.modules.members(name))

    def _told(self, text: str, done: int, of: int) -> None:
        """The page sees it with the next cycle."""
        self._view = replace(self._view, text=text, done=done, of=of)

    def _found(self, bus: str, device: Device) -> None:
        self._devices.append(device)
        tables = self._parts.fragment(bus, device.wire, self._devices)
        views = tuple(found_view(one) for one in self._devices)
        self._view = replace(self._view, found=views, fragment=tables)
        self._parts.changed()

    def _found_modules(self, views: tuple[FoundView, ...], tables: str) -> None:
        self._view = replace(self._view, found=views, fragment=tables)
        self._parts.changed()

    # Single registers

    async def _read(self, asked: ReadRegisters) -> Outcome:
        bus = self._visitable().get(asked.bus)
        table = next((one for one in READ_FUNCTION if one == asked.table), None)
        if bus is None or table is None:
            return Outcome(Result.UNKNOWN, f"there is no {'bus ' + asked.bus if bus is None else asked.table}")
        if isinstance(bus.wire, Line) and asked.unit not in SERIAL_UNITS:
            return Outcome(Result.REFUSED, "on a serial wire a unit is from 1 to 247; 0 would reach every device")
        try:
            request = pdu.read(asked.unit, table, address=asked.address, count=asked.count)
            async with asyncio.timeout(READ_S):
                answer = await bus.guest().transfer(request, Urgency.PROBE)
        except ValueError as error:
            return Outcome(Result.REFUSED, str(error))
        except TimeoutError:
            return Outcome(Result.FAILED, f"bus {asked.bus} was too busy", registers=RegistersRead(fault="timeout"))
        except DeviceError as error:
            code = error.code if isinstance(error, ExceptionAnswerError) else None
            read = RegistersRead(fault=error.fault.value, exception=code)
            return Outcome(Result.FAILED, str(error), registers=read)
        age_s = asyncio.get_running_loop().time() - answer.t_s
        return Outcome(Result.DONE, registers=RegistersRead(tuple(answer.values), max(0.0, age_s)))

    async def _write(self, order: WriteRegister) -> Outcome:
        bus = self._visitable().get(order.bus)
        if bus is None:
            return Outcome(Result.UNKNOWN, f"there is no bus {order.bus!r}")
        profile = (await asyncio.to_thread(self._parts.profiles)).get(order.profile)
        if profile is None:
            return Outcome(Result.UNKNOWN, f"there is no device profile {order.profile!r}")
        if why_not := self._forbidden(order, bus, profile):
            return Outcome(Result.REFUSED, why_not)
        try:
            write = write_of(profile, order.register, order.value, outlet=order.outlet)
            async with asyncio.timeout(READ_S):
                guest = bus.guest(writes=True)
                done = await carry_out(guest, profile, write, unit=order.unit, outlet=order.outlet)
        except ValueError as error:
            return Outcome(Result.REFUSED, str(error))
        except TimeoutError:
            return Outcome(
                Result.FAILED, f"{order.register}: no answer in {READ_S:g} s: perhaps written, read it back"
            )
        except DeviceError as error:
            return Outcome(Result.FAILED, f"{order.register}: {error}")
        _log.warning("bus %s, unit %d: %s: %s by hand", order.bus, order.unit, write.name, done.text)
        return Outcome(Result.DONE if done.kept else Result.FAILED, f"{write.name}: {done.text}")

    def _forbidden(self, order: WriteRegister, bus: Visitable, profile: DeviceProfile) -> str | None:
        """R11: only set up what is not part of the site yet; what is, is written to by its control alone."""
        owners = self._known(order.bus, bus)
        if order.unit in owners:
            who = ", ".join(owners[order.unit]) or f"unit {order.unit}"
            return f"{who} is part of this site: only its control writes to it"
        if order.confirmed != order.register:
            return "not written: what was typed to confirm it is not the register's name"
        if isinstance(bus.wire, Line) and order.unit not in SERIAL_UNITS:
            return "on a serial wire a unit is from 1 to 247; 0 would reach every device"
        if not 1 <= order.outlet <= profile.modbus.outlets:
            return f"{profile.id} has {profile.modbus.outlets} outlets"
        if order.register not in sets_up(profile):
            names = ", ".join(sets_up(profile)) or "none"
            return f"{order.register!r} is not for setting up; while the site runs these may be written: {names}"
        return None


def found_view(device: Device) -> FoundView:
    proposals = (
        ProposalView(one.profile.id, one.confidence.name.lower(), one.why[:WHY])
        for one in device.matches[:PROPOSALS]
    )
    return FoundView(wire_name(device.wire), device.unit, tuple(proposals), device.notes)


def _name(bus: Visitable | Searchable) -> str:
    return wire_name(bus.wire) if isinstance(bus, Visitable) else scan_modules.line_name(bus.line)


def wire_name(wire: Wire) -> str:
    if isinstance(wire, Line):
        ascii_ = " ASCII" if wire.framing == "ascii" else ""
        return f"{wire.port} {wire.baud} {wire.data_bits}{wire.parity}{wire.stop_bits}{ascii_}"
    return f"{wire.host}:{wire.port}"
