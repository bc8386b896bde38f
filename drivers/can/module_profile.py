"""A model of DC power modules: its profile (TOML, kind `power_module`) and the DBC file beside it, checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import cantools
from cantools.database import Database
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drivers.profile import MODULE_KIND
from drivers.profile_folder import ProfileError, ProfileFile, collect, read_file, read_folder

_Positive = Annotated[float, Field(gt=0, le=3600)]
_Whole = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CanTable(_Table):
    """`bitrate` None: the source does not state it."""

    bitrate: _Whole | None = None


class AddressTable(_Table):
    first: Annotated[int, Field(ge=0, le=255)]
    last: Annotated[int, Field(ge=0, le=255)]
    together: _Whole
    """Most modules that may be driven as one."""

    @model_validator(mode="after")
    def _in_order(self) -> "AddressTable":
        if self.first > self.last:
            raise ValueError("first is above last")
        return self


class LimitsTable(_Table):
    """Of one module. `asked`: the module tells its own, which then count where they are lower."""

    voltage_min_mv: _Whole
    voltage_max_mv: _Whole
    current_ma: _Whole
    power_w: _Whole
    asked: bool

    @model_validator(mode="after")
    def _in_order(self) -> "LimitsTable":
        if self.voltage_min_mv >= self.voltage_max_mv:
            raise ValueError("voltage_min_mv is not below voltage_max_mv")
        return self


class TimingTable(_Table):
    poll_s: _Positive
    silent_s: _Positive
    """After so long without a frame nothing that a module said is believed."""
    settle_s: _Positive
    """From a setpoint to a measurement that must show it."""
    prepare_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    switches_off_s: _Positive | None = None
    """The module has certainly switched off when it heard nothing for so long. None: unknown, so never (R1)."""

    @model_validator(mode="after")
    def _possible(self) -> "TimingTable":
        if self.silent_s <= self.poll_s:
            raise ValueError("silent_s is not above poll_s: every module would count as silent")
        if self.switches_off_s is not None and self.switches_off_s <= self.silent_s:
            raise ValueError("switches_off_s is not above silent_s")
        return self


class StatusTable(_Table):
    """Names of status bits. `off`: the bit that proves it; None: the module has none."""

    off: str | None = None
    normal: tuple[str, ...] = Field(default=(), strict=False)
    """Not worth an alarm."""
    faults: tuple[str, ...] = Field(default=(), strict=False)
    """A module with one of these is switched off and not used."""
    duplicate: str | None = None


class ModuleProfile(_Table):
    """The file; `drivers.can.families` turns it into frames."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    id: str
    vendor: str
    model: str
    kind: Literal["power_module"]
    driver: Literal["infypower", "uugreen", "scu", "huawei"]
    dbc: str
    confidence: Literal["high", "medium", "low"]
    sources: tuple[str, ...] = Field(min_length=1, strict=False)
    can: CanTable
    address: AddressTable
    limits: LimitsTable
    timing: TimingTable
    status: StatusTable = StatusTable()


@dataclass(frozen=True, slots=True)
class ModuleModel:
    """A profile with its frames. Two that were read from equal files are equal."""

    profile: ModuleProfile
    dbc: str
    frames: Database = field(compare=False, repr=False)

    @property
    def id(self) -> str:
        return self.profile.id


def catalogue(*folders: Path) -> dict[str, ModuleModel]:
    """All models of power modules below the folders by id; a later folder replaces an id of an earlier one.

    Raises:
        ProfileError: with the problems of all files.
    """
    return among(*(read_folder(folder) for folder in folders))


def among(*folders: Iterable[ProfileFile]) -> dict[str, ModuleModel]:
    """The same of folders that were read.

    Raises:
        ProfileError: with the problems of all files.
    """
    return collect(interpret, *([file for file in files if file.kind == MODULE_KIND] for files in folders))


def load(file: Path) -> ModuleModel:
    """A module profile; its DBC file is looked for beside it.

    Raises:
        ProfileError: either cannot be read, or contradicts itself or the other.
    """
    return interpret(read_file(file))


def interpret(file: ProfileFile) -> ModuleModel:
    """The same of a file that was read.

    Raises:
        ProfileError: it or its DBC file cannot be read, or contradicts itself or the other.
    """
    path = file.path
    if file.fault is not None:
        raise ProfileError((f"{path}: {file.fault}",))
    try:
        profile = ModuleProfile.model_validate(_plain(file.tables))
    except ValidationError as error:
        raise ProfileError(tuple(_fault(path, fault["loc"], fault["msg"]) for fault in error.errors())) from error
    if path.stem != profile.id:
        raise ProfileError((f"{path}: id: {profile.id!r} must be the name of the file",))
    text, frames = _frames(profile, path)
    _check_status(profile, frames, path)
    return ModuleModel(profile, text, frames)


def _plain(value: object) -> object:
    """With floats in place of exact decimals."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _fault(file: Path, place: tuple[int | str, ...], what: str) -> str:
    return f"{file}: {'.'.join(map(str, place)) or 'file'}: {what}"


def _frames(profile: ModuleProfile, file: Path) -> tuple[str, Database]:
    if "/" in profile.dbc or not profile.dbc.endswith(".dbc"):
        raise ProfileError((f"{file}: dbc: is the name of a file beside the profile, not {profile.dbc!r}",))
    try:
        text = (file.parent / profile.dbc).read_text("ascii")
        database = cantools.database.load_string(text, "dbc")
    except (OSError, UnicodeDecodeError, cantools.Error) as error:
        raise ProfileError((f"{file}: dbc: {profile.dbc} cannot be read: {error}",)) from error
    if not isinstance(database, Database):
        raise ProfileError((f"{file}: dbc: {profile.dbc} holds no CAN frames",))
    return text, database


def _check_status(profile: ModuleProfile, database: Database, file: Path) -> None:
    status = profile.status
    named = {*status.normal, *status.faults, *(name for name in (status.off, status.duplicate) if name)}
    known = {signal.name for message in database.messages for signal in message.signals}
    if unknown := sorted(named - known):
        raise ProfileError((f"{file}: status: {profile.dbc} has no status bits {', '.join(unknown)}",))
