"""What a group of power modules is made of, what it is asked for, and what it tells."""

from dataclasses import dataclass

from drivers.can.families.told import Family
from drivers.can.module import ModuleView
from drivers.can.module_profile import ModuleProfile


@dataclass(frozen=True, slots=True)
class GroupSetup:
    """`addresses` empty: whatever answers in the device profile's range belongs to the group.

    `whole_bus`: no other output's modules are on this bus, so that broadcasts may be used.
    """

    id: str
    addresses: tuple[int, ...]
    whole_bus: bool


@dataclass(frozen=True, slots=True)
class Target:
    """Output of the whole group. Zero current is off."""

    voltage_mv: int
    current_ma: int
    valid_until_s: float
    others: int = 0
    """Modules of other groups that deliver into the same output."""


@dataclass(frozen=True, slots=True)
class GroupReading:
    """`voltage_mv`, `current_ma` None: some module that may be live did not tell it lately.

    `bound_ma`: the most that may be flowing, silent modules included. `t_s`: of the oldest value used.
    """

    t_s: float | None
    voltage_mv: int | None
    current_ma: int | None
    bound_ma: int
    modules: tuple[ModuleView, ...]


def check(setup: GroupSetup, profile: ModuleProfile, family: Family, bitrate: int) -> None:
    """Raises ValueError where a group cannot work as it is set up."""
    bounds = profile.address
    if outside := [address for address in setup.addresses if not bounds.first <= address <= bounds.last]:
        raise ValueError(f"{setup.id}: {profile.id} has addresses {bounds.first} to {bounds.last}, not {outside}")
    if len(set(setup.addresses)) != len(setup.addresses):
        raise ValueError(f"{setup.id}: an address is given twice")
    if not setup.addresses and not (family.find() and setup.whole_bus):
        raise ValueError(
            f"{setup.id}: give the addresses of the modules; they can only be found by themselves on a "
            "bus of their own, and with a group number where the model has groups"
        )
    if len(setup.addresses) > bounds.together:
        raise ValueError(f"{setup.id}: at most {bounds.together} modules of {profile.id} may work together")
    if profile.can.bitrate not in (None, bitrate):
        raise ValueError(f"{setup.id}: {profile.id} needs {profile.can.bitrate} bit/s, its bus has {bitrate}")
