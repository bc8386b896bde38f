"""All kinds of profiles together: a file is read by whoever knows its `kind`."""

from collections.abc import Callable, Mapping
from pathlib import Path

from drivers.can import module_profile
from drivers.can.module_profile import ModuleModel
from drivers.profile import MODULE_KIND, DeviceProfile, load
from drivers.profile_folder import ProfileError, kind_of

AnyProfile = DeviceProfile | ModuleModel
KINDS: Mapping[str, Callable[[Path], AnyProfile]] = {
    **dict.fromkeys(("charger", "meter", "reader", "secc"), load),
    MODULE_KIND: module_profile.load,
}


def load_any(path: Path) -> AnyProfile:
    """Read and check one file of whatever kind.

    Raises:
        ProfileError: with all problems of the file; also where it tells no kind.
    """
    return KINDS.get(kind_of(path) or "", load)(path)


def check_any(path: Path) -> tuple[str, ...]:
    """Every fault of one file as `file: key: what`; none where it may be used."""
    try:
        load_any(path)
    except ProfileError as error:
        return error.problems
    return ()
