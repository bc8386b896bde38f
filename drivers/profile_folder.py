"""Folders of profile files. A file is read once, whoever asks it for its kind and makes a profile of it."""

import importlib
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol, TypeVar

from drivers import profile_faults


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
class ProfileFile:
    """What stands in a file, its fractions as exact decimals. `fault`: why nothing of it can be read."""

    path: Path
    tables: Mapping[str, object]
    fault: str | None = None

    @property
    def kind(self) -> str | None:
        kind = self.tables.get("kind")
        return kind if isinstance(kind, str) else None


def read_file(path: Path) -> ProfileFile:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return ProfileFile(path, tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        return ProfileFile(path, {}, f"file: {profile_faults.of_syntax(text, error)}")
    except (OSError, UnicodeDecodeError) as error:
        return ProfileFile(path, {}, f"file: {error}")
    except (ValueError, ArithmeticError, RecursionError):
        return ProfileFile(path, {}, "file: a number is too long, or lists are nested too deeply")


def read_folder(folder: Path, only: Collection[str] | None = None) -> tuple[ProfileFile, ...]:
    """All profile files below a folder, or those of these ids: a profile's id is the name of its file."""
    if not folder.is_dir():
        return (ProfileFile(folder, {}, "is not a folder"),)
    paths = sorted(folder.rglob("*.toml"))
    return tuple(read_file(path) for path in paths if only is None or path.stem in only)


def collect(load: Callable[[ProfileFile], P], *folders: Iterable[ProfileFile]) -> dict[str, P]:
    """All profiles of the folders by id; a later folder replaces an id of an earlier one.

    Raises:
        ProfileError: with the problems of all files.
    """
    problems: list[str] = []
    found: dict[str, P] = {}
    for folder in folders:
        problems += _add_folder(load, folder, found)
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


def _add_folder(
    load: Callable[[ProfileFile], P], folder: Iterable[ProfileFile], found: dict[str, P]
) -> Iterator[str]:
    here: dict[str, Path] = {}
    for file in folder:
        try:
            profile = load(file)
        except ProfileError as error:
            yield from error.problems
            continue
        if profile.id in here:
            yield f"{file.path}: id: {profile.id} is also in {here[profile.id]}"
        here[profile.id] = file.path
        found[profile.id] = profile
