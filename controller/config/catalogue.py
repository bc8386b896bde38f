"""What the device entries of site.toml are read against, and what several of them are asked alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.config.document import BusTable, CanTable, Document, EvseTable, MeterTable, RtuTable
from drivers.profile import DeviceProfile, builtin_folder
from drivers.spelling import meant

if TYPE_CHECKING:
    from drivers.can.module_profile import ModuleModel

MODULES = "power-modules"
"""Folder of the shipped profiles that are no device profiles."""
LAST_UNIT = 247
"""Modbus over serial line, section 2.2: 0 is the broadcast, 248 to 255 are reserved."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What device entries are read against."""

    document: Document
    profiles: Mapping[str, DeviceProfile]
    modules: "Mapping[str, ModuleModel]"
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

    def profile(self, where: str, name: str, *kinds: str) -> DeviceProfile | None:
        profile = self.profiles.get(name)
        if profile is None:
            self.complain(
                f"{where}.profile", f"there is no device profile {name!r}{_known(name, kinds, self.profiles)}"
            )
        elif profile.identity.kind not in kinds:
            self.complain(
                f"{where}.profile", f"{name!r} describes a {profile.identity.kind}, not a {' or '.join(kinds)}"
            )
            return None
        return profile

    def unit(self, where: str, table: EvseTable | MeterTable, profile: DeviceProfile) -> int:
        """The unit id: as configured, else the profile's for this kind of wire."""
        bus = self.check_bus(where, table.bus)
        if bus is None:
            return table.unit or 1
        if isinstance(bus, CanTable):
            self.complain(f"{where}.bus", f"{bus.id!r} is a CAN bus, and {table.profile!r} is on a Modbus one")
            return table.unit or 1
        defaults = profile.rtu if isinstance(bus, RtuTable) else profile.tcp
        if defaults is None:
            self.complain(f"{where}.bus", f"{table.profile!r} has no {bus.kind}{_behind_a_gateway(profile)}")
            return table.unit or 1
        unit = defaults.unit if table.unit is None else table.unit
        if isinstance(bus, RtuTable) and not 1 <= unit <= LAST_UNIT:
            self.complain(
                f"{where}.unit", f"must be from 1 to {LAST_UNIT} on a serial wire: 0 reaches every device"
            )
        return unit


def _behind_a_gateway(profile: DeviceProfile) -> str:
    if profile.rtu is None:
        return ""
    own = f"`ampyard profiles show {profile.id} > profiles/{profile.id}.toml`, with a section [tcp] added"
    return f"; behind a gateway of serial devices it needs a profile of the site's own: {own}"


def _known(name: str, kinds: Iterable[str], own: Mapping[str, DeviceProfile]) -> str:
    """What to do about a name that no device profile has; the shipped ones are named by their files."""
    shipped = {path.stem: path.parent.name for path in builtin_folder().rglob("*.toml")}
    if shipped.get(name) == MODULES:
        return ": these are power modules, which belong to [[power_modules]]"
    folders = {f"{kind}s" for kind in kinds}
    fitting = {other for other, folder in shipped.items() if folder in folders}
    fitting |= {other for other, profile in own.items() if profile.kind in kinds}
    return f"{meant(name, fitting) or ';'} `ampyard profiles list` shows all"
