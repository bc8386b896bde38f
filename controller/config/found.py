"""What a scan of the running site needs to know of its configuration."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from controller.config.fragment import fragment
from controller.config.read import site_profiles
from controller.config.slices import SiteConfig
from controller.runtime.scanning import ScanningParts
from controller.runtime.slices import PlantSlice
from drivers.scan import Device
from drivers.setups import RegisterSetup, Wire


def scanning_parts(
    path: Path,
    config: Callable[[], SiteConfig],
    *,
    running: Callable[[], Mapping[str, object]],
    changed: Callable[[], None],
) -> ScanningParts:
    """`config` is asked each time: a reload replaces it."""
    return ScanningParts(
        buses=running,
        owners=lambda bus: owners(config().plant, bus),
        profiles=partial(site_profiles, path),
        fragment=lambda bus, wire, found: tables(config(), {wire: bus}, found),
        changed=changed,
    )


def owners(plant: PlantSlice, bus: str) -> Mapping[int, Sequence[str]]:
    """The ids of site.toml behind each unit of a bus."""
    found: dict[int, list[str]] = {}
    for unit, name in _members(plant, bus):
        found.setdefault(unit, []).append(name)
    return found


def _members(plant: PlantSlice, bus: str) -> Iterator[tuple[int, str]]:
    yield from ((evse.setup.unit, evse.id) for evse in plant.evses if evse.bus == bus)
    yield from ((meter.setup.unit, meter.id) for meter in plant.meters if meter.bus == bus)
    for sensor in plant.sensors:
        if sensor.bus == bus and isinstance(sensor.setup, RegisterSetup):
            yield sensor.setup.unit, sensor.id
    for cluster in plant.clusters:
        for stack in cluster.stacks:
            yield from ((one.unit, stack.setup.id) for one in stack.setup.switches if one.bus == bus)


def taken(config: SiteConfig) -> frozenset[str]:
    """Ids that a new entry of site.toml must not have."""
    plant = config.plant
    wires = (bus.id for bus in plant.buses)
    devices = (*(evse.id for evse in plant.evses), *(meter.id for meter in plant.meters))
    others = (*(reader.id for reader in plant.readers), *(sensor.id for sensor in plant.sensors))
    return frozenset((*wires, *devices, *others))


def tables(config: SiteConfig, buses: Mapping[Wire, str], found: Sequence[Device]) -> str:
    return "\n".join(fragment(found, buses=buses, taken=taken(config))).strip()
