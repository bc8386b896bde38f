"""Buses, EVSEs, meters and readers of site.toml: what fits what, and what cannot work (R12, R13)."""

from collections.abc import Sequence
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING

from controller.allocation.circuits import Rotation, SupplyPoint
from controller.charging.records import Route
from controller.config.catalogue import Catalogue
from controller.config.circuits import milli
from controller.config.dc import dc_point, only_dc, read_outlet
from controller.config.document import (
    ROTATIONS,
    SINGLE_PHASE,
    TWO_PHASE,
    BusTable,
    CanTable,
    Document,
    EvseTable,
    ReaderTable,
    RtuTable,
    TcpTable,
)
from controller.config.problems import doubles
from controller.config.stacks import can_line
from controller.runtime.slices import BusSlice, EvseSlice, MeterSlice, ReaderSlice
from drivers.can.frame import CanLine, Slcan, SocketCan, Socketcand
from drivers.profile import DeviceProfile
from drivers.profile_schema import CurrentSetpoint
from drivers.setups import DcSetup, Endpoint, EvseSetup, Line, MeterSetup, ReaderSetup, Wire

if TYPE_CHECKING:
    from drivers.dc.plan import StackPlan
from drivers.profile_schema import RtuDefaults, usual_bits

_EXTRAS = {
    "keyboard": ("evdev", "needs the package evdev: install Debian's python3-evdev, or ampyard[keyboard]"),
    "pcsc": (
        "smartcard",
        "needs the package pyscard: install Debian's python3-pyscard and pcscd, or ampyard[pcsc]",
    ),
}
"""By driver: the module that it imports, and what to do without."""

MEASURES = "energy_import_total"
CONTACTORS = "contactors"
"""Several may be switched by one module."""
SHORT_BITS = 7


def read_evses(catalogue: Catalogue, stacks: "Sequence[StackPlan]" = ()) -> tuple[EvseSlice, ...]:
    slices = [_evse(table, catalogue, stacks) for table in catalogue.document.evses]
    found = tuple(evse for evse in slices if evse is not None)
    _check_units(found, catalogue)
    return found


def _evse(table: EvseTable, catalogue: Catalogue, stacks: "Sequence[StackPlan]") -> EvseSlice | None:
    where = f"evses[{table.id}]"
    profile = catalogue.profile(where, table.profile, "charger", "secc")
    if table.circuit not in {circuit.id for circuit in catalogue.document.circuits}:
        catalogue.complain(f"{where}.circuit", f"there is no circuit {table.circuit!r}")
    rotation = _rotation(table, catalogue)
    if profile is None:
        catalogue.check_bus(where, table.bus)
        return None
    setup: EvseSetup | DcSetup
    if profile.kind == "secc":
        setup = read_outlet(table, profile, catalogue=catalogue, stacks=stacks)
        point = dc_point(table, setup, rotation, stacks=stacks)
    elif profile.setpoint is not None:
        setup = _charger(table, profile, catalogue)
        point = _ac_point(table, setup, profile.setpoint, rotation=rotation)
        _check_grid(where, point, catalogue)
    else:
        catalogue.complain(f"{where}.profile", f"{table.profile!r} takes no setpoint and cannot be controlled")
        return None
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


def _charger(table: EvseTable, profile: DeviceProfile, catalogue: Catalogue) -> EvseSetup:
    where = f"evses[{table.id}]"
    if table.outlet > profile.modbus.outlets:
        catalogue.complain(f"{where}.outlet", f"{table.profile!r} has {profile.modbus.outlets}")
    for what in only_dc(table):
        catalogue.complain(f"{where}.{what.partition(': ')[0]}", what.partition(": ")[2])
    setup = _evse_setup(table, profile, catalogue)
    _check_currents(where, setup, profile, catalogue)
    _check_watchdog(table, setup, profile, catalogue)
    return setup


def _ac_point(table: EvseTable, setup: EvseSetup, form: CurrentSetpoint, *, rotation: Rotation) -> SupplyPoint:
    return SupplyPoint(
        id=table.id,
        circuit=table.circuit,
        rotation=rotation,
        phases=table.phases,
        min_ma=setup.min_ma,
        max_ma=setup.max_ma,
        step_ma=milli(form.step_a),
        latency_s=form.latency_s,
        raise_interval_s=form.raise_interval_s,
        most_raise_ma=0 if table.largest_raise_a is None else milli(table.largest_raise_a),
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
        outlet = evse.setup.outlet
        other = outlets.setdefault((*key, outlet), evse.id)
        if owners.setdefault(key, evse.profile.identity.id) != evse.profile.identity.id:
            what = f"unit {key[1]} on {key[0]!r} is another model already; each device needs its own"
            catalogue.complain(f"evses[{evse.id}].unit", what)
        elif other != evse.id:
            what = f"unit {key[1]}, outlet {outlet} on {key[0]!r} is {other!r} already; each needs its own"
            catalogue.complain(f"evses[{evse.id}].unit", what)
    for meter in catalogue.document.meters:
        profile = catalogue.profiles.get(meter.profile)
        if profile is None or catalogue.bus(meter.bus) is None:
            continue
        unit = catalogue.unit(f"meters[{meter.id}]", meter, profile)
        if owners.setdefault((meter.bus, unit), meter.id) != meter.id:
            what = f"unit {unit} on {meter.bus!r} is taken; each device needs its own"
            catalogue.complain(f"meters[{meter.id}].unit", what)
    _check_contactors(owners, catalogue)


def _check_contactors(owners: dict[tuple[str, int], str], catalogue: Catalogue) -> None:
    for stack in catalogue.document.power_modules:
        for switch in stack.switches:
            if owners.setdefault((switch.bus, switch.unit), CONTACTORS) != CONTACTORS:
                what = f"unit {switch.unit} on {switch.bus!r} is another device; contactors need their own"
                catalogue.complain(f"power_modules[{stack.id}].switches[{switch.evse}].unit", what)


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
            module, remedy = _EXTRAS.get(profile.driver, ("", ""))
            if module and find_spec(module) is None:
                catalogue.complain(f"readers[{table.id}].profile", remedy)
            found.append(_reader(table, profile))
    return tuple(found)


def _reader(table: ReaderTable, profile: DeviceProfile) -> ReaderSlice:
    return ReaderSlice(ReaderSetup(table.id, table.port, table.baud), profile, table.evses, table.oldest_first)


def read_buses(catalogue: Catalogue) -> tuple[BusSlice, ...]:
    """One wire each; its serial settings are its own or those on which all its devices agree."""
    wires = {table.id: _wire(table, catalogue) for table in catalogue.document.buses}
    buses = tuple(BusSlice(name, wire) for name, wire in wires.items() if wire is not None)
    places = [_place(bus.wire) for bus in buses]
    places += [reader.port for reader in catalogue.document.readers]
    catalogue.problems.extend(f"buses: {place} is used twice; one wire is one bus" for place in doubles(places))
    return buses


def _place(wire: Wire | CanLine) -> str:
    """What no two buses can share."""
    match wire:
        case Line(port=port) | Slcan(port=port):
            return port
        case Socketcand():
            return f"{wire.host}:{wire.port}, {wire.channel}"
        case SocketCan(channel=channel):
            return channel
        case Endpoint():
            return f"{wire.host}:{wire.port}"


def _wire(table: BusTable, catalogue: Catalogue) -> Wire | CanLine | None:
    if isinstance(table, TcpTable):
        return Endpoint(table.host, table.port)
    if isinstance(table, CanTable):
        return can_line(table, catalogue)
    document = catalogue.document
    names = [evse.profile for evse in document.evses if evse.bus == table.id]
    names += [meter.profile for meter in document.meters if meter.bus == table.id]
    lines = [profile.rtu for name in names if (profile := catalogue.profiles.get(name)) and profile.rtu]
    wanted = {_line(table, line) for line in lines} or {_line(table, None)}
    if len(wanted) > 1:
        catalogue.complain(
            f"buses[{table.id}]",
            "its devices differ in baud, parity, stop bits or framing by default: set them alike and state it here",
        )
    found = _line(table, lines[0] if lines else None)
    if found.framing == "rtu" and found.data_bits == SHORT_BITS:
        catalogue.complain(f"buses[{table.id}].data_bits", 'must be 8: only framing = "ascii" works with 7')
    return found


def _line(table: RtuTable, usual: RtuDefaults | None) -> Line:
    """The line with what the site says, else with the settings of a device on it."""
    usual = usual or RtuDefaults(baud=9600, parity="N", stop_bits=1)
    framing = table.framing or usual.framing
    same = framing == usual.framing
    return Line(
        table.port,
        table.baud or usual.baud,
        table.parity or usual.parity,
        table.stop_bits or usual.stop_bits,
        table.data_bits or (usual.bits if same else usual_bits(framing)),
        framing,
    )
