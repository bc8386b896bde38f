"""All kinds of profiles together: a file is read by whoever knows its `kind`."""

from collections.abc import Callable, Mapping
from pathlib import Path

from drivers.can import module_profile
from drivers.can.module_profile import ModuleModel
from drivers.profile import MODULE_KIND, DeviceProfile, interpret
from drivers.profile_folder import ProfileError, ProfileFile, read_file

AnyProfile = DeviceProfile | ModuleModel
KINDS: Mapping[str, Callable[[ProfileFile], AnyProfile]] = {
    **dict.fromkeys(("charger", "meter", "reader", "secc"), interpret),
    MODULE_KIND: module_profile.interpret,
}


def load_any(path: Path) -> AnyProfile:
    """Read and check one file of whatever kind.

    Raises:
        ProfileError: with all problems of the file; also where it tells no kind.
    """
    file = read_file(path)
    return KINDS.get(file.kind or "", interpret)(file)


def check_any(path: Path) -> tuple[str, ...]:
    """Every fault of one file as `file: key: what`; none where it may be used."""
    try:
        load_any(path)
    except ProfileError as error:
        return error.problems
    return ()
