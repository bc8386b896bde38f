"""What is wrong in a scenario although each of its rows is right."""

from collections.abc import Iterable, Iterator

from sim.dc.rows import dc_contradictions
from sim.scenario import BusSpec, EvseSpec, Scenario


def contradictions(scenario: Scenario) -> list[str]:
    """Every problem, with the key path that it is about."""
    return [
        *_twice(scenario),
        *_tree(scenario),
        *_references(scenario),
        *_units(scenario),
        *_panels(scenario),
        *_wires(scenario),
        *dc_contradictions(scenario),
    ]


def _twice(scenario: Scenario) -> Iterator[str]:
    for key, ids in (
        ("circuits", [circuit.id for circuit in scenario.circuits]),
        ("buses", [bus.id for bus in scenario.buses]),
        (
            "evses, meters, readers",
            [device.id for device in scenario.devices] + [reader.id for reader in scenario.readers],
        ),
    ):
        for name in sorted({i for i in ids if ids.count(i) > 1}):
            yield f"{key}: {name} is there more than once"
    if not scenario.evses:
        yield "evses: there is none"


def _tree(scenario: Scenario) -> Iterator[str]:
    parents = {circuit.id: circuit.parent for circuit in scenario.circuits}
    if list(parents.values()).count(None) != 1:
        yield "circuits: exactly one must have no parent"
    for name, parent in parents.items():
        if parent is not None and parent not in parents:
            yield f"circuits.{name}.parent: there is no circuit {parent}"
        elif _loops(name, parents):
            yield f"circuits.{name}.parent: goes round in a circle"


def _loops(name: str, parents: dict[str, str | None]) -> bool:
    seen = set()
    place: str | None = name
    while place is not None and place not in seen:
        seen.add(place)
        place = parents.get(place)
    return place is not None


def _references(scenario: Scenario) -> Iterator[str]:
    circuits = {circuit.id for circuit in scenario.circuits}
    buses = {bus.id for bus in scenario.buses}
    evses = {evse.id for evse in scenario.evses}
    meters = {meter.id for meter in scenario.meters}
    for evse in scenario.evses:
        yield from _missing(f"evses.{evse.id}.circuit", [evse.circuit], circuits)
        yield from _missing(f"evses.{evse.id}.bus", [evse.bus], buses)
        yield from _missing(f"evses.{evse.id}.meter", [evse.meter], meters)
    for meter in scenario.meters:
        yield from _missing(f"meters.{meter.id}.bus", [meter.bus], buses)
        yield from _missing(f"meters.{meter.id}.circuit", [meter.circuit], circuits)
        yield from _missing(f"meters.{meter.id}.evse", [meter.evse], evses)
    for reader in scenario.readers:
        yield from _missing(f"readers.{reader.id}.evses", reader.evses, evses)
    for panel in scenario.panels:
        yield from _missing(f"panels.{panel.id}.bus", [panel.bus], buses)
    for circuit in scenario.circuits:
        yield from _missing(f"circuits.{circuit.id}.meter", [circuit.meter], meters)


def _missing(path: str, names: Iterable[str | None], known: set[str]) -> Iterator[str]:
    for name in names:
        if name is not None and name not in known:
            yield f"{path}: there is no {name}"


def _units(scenario: Scenario) -> Iterator[str]:
    places: dict[tuple[str, int, int], str] = {}
    chargers: dict[tuple[str, int], str] = {}
    for device in scenario.devices:
        outlet = device.outlet if isinstance(device, EvseSpec) else 0
        other = places.setdefault((device.bus, device.unit, outlet), device.id)
        profile = chargers.setdefault((device.bus, device.unit), device.profile.id)
        if other != device.id or profile != device.profile.id:
            yield f"{device.id}: shares bus {device.bus}, unit {device.unit} with {other}"


def _panels(scenario: Scenario) -> Iterator[str]:
    taken = {(device.bus, device.unit) for device in scenario.devices}
    can = {bus.id for bus in scenario.buses if bus.kind == "can"}
    for panel in scenario.panels:
        if panel.bus in can:
            yield f"panels.{panel.id}.bus: {panel.bus} is no Modbus bus"
        if (panel.bus, panel.unit) in taken:
            yield f"panels.{panel.id}: bus {panel.bus}, unit {panel.unit} is somebody else's"
        taken.add((panel.bus, panel.unit))


def _wires(scenario: Scenario) -> Iterator[str]:
    buses: dict[str, BusSpec] = {bus.id: bus for bus in scenario.buses}
    for device in scenario.devices:
        bus = buses.get(device.bus)
        if bus is None:
            continue
        if bus.kind == "can":
            unit = None
        else:
            unit = device.profile.tcp_unit if bus.line is None else device.profile.rtu_unit
        if unit is None:
            yield f"{device.id}: {device.profile.id} has no {bus.kind}"
