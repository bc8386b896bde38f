"""The profiles that a site is read with: all of its own, and of the shipped ones those that it names.

Its own are checked whether it names them or not, so that a slip is found before the device is wired.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config.problems import ConfigError
from drivers.profile import DeviceProfile, ProfileError, among, builtin_folder, catalogue
from drivers.profile_folder import ProfileFile, read_folder

if TYPE_CHECKING:
    from drivers.can.module_profile import ModuleModel

OWN_PROFILES = "profiles"
"""Folder beside site.toml for profiles of the site's own; they replace shipped ones of the same id."""


@dataclass(frozen=True, slots=True)
class Library:
    """The device profiles, and the models of power modules, which are read only where a site has some."""

    profiles: Mapping[str, DeviceProfile]
    modules: "Callable[[], Mapping[str, ModuleModel]]" = dict


def library_for(data: Mapping[str, object], folder: Path) -> Library:
    """What a site needs, by the parsed text of its file and the folder that this lies in.

    Raises:
        ConfigError: with the problems of all files; `modules` raises it too.
    """
    own = [file for found in _own(folder) for file in read_folder(found)]
    shipped = read_folder(builtin_folder(), _named(data, "evses", "meters", "readers"))
    try:
        profiles = among(shipped, own)
    except ProfileError as error:
        raise ConfigError(error.problems) from error
    return Library(profiles, partial(_models, _named(data, "power_modules"), own))


def site_profiles(path: Path) -> Mapping[str, DeviceProfile]:
    """All device profiles that the site of this file could use, as a search for devices needs them.

    Raises:
        ProfileError: one of its own has faults.
    """
    return catalogue(builtin_folder(), *_own(path.parent.resolve()))


def _own(folder: Path) -> Sequence[Path]:
    own = folder / OWN_PROFILES
    return [own] if own.is_dir() else []


def _named(data: Mapping[str, object], *lists: str) -> frozenset[str]:
    """The profiles that entries of these lists name; an entry of another shape is refused when it is read."""
    entries = [entry for name in lists for entry in _entries(data.get(name))]
    names = [entry.get("profile") for entry in entries if isinstance(entry, dict)]
    return frozenset(name for name in names if isinstance(name, str))


def _entries(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _models(named: frozenset[str], own: Sequence[ProfileFile]) -> "Mapping[str, ModuleModel]":
    """Where one is named that does not exist all are read, to be listed."""
    from drivers.can import module_profile

    try:
        found = module_profile.among(read_folder(builtin_folder(), named), own)
        return found if found.keys() >= named else module_profile.among(read_folder(builtin_folder()), own)
    except ProfileError as error:
        raise ConfigError(error.problems) from error
