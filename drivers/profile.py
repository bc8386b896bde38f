"""A device profile file -> `DeviceProfile`, or every fault of the file at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError

from drivers import profile_faults
from drivers.profile_folder import ProfileError, ProfileFile, builtin_folder, collect, read_file, read_folder
from drivers.profile_numbers import Section
from drivers.profile_probe import ProbeTable
from drivers.profile_schema import (
    AsciiFormat,
    CurrentSetpoint,
    DeviceProfile,
    Identity,
    KeepAlive,
    ModbusQuirks,
    Probe,
    Reading,
    Register,
    Release,
    RtuDefaults,
    SerialDefaults,
    StateMap,
    Supply,
    TagRules,
    TcpDefaults,
    Watchdog,
)
from drivers.rules import charger, exclusion, file, probe, registers, supply
from drivers.rules.draft import Draft

__all__ = ["DeviceProfile", "ProfileError", "Register", "builtin_folder", "catalogue", "load"]

SECTIONS = (
    *("tcp", "rtu", "modbus", "registers", "commission", "state"),
    *("setpoint", "enable", "watchdog", "keepalive", "tag", "supply", "serial", "ascii", "probe"),
)
MODULE_KIND = "power_module"
"""The kind of profile that is described by `drivers.can.module_profile`."""
S = TypeVar("S", bound=Section)


def load(path: Path) -> DeviceProfile:
    """Read and check one file.

    Raises:
        ProfileError: with all problems of the file.
    """
    return interpret(read_file(path))


def interpret(file: ProfileFile) -> DeviceProfile:
    """Check one file that was read.

    Raises:
        ProfileError: with all problems of the file.
    """
    problems: list[str] = []
    profile = _interpreted(file, problems)
    if profile is None:
        raise ProfileError(tuple(f"{file.path}: {problem}" for problem in problems))
    return profile


def catalogue(*folders: Path) -> dict[str, DeviceProfile]:
    """All device profiles below the folders by id; a later folder replaces an id of an earlier one.

    Profiles of power modules are not among them: `drivers.can.module_profile.catalogue` has those.

    Raises:
        ProfileError: with the problems of all files.
    """
    return among(*(read_folder(folder) for folder in folders))


def among(*folders: Iterable[ProfileFile]) -> dict[str, DeviceProfile]:
    """The same of folders that were read. A file that tells no kind is taken for a device's.

    Raises:
        ProfileError: with the problems of all files.
    """
    return collect(interpret, *([file for file in files if file.kind != MODULE_KIND] for files in folders))


def _interpreted(file: ProfileFile, problems: list[str]) -> DeviceProfile | None:
    if file.fault is not None:
        problems.append(file.fault)
        return None
    data = _corrected(dict(file.tables), problems)
    profile = _profile(data, problems)
    if profile is not None and profile.id != file.path.stem:
        problems.append(f"id: {profile.id!r} must be the name of the file")
    found = None if profile is None else _probed(profile, data, problems=problems)
    return None if problems else found


def _corrected(data: dict[str, object], problems: list[str]) -> dict[str, object]:
    """A section under a wrong name is one fault; it is read under the right one, so that only its own are added."""
    for name in [name for name, value in data.items() if name not in SECTIONS and _is_section(value)]:
        right = profile_faults.nearest(name, [section for section in SECTIONS if section not in data])
        table = data.pop(name)
        form = "[[{}]]" if isinstance(table, list) else "[{}]"
        guess = "" if right is None else f"; did you mean {form.format(right)}?"
        problems.append(f"{name}: unknown section{guess}")
        if right is not None:
            data[right] = table
    return data


def _is_section(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


def _profile(data: Mapping[str, object], problems: list[str]) -> DeviceProfile | None:
    """The file as it stands, without its probes."""
    draft = _draft(dict(data), problems)
    for rules in (file, registers, charger, supply, probe):
        problems += rules.problems(draft)
    if draft.identity is None:
        return None
    return DeviceProfile(
        identity=draft.identity,
        registers=MappingProxyType(dict(draft.registers)),
        commission=MappingProxyType(dict(draft.commission)),
        modbus=draft.modbus or ModbusQuirks(),
        tcp=draft.tcp,
        rtu=draft.rtu,
        state=draft.state,
        setpoint=draft.setpoint,
        enable=draft.enable,
        watchdog=draft.watchdog,
        keepalive=draft.keepalive,
        tag=draft.tag,
        supply=draft.supply,
        serial=draft.serial,
        ascii=draft.ascii,
    )


def _probed(profile: DeviceProfile, data: Mapping[str, object], *, problems: list[str]) -> DeviceProfile:
    """The profile with the tree of its probes: every other reading is checked like a file of its own."""
    tables = _probes(data, [])
    if not tables or problems:
        return profile
    first = tables[0]
    rest: dict[str, object] = {**data, "probe": _list(data.get("probe"))[1:]}
    readings = [Reading(first.says, first, _probed(profile, rest, problems=problems))]
    for place, other in enumerate(first.otherwise):
        changed = other.applied(rest)
        faults: list[str] = []
        found = _profile(changed, faults)
        if found is not None:
            found = _probed(found, changed, problems=faults)
            readings.append(Reading(other.says, first.expected_of(other), found, usable=other.usable))
        problems += (f"probe.{first.register_}.otherwise.{place}: {fault}" for fault in faults)
    decision = Probe(first.register_, tuple(readings), either=first.either)
    if not problems:
        problems += exclusion.problems(decision)
    return replace(profile, probe=decision)


def _draft(data: dict[str, object], problems: list[str]) -> Draft:
    """Check each section by itself, so that a fault in one does not hide those of the others."""
    tables = {key: data.pop(key) for key in SECTIONS if key in data}
    tables_of_registers = _table(tables, "registers", problems)

    def part(model: type[S], key: str) -> S | None:
        return _section(model, tables[key], where=key, problems=problems) if key in tables else None

    return Draft(
        identity=_section(Identity, data, where="", problems=problems),
        given=frozenset(tables),
        named=frozenset(tables_of_registers),
        registers=_registers(tables_of_registers, problems),
        commission=_commission(_table(tables, "commission", problems), problems),
        modbus=part(ModbusQuirks, "modbus"),
        tcp=part(TcpDefaults, "tcp"),
        rtu=part(RtuDefaults, "rtu"),
        state=part(StateMap, "state"),
        setpoint=part(CurrentSetpoint, "setpoint"),
        enable=part(Release, "enable"),
        watchdog=part(Watchdog, "watchdog"),
        keepalive=part(KeepAlive, "keepalive"),
        tag=part(TagRules, "tag"),
        supply=part(Supply, "supply"),
        serial=part(SerialDefaults, "serial"),
        ascii=part(AsciiFormat, "ascii"),
        probes=_probes(tables, problems),
    )


def _probes(tables: Mapping[str, object], problems: list[str]) -> tuple[ProbeTable, ...]:
    found = []
    for place, table in enumerate(_list(tables.get("probe"))):
        # Lists of tables come as lists; pydantic in its strict mode wants tuples of them.
        entry = {**table, "otherwise": tuple(_list(table.get("otherwise")))} if isinstance(table, dict) else table
        probe_table = _section(ProbeTable, entry, where=f"probe.{place}", problems=problems)
        if probe_table is not None:
            found.append(probe_table)
    if not isinstance(tables.get("probe", []), list):
        problems.append("probe: must be an array of tables, [[probe]]")
    return tuple(found)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _table(tables: Mapping[str, object], key: str, problems: list[str]) -> dict[str, object]:
    value = tables.get(key, {})
    if isinstance(value, dict):
        return value
    problems.append(f"{key}: must be a table")
    return {}


def _section(model: type[S], value: object, *, where: str, problems: list[str]) -> S | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = profile_faults.of_section(model, error)
        problems += (f"{'.'.join(part for part in (where, key) if part)}: {what}" for key, what in faults)
        return None


def _registers(tables: Mapping[str, object], problems: list[str]) -> dict[str, Register]:
    found: dict[str, Register] = {}
    for name, entry in tables.items():
        where = f"registers.{name}"
        if not isinstance(entry, dict) or "name" in entry:
            problems.append(f"{where}: must be a table without the key `name`")
            continue
        register = _section(Register, {**entry, "name": name}, where=where, problems=problems)
        if register is not None:
            found[name] = register
    return found


def _commission(values: Mapping[str, object], problems: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, raw in values.items():
        if isinstance(raw, bool) or not isinstance(raw, int):
            problems.append(f"commission.{name}: must be a raw whole number")
        else:
            found[name] = raw
    return found
