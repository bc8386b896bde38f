"""The simulator's own reading of firmware-profiles/power-modules/, and how real modules of each family behave."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from sim.can.modules import SimHuawei, SimInfyPower, SimModule, SimScu, SimUuGreen
from sim.device_profile import UnknownProfileError, profiles_root

FOLDER = "power-modules"
FAMILIES: Mapping[str, type[SimModule]] = {
    "infypower": SimInfyPower, "uugreen": SimUuGreen, "scu": SimScu, "huawei": SimHuawei,
}  # fmt: skip
TIMEOUTS_S: Mapping[str, float] = {"infypower": 10.0}
"""After so long a silence the module itself switches off; the other families are known for nothing of the kind."""
USUAL_BITRATE = 125_000


@dataclass(frozen=True, slots=True)
class ModuleProfile:
    """One module of a model."""

    id: str
    family: str
    bitrate: int
    first: int
    last: int
    rated_a: float
    rated_w: float

    @property
    def timeout_s(self) -> float | None:
        return TIMEOUTS_S.get(self.family)

    @classmethod
    def nothing(cls) -> "ModuleProfile":
        """Stands in for a profile that is missing."""
        return cls("", "", USUAL_BITRATE, 0, 127, 1.0, 1.0)


def load_module_profile(profile_id: str) -> ModuleProfile:
    """Read the power module's profile of that id.

    Raises:
        UnknownProfileError: there is no such file, or it lacks what a simulation needs.
    """
    file = profiles_root() / FOLDER / f"{profile_id}.toml"
    if not file.is_file():
        raise UnknownProfileError(f"there is no profile of power modules {profile_id}")
    try:
        return _parsed(tomllib.loads(file.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as fault:
        raise UnknownProfileError(f"power modules {profile_id} cannot be simulated: {fault!r}") from fault


def _parsed(data: Mapping[str, Mapping[str, int]]) -> ModuleProfile:
    family = str(data["driver"])
    if family not in FAMILIES:
        raise ValueError(f"family {family}")
    limits, address = data["limits"], data["address"]
    return ModuleProfile(
        str(data["id"]), family, data["can"].get("bitrate", USUAL_BITRATE), address["first"], address["last"],
        limits["current_ma"] / 1000, float(limits["power_w"]),
    )  # fmt: skip
