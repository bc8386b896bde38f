"""Buses, EVSEs, meters and readers of site.toml: what fits what, and what cannot work (R12, R13)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec

from controller.allocation.circuits import Rotation, SupplyPoint
from controller.charging.records import Route
from controller.config.circuits import milli
from controller.config.document import (
    ROTATIONS,
    SINGLE_PHASE,
    TWO_PHASE,
    BusTable,
    Document,
    EvseTable,
    MeterTable,
    ReaderTable,
    RtuTable,
    TcpTable,
)
from controller.config.problems import doubles
from controller.runtime.slices import BusSlice, EvseSlice, MeterSlice, ReaderSlice
from drivers.api import Endpoint, EvseSetup, Line, MeterSetup, ReaderSetup, Wire
from drivers.profile import DeviceProfile

_NO_EVDEV = "needs the package evdev: install Debian's python3-evdev, or ampyard[keyboard]"

MEASURES = "energy_import_total"
LAST_UNIT = 247
"""Modbus over serial line, section 2.2: 0 is the broadcast, 248 to 255 are reserved."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What device entries are read against."""

    document: Document
    profiles: Mapping[str, DeviceProfile]
    problems: list[str]

    def bus(self, name: str) -> BusTable | None:
        return next((bus for bus in self.document.buses if bus.id == name), None)

    def check_bus(self, where: str, name: str) -> BusTable | None:
        bus = self.bus(name)
        if bus is None:
            self.complain(f"{where}.bus", f"there is no bus {name!r}")
        return bus

    def complain(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def profile(self, where: str, name: str, kind: str) -> DeviceProfile | None:
        profile = self.profiles.get(name)
        if profile is None:
            self.complain(f"{where}.profile", f"there is no device profile {name!r}; see firmware-profiles/")
        elif profile.identity.kind != kind:
            self.complain(f"{where}.profile", f"{name!r} describes a {profile.identity.kind}, not a {kind}")
            return None
        return profile

    def unit(self, where: str, table: EvseTable | MeterTable, profile: DeviceProfile) -> int:
        """The unit id: as configured, else the profile's for this kind of wire."""
        bus = self.check_bus(where, table.bus)
        if bus is None:
            return table.unit or 1
        defaults = profile.rtu if isinstance(bus, RtuTable) else profile.tcp
        if defaults is None:
            self.complain(f"{where}.bus", f"{table.profile!r} has no {bus.kind}")
            return table.unit or 1
        unit = defaults.unit if table.unit is None else table.unit
        if isinstance(bus, RtuTable) and not 1 <= unit <= LAST_UNIT:
            self.complain(
                f"{where}.unit", f"must be from 1 to {LAST_UNIT} on a serial wire: 0 reaches every device"
            )
        return unit


def read_evses(catalogue: Catalogue) -> tuple[EvseSlice, ...]:
    slices = [_evse(table, catalogue) for table in catalogue.document.evses]
    found = tuple(evse for evse in slices if evse is not None)
    _check_units(found, catalogue)
    return found


def _evse(table: EvseTable, catalogue: Catalogue) -> EvseSlice | None:
    where = f"evses[{table.id}]"
    profile = catalogue.profile(where, table.profile, "charger")
    if table.circuit not in {circuit.id for circuit in catalogue.document.circuits}:
        catalogue.complain(f"{where}.circuit", f"there is no circuit {table.circuit!r}")
    rotation = _rotation(table, catalogue)
    if profile is None:
        catalogue.check_bus(where, table.bus)
        return None
    if profile.setpoint is None:
        catalogue.complain(f"{where}.profile", f"{table.profile!r} takes no setpoint and cannot be controlled")
        return None
    if table.outlet > profile.modbus.outlets:
        catalogue.complain(f"{where}.outlet", f"{table.profile!r} has {profile.modbus.outlets}")
    setup = _evse_setup(table, profile, catalogue)
    point = SupplyPoint(
        id=table.id,
        circuit=table.circuit,
        rotation=rotation,
        phases=table.phases,
        min_ma=setup.min_ma,
        max_ma=setup.max_ma,
        step_ma=milli(profile.setpoint.step_a),
        latency_s=profile.setpoint.latency_s,
        raise_interval_s=profile.setpoint.raise_interval_s,
        most_raise_ma=0 if table.largest_raise_a is None else milli(table.largest_raise_a),
    )
    _check_currents(where, setup, profile, catalogue)
    _check_grid(where, point, catalogue)
    _check_watchdog(table, setup, profile, catalogue)
    _check_billing(table, profile, catalogue)
    return EvseSlice(
        setup=setup,
        point=point,
        profile=profile,
        bus=table.bus,
        meter=table.meter,
        billed_by=table.billed_by or catalogue.document.site.billed_by,
        route=_route(table.id, catalogue.document),
    )


def _route(evse: str, document: Document) -> Route | None:
    """The station of the CSMS to which an EVSE's records go (R31)."""
    for station in document.csms.stations if document.csms else ():
        if document.csms is not None and evse in station.evses:
            return Route(document.csms.id, station.identity)
    return None


def _evse_setup(table: EvseTable, profile: DeviceProfile, catalogue: Catalogue) -> EvseSetup:
    limits, watchdog = profile.setpoint, profile.watchdog
    lowest = limits.min_a if limits else Decimal(6)
    power_up = table.power_up_current_a
    if power_up is None and limits is not None:
        power_up = limits.power_up_a
    minimum = milli(table.min_current_a if table.min_current_a is not None else lowest)
    return EvseSetup(
        id=table.id,
        unit=catalogue.unit(f"evses[{table.id}]", table, profile),
        outlet=table.outlet,
        failsafe_ma=minimum if table.failsafe_current_a is None else milli(table.failsafe_current_a),
        watchdog_timeout_s=table.watchdog_timeout_s or (watchdog.timeout_s if watchdog else None) or 30.0,
        min_ma=minimum,
        max_ma=milli(table.max_current_a),
        power_up_ma=None if power_up is None else milli(power_up),
    )


def _check_currents(where: str, setup: EvseSetup, profile: DeviceProfile, catalogue: Catalogue) -> None:
    limits = profile.setpoint
    if limits is None:
        return
    name = profile.identity.id
    if setup.max_ma > milli(limits.max_a):
        catalogue.complain(f"{where}.max_current_a", f"{name} takes at most {limits.max_a} A")
    if setup.min_ma < milli(limits.min_a):
        catalogue.complain(f"{where}.min_current_a", f"{name} takes at least {limits.min_a} A")
    if setup.min_ma > setup.max_ma:
        catalogue.complain(f"{where}.max_current_a", "is below the minimum current")
    elif setup.failsafe_ma and not setup.min_ma <= setup.failsafe_ma <= setup.max_ma:
        catalogue.complain(f"{where}.failsafe_current_a", "must be 0 or between minimum and maximum current")


def _check_grid(where: str, point: SupplyPoint, catalogue: Catalogue) -> None:
    if point.min_ma <= point.max_ma and point.on_grid(point.max_ma) < point.least_ma():
        step = f"{point.step_ma / 1000:g} A"
        catalogue.complain(
            f"{where}.max_current_a", f"no setpoint in steps of {step} lies between minimum and maximum"
        )


def _check_watchdog(table: EvseTable, setup: EvseSetup, profile: DeviceProfile, catalogue: Catalogue) -> None:
    """R1: nobody may believe in a fall-back that the charger does not have."""
    where, name, watchdog = f"evses[{table.id}].watchdog_timeout_s", profile.identity.id, profile.watchdog
    if watchdog is None:
        if table.watchdog_timeout_s is not None:
            catalogue.complain(where, f"{name} has no watchdog; remove the key")
        return
    low, high = watchdog.timeout_min_s or 0.0, watchdog.timeout_max_s or 3600.0
    if not low <= setup.watchdog_timeout_s <= high:
        catalogue.complain(where, f"{name} takes {low:g} to {high:g} s")


def _check_billing(table: EvseTable, profile: DeviceProfile, catalogue: Catalogue) -> None:
    """R13: whoever bills needs a lifetime register."""
    where = f"evses[{table.id}].meter"
    if table.meter is None:
        if MEASURES not in profile.registers:
            catalogue.complain(where, f"is missing: {table.profile!r} has no lifetime energy register of its own")
        return
    meter = next((meter for meter in catalogue.document.meters if meter.id == table.meter), None)
    if meter is None:
        catalogue.complain(where, f"there is no meter {table.meter!r}")
        return
    measured = catalogue.profiles.get(meter.profile)
    if measured is not None and MEASURES not in measured.registers:
        catalogue.complain(where, f"{meter.profile!r} has no lifetime energy register")


def _rotation(table: EvseTable, catalogue: Catalogue) -> Rotation:
    where = f"evses[{table.id}].rotation"
    known = {1: {**SINGLE_PHASE, "L1L2L3": Rotation.L1L2L3}, 2: {**TWO_PHASE, **ROTATIONS}, 3: ROTATIONS}[
        table.phases
    ]
    if table.rotation not in known:
        catalogue.complain(where, f"{table.rotation!r} is not one of {', '.join(known)}")
    if catalogue.document.site.supply == "single-phase" and (table.phases, table.rotation[:2]) != (1, "L1"):
        catalogue.complain(f"evses[{table.id}].phases", "must be 1, on L1: the supply is single-phase")
    return known.get(table.rotation, Rotation.L1L2L3)


def _check_units(evses: tuple[EvseSlice, ...], catalogue: Catalogue) -> None:
    """R13: two outlets may share a unit, two devices may not."""
    owners: dict[tuple[str, int], str] = {}
    outlets: dict[tuple[str, int, int], str] = {}
    for evse in evses:
        if catalogue.bus(evse.bus) is None:
            continue
        key = (evse.bus, evse.setup.unit)
        other = outlets.setdefault((*key, evse.setup.outlet), evse.id)
        if owners.setdefault(key, evse.profile.identity.id) != evse.profile.identity.id:
            what = f"unit {key[1]} on {key[0]!r} is another model already; each device needs its own"
            catalogue.complain(f"evses[{evse.id}].unit", what)
        elif other != evse.id:
            what = (
                f"unit {key[1]}, outlet {evse.setup.outlet} on {key[0]!r} is {other!r} already; each needs its own"
            )
            catalogue.complain(f"evses[{evse.id}].unit", what)
    for meter in catalogue.document.meters:
        profile = catalogue.profiles.get(meter.profile)
        if profile is None or catalogue.bus(meter.bus) is None:
            continue
        unit = catalogue.unit(f"meters[{meter.id}]", meter, profile)
        if owners.setdefault((meter.bus, unit), meter.id) != meter.id:
            what = f"unit {unit} on {meter.bus!r} is taken; each device needs its own"
            catalogue.complain(f"meters[{meter.id}].unit", what)


def read_meters(catalogue: Catalogue) -> tuple[MeterSlice, ...]:
    found = []
    for table in catalogue.document.meters:
        where = f"meters[{table.id}]"
        profile = catalogue.profile(where, table.profile, "meter")
        if profile is None:
            continue
        unit = catalogue.unit(where, table, profile)
        setup = MeterSetup(table.id, unit, table.ct_ratio, table.reversed, table.period_s)
        found.append(MeterSlice(setup, profile, table.bus))
    return tuple(found)


def read_readers(catalogue: Catalogue) -> tuple[ReaderSlice, ...]:
    evses = {evse.id for evse in catalogue.document.evses}
    found = []
    for table in catalogue.document.readers:
        profile = catalogue.profile(f"readers[{table.id}]", table.profile, "reader")
        for evse in table.evses:
            if evse not in evses:
                catalogue.complain(f"readers[{table.id}].evses", f"there is no EVSE {evse!r}")
        for evse in doubles(table.evses):
            catalogue.complain(f"readers[{table.id}].evses", f"lists {evse!r} twice")
        if profile is not None and profile.serial is None and table.baud is not None:
            catalogue.complain(f"readers[{table.id}].baud", f"{table.profile!r} has no serial line; remove the key")
        if profile is not None:
            if profile.driver == "keyboard" and find_spec("evdev") is None:
                catalogue.complain(f"readers[{table.id}].profile", _NO_EVDEV)
            found.append(_reader(table, profile))
    return tuple(found)


def _reader(table: ReaderTable, profile: DeviceProfile) -> ReaderSlice:
    return ReaderSlice(ReaderSetup(table.id, table.port, table.baud), profile, table.evses, table.oldest_first)


def read_buses(catalogue: Catalogue) -> tuple[BusSlice, ...]:
    """One wire each; its serial settings are its own or those on which all its devices agree."""
    buses = tuple(BusSlice(table.id, _wire(table, catalogue)) for table in catalogue.document.buses)
    places = [bus.wire.port if isinstance(bus.wire, Line) else f"{bus.wire.host}:{bus.wire.port}" for bus in buses]
    places += [reader.port for reader in catalogue.document.readers]
    catalogue.problems.extend(f"buses: {place} is used twice; one wire is one bus" for place in doubles(places))
    return buses


def _wire(table: BusTable, catalogue: Catalogue) -> Wire:
    if isinstance(table, TcpTable):
        return Endpoint(table.host, table.port)
    document = catalogue.document
    names = [evse.profile for evse in document.evses if evse.bus == table.id]
    names += [meter.profile for meter in document.meters if meter.bus == table.id]
    lines = [profile.rtu for name in names if (profile := catalogue.profiles.get(name)) and profile.rtu]
    first = lines[0] if lines else None
    wanted = {
        (table.baud or line.baud, table.parity or line.parity, table.stop_bits or line.stop_bits) for line in lines
    }
    if len(wanted) > 1:
        catalogue.complain(
            f"buses[{table.id}]",
            "its devices differ in baud, parity or stop bits by default: set them alike and state it here",
        )
    return Line(
        table.port,
        table.baud or (first.baud if first else 9600),
        table.parity or (first.parity if first else "N"),
        table.stop_bits or (first.stop_bits if first else 1),
    )
