"""What a scan of the running site needs to know of its configuration."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config.fragment import Names, fragment
from controller.config.library import OWN_PROFILES, site_profiles
from controller.config.slices import SiteConfig
from controller.runtime.scan_modules import Members, ModuleParts
from controller.runtime.scanning import ScanningParts
from controller.runtime.slices import PlantSlice
from drivers.profile import builtin_folder
from drivers.scan import Device
from drivers.setups import DcSetup, RegisterSetup, Wire

if TYPE_CHECKING:
    from drivers.can.module_profile import ModuleModel
    from drivers.can.scan import Modules


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
        modules=ModuleParts(
            members=lambda bus: members(config().plant, bus),
            models=partial(site_models, path),
            fragment=lambda bus, found: module_tables(config(), bus, found),
        ),
    )


def site_models(path: Path) -> "Mapping[str, ModuleModel]":
    """All models of power modules that the site of this file could use.

    Raises:
        ProfileError: one of its own has faults.
    """
    from drivers.can.module_profile import catalogue

    own = path.parent.resolve() / OWN_PROFILES
    return catalogue(builtin_folder(), *([own] if own.is_dir() else []))


def members(plant: PlantSlice, bus: str) -> Members:
    """The stacks behind each power module of a CAN bus."""
    found: dict[tuple[str, int], list[str]] = {}
    for stack in (stack for cluster in plant.clusters for stack in cluster.stacks if stack.setup.bus == bus):
        for address in stack.setup.addresses:
            found.setdefault((stack.model.profile.driver, address), []).append(stack.id)
    return found


def module_tables(config: SiteConfig, bus: str, found: "Sequence[Modules]") -> str:
    from controller.config.module_fragment import module_fragment

    outlets = [evse.id for evse in config.plant.evses if isinstance(evse.setup, DcSetup)]
    return "\n".join(module_fragment(found, bus, Names(taken(config)), outlets=outlets)).strip()


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
    stacks = (stack.id for cluster in plant.clusters for stack in cluster.stacks)
    return frozenset((*wires, *devices, *others, *stacks))


def tables(config: SiteConfig, buses: Mapping[Wire, str], found: Sequence[Device]) -> str:
    return "\n".join(fragment(found, buses=buses, taken=taken(config))).strip()
