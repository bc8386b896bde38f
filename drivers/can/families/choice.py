"""Which family a module profile belongs to."""

from cantools.database import Database

from drivers.can.families.huawei import Huawei
from drivers.can.families.infypower import InfyPower
from drivers.can.families.scu import Scu
from drivers.can.families.told import Family
from drivers.can.families.uugreen import UuGreen
from drivers.can.module_profile import ModuleProfile


def family_of(profile: ModuleProfile, frames: Database, group: int | None = None) -> Family:
    """`group`: the number set at the modules, for families that have groups."""
    if profile.driver == "infypower":
        return InfyPower(profile, frames, group)
    if profile.driver == "uugreen":
        return UuGreen(profile, frames, group)
    if profile.driver == "scu":
        return Scu(profile, frames, group)
    return Huawei(profile, frames, group)
