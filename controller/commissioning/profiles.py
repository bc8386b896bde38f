"""`ampyard profiles`: which device profiles there are, and whether a new one is right."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from controller.config.problems import ConfigError
from controller.terminal import EXIT_FAILED, Config, aligned, fail
from drivers.can.module_profile import ModuleModel, ModuleProfile
from drivers.profile import DeviceProfile, ProfileError, builtin_folder, load
from drivers.profile_kinds import AnyProfile, check_any, load_any
from drivers.profile_report import lines
from drivers.profile_schema import Identity

OWN = "profiles"
"""Folder beside site.toml for device profiles of the site's own."""

profiles_app = typer.Typer(
    help="Device profiles: list them, show one, and check one of your own.", no_args_is_help=True
)


def known(config: Path) -> Mapping[str, DeviceProfile]:
    """The shipped device profiles and the site's own; faulty ones are left out, and told."""
    return {name: found for name, found in _all(config).items() if isinstance(found, DeviceProfile)}


def _all(config: Path) -> Mapping[str, AnyProfile]:
    """As `known`, with the models of power modules."""
    found: dict[str, AnyProfile] = {}
    for path in _files(config):
        try:
            profile = load_any(path)
        except ProfileError as error:
            typer.echo(f"{path} is left out: {error.problems[0].removeprefix(f'{path}: ')}", err=True)
        else:
            found[profile.id] = profile
    return found


def _files(config: Path) -> Iterator[Path]:
    """The site's own come last: they count where two have one id."""
    own = config.parent / OWN
    for folder in (builtin_folder(), *([own] if os.access(own, os.X_OK) else [])):
        yield from sorted(folder.rglob("*.toml"))


def profile_of(name: str, config: Path) -> DeviceProfile:
    """A device profile by its id, or by the path of its file.

    Raises:
        ConfigError: the file has faults, or there is no such id.
    """
    if name.endswith(".toml"):
        try:
            return load(Path(name))
        except ProfileError as error:
            raise ConfigError(error.problems) from error
    found = _all(config)
    one = found.get(name)
    if isinstance(one, ModuleModel):
        raise ConfigError([f"{name!r} describes power modules on CAN: `ampyard scan --can` asks those"])
    if one is None:
        raise ConfigError(
            [f"there is no device profile {name!r}{_like(name, found)} `ampyard profiles list` shows all"]
        )
    return one


@profiles_app.command("check")
def check_profiles(
    files: Annotated[list[Path], typer.Argument(help="One or more device profiles, anywhere.", metavar="FILE...")],
) -> None:
    """Check device profiles, and say what the controller will make of each."""
    if problems := [problem for file in files for problem in _checked(file)]:
        raise ConfigError(problems)
    console = Console(soft_wrap=True, highlight=False)
    for file in files:
        first, *rest = lines(load_any(file))
        console.print(f"{file}: sound", markup=False)
        console.print(f"  {first}", *(f"    {line}" for line in rest), sep="\n", markup=False)


def _checked(file: Path) -> Sequence[str]:
    if file.is_file():
        return check_any(file)
    what = "is a folder; name its files" if file.is_dir() else "there is no such file"
    shipped = any(path.stem == file.name for path in builtin_folder().rglob("*.toml"))
    hint = f"; of a shipped one `ampyard profiles show {file.name}` prints the file" if shipped else ""
    return [f"{file}: file: {what}{hint}"]


@profiles_app.command("list")
def list_profiles(
    config: Config,
    pattern: Annotated[str, typer.Argument(help="Part of id, vendor or model.")] = "",
) -> None:
    """Show the device profiles that this site can use: the shipped ones, and those beside its site.toml."""
    found = [one for one in _all(config).values() if pattern.casefold() in _names(one).casefold()]
    if not found:
        fail(f"no device profile has {pattern!r} in its name", EXIT_FAILED)
    rows = [("Id", "Kind", "Device", "Wires", "Confidence")]
    for one in sorted(found, key=lambda one: (_identity(one).kind, one.id)):
        identity = _identity(one)
        rows.append(
            (one.id, identity.kind, f"{identity.vendor} {identity.model}", _wires(one), identity.confidence)
        )
    typer.echo("\n".join(aligned(rows)))


@profiles_app.command("show")
def show_profile(
    config: Config,
    name: Annotated[str, typer.Argument(help="Id of a device profile, as `list` shows it.", metavar="ID")],
) -> None:
    """Print the file of a device profile, to write one of your own after it; where it lies goes to stderr.

    Such as: ampyard profiles show keba-p30 > profiles/my-box.toml
    """
    files = {path.stem: path for path in _files(config)}
    if name not in files:
        fail(
            f"there is no device profile {name!r}{_like(name, files)} `ampyard profiles list` shows all",
            EXIT_FAILED,
        )
    typer.echo(f"from {files[name]}", err=True)
    typer.echo(files[name].read_text(encoding="utf-8"), nl=False)


def _like(name: str, known: Iterable[str]) -> str:
    near = [other for other in known if name in other][:3] or get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ";"


def _identity(profile: AnyProfile) -> Identity | ModuleProfile:
    return profile.profile if isinstance(profile, ModuleModel) else profile.identity


def _names(profile: AnyProfile) -> str:
    identity = _identity(profile)
    sold_as = identity.also_sold_as if isinstance(identity, Identity) else ()
    return " ".join((profile.id, identity.vendor, identity.model, *sold_as))


def _wires(profile: AnyProfile) -> str:
    if isinstance(profile, ModuleModel):
        return "CAN"
    wires = {"TCP": profile.tcp, "RTU": profile.rtu, "serial": profile.serial}
    return ", ".join(name for name, there in wires.items() if there is not None)
