"""Folders of profile files: which kind a file is of, and all of one loader's kinds by id."""

import importlib
import tomllib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    @property
    def id(self) -> str: ...


P = TypeVar("P", bound=Named)


class ProfileError(Exception):
    """One or more profiles are wrong; `problems` lists every fault as `file: key: what`."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Loader(Generic[P]):
    """Reads files of some kinds. A file that tells no kind is for the loader without `kinds`."""

    load: Callable[[Path], P]
    kinds: Collection[str] = ()
    not_kinds: Collection[str] = ()

    def takes(self, path: Path) -> bool:
        kind = kind_of(path)
        return kind in self.kinds if self.kinds else kind not in self.not_kinds


def kind_of(path: Path) -> str | None:
    """The file's key `kind`; None where there is none, or no readable file."""
    try:
        kind = tomllib.loads(path.read_text(encoding="utf-8")).get("kind")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    return kind if isinstance(kind, str) else None


def collect(loader: Loader[P], *folders: Path) -> dict[str, P]:
    """All profiles of the loader's kinds below the folders by id; a later folder replaces an id of an earlier one.

    Raises:
        ProfileError: with the problems of all files.
    """
    problems: list[str] = []
    found: dict[str, P] = {}
    for folder in folders:
        problems += _add_folder(loader, folder, found)
    if problems:
        raise ProfileError(tuple(problems))
    return found


def builtin_folder() -> Path:
    """Where this distribution's profiles lie: in the installed package, or beside `drivers` in a checkout."""
    try:
        package = importlib.import_module("firmware_profiles")
    except ModuleNotFoundError:
        return Path(__file__).resolve().parent.parent / "firmware-profiles"
    return Path(str(package.__file__)).resolve().parent


def _add_folder(loader: Loader[P], folder: Path, found: dict[str, P]) -> Iterator[str]:
    if not folder.is_dir():
        yield f"{folder}: is not a folder"
    here: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.toml")):
        if not loader.takes(path):
            continue
        try:
            profile = loader.load(path)
        except ProfileError as error:
            yield from error.problems
            continue
        if profile.id in here:
            yield f"{path}: id: {profile.id} is also in {here[profile.id]}"
        here[profile.id] = path
        found[profile.id] = profile
