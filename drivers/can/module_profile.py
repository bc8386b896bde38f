"""A model of DC power modules: its profile (TOML, `*.module`) and the DBC file beside it, checked.

The suffix keeps them apart from device profiles on Modbus and serial lines, all of which are `*.toml`.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import cantools
from cantools.database import Database
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drivers.profile import builtin_folder

SUFFIX = ".module"

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


class ModuleProfileError(Exception):
    """A module profile, or its DBC file, is missing or wrong. The text is for the installer."""


def shipped_ids() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _folder().glob(f"*{SUFFIX}")))


def load_shipped(profile_id: str) -> tuple[ModuleProfile, Database]:
    """One of the shipped module profiles with its frames.

    Raises:
        ModuleProfileError: there is none of that name.
    """
    if profile_id not in shipped_ids():
        raise ModuleProfileError(f"no power module {profile_id!r}; there are {', '.join(shipped_ids())}")
    return load(_folder() / f"{profile_id}{SUFFIX}")


def load(file: Path) -> tuple[ModuleProfile, Database]:
    """A module profile; its DBC file is looked for beside it.

    Raises:
        ModuleProfileError: either cannot be read, or contradicts itself or the other.
    """
    try:
        profile = ModuleProfile.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModuleProfileError(f"{file.name} cannot be read: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, at['loc']))}: {at['msg']}" for at in error.errors())
        raise ModuleProfileError(f"{file.name}: {faults}") from error
    if file.name != f"{profile.id}{SUFFIX}":
        raise ModuleProfileError(f"{file.name}: the file of {profile.id} is called {profile.id}{SUFFIX}")
    database = _frames(profile, file.parent)
    _check_status(profile, database)
    return profile, database


def _frames(profile: ModuleProfile, folder: Path) -> Database:
    if "/" in profile.dbc or not profile.dbc.endswith(".dbc"):
        raise ModuleProfileError(f"{profile.id}: dbc is the name of a file beside the profile, not {profile.dbc!r}")
    try:
        database = cantools.database.load_string((folder / profile.dbc).read_text("ascii"), "dbc")
    except (OSError, UnicodeDecodeError, cantools.Error) as error:
        raise ModuleProfileError(f"{profile.dbc} cannot be read: {error}") from error
    if not isinstance(database, Database):
        raise ModuleProfileError(f"{profile.dbc} holds no CAN frames")
    return database


def _check_status(profile: ModuleProfile, database: Database) -> None:
    status = profile.status
    named = {*status.normal, *status.faults, *(name for name in (status.off, status.duplicate) if name)}
    known = {signal.name for message in database.messages for signal in message.signals}
    if unknown := sorted(named - known):
        raise ModuleProfileError(f"{profile.id}: {profile.dbc} has no status bits {', '.join(unknown)}")


def _folder() -> Path:
    return builtin_folder() / "power-modules"
