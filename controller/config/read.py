"""Reads site.toml: `read(path)` gives the whole configuration or every problem at once."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from controller.allocation.image import Layout
from controller.charging.tokens import BilledBy, SiteAccount, is_random
from controller.config.catalogue import Catalogue
from controller.config.circuits import milli, read_circuits
from controller.config.credentials import password
from controller.config.devices import read_buses, read_evses, read_meters, read_readers
from controller.config.document import CsmsTable, Document
from controller.config.library import Library, library_for
from controller.config.limits import read_limits
from controller.config.mqtt import read_mqtt
from controller.config.problems import ConfigError, doubles, of_validation
from controller.config.remainder import sound_part
from controller.config.rules import read_rules
from controller.config.sensors import read_sensors
from controller.config.slices import SiteConfig
from controller.config.stacks import read_clusters, read_stacks
from controller.config.wires import check_wires
from controller.csms.schemas import Version
from controller.csms.slice import CsmsSlice, StationSlice, refusal
from controller.csms.variables import VariableError, first_values
from controller.runtime.slices import EvseSlice, PlantSlice
from controller.web.slice import WebSlice


def read(path: Path) -> SiteConfig:
    """The configuration of one site, sound in itself. The proof of R2 is a step of its own (`proof.py`).

    Raises:
        ConfigError: with every problem found.
    """
    folder = path.parent.resolve()
    data = _load(path)
    return examine(data, folder, library_for(data, folder))


def examine(data: Mapping[str, object], folder: Path, library: Library) -> SiteConfig:
    """The same from parsed TOML; `folder` is what relative paths in it refer to.

    Raises:
        ConfigError: with every problem found.
    """
    problems: list[str] = []
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        problems += of_validation(error, data)
        problems += _of_the_rest(data, error, folder, library)
        raise ConfigError(dict.fromkeys(problems)) from error
    config = _build(document, folder, library, problems)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return config


def _of_the_rest(data: Mapping[str, object], error: ValidationError, folder: Path, library: Library) -> list[str]:
    """What else is wrong, so that everything is listed at once: of the entries that are sound in shape."""
    rest = sound_part(data, error)
    try:
        document = Document.model_validate(rest.data)
    except ValidationError:
        return []
    problems: list[str] = []
    _build(document, folder, library, problems)
    return [problem for problem in problems if not rest.explains(problem)]


def _load(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def _build(document: Document, folder: Path, library: Library, problems: list[str]) -> SiteConfig:
    modules = library.modules() if document.power_modules else {}
    devices = Catalogue(document, library.profiles, modules, problems)
    _check_names(document, problems)
    stacks = read_stacks(devices)
    evses = read_evses(devices, stacks)
    clusters = read_clusters(devices, evses, stacks)
    meters = read_meters(devices)
    buses = read_buses(devices)
    check_wires(buses, evses, meters, problems)
    csms = _csms(document.csms, folder, problems) if document.csms else None
    _check_stations(document, evses, problems)
    layout = Layout(
        circuits=read_circuits(document, problems),
        evses=tuple(evse.point for evse in evses),
        voltage_mv=document.site.voltage_v * 1000,
        meter_period_s={meter.id: meter.setup.period_s for meter in meters},
        slot_s=60.0 * document.site.slot_minutes,
        groups=_groups(csms),
    )
    return SiteConfig(
        id=document.site.id,
        name=document.site.name,
        state_dir=folder / document.site.state_dir,
        cycle_s=document.site.cycle_s,
        plant=PlantSlice(layout, buses, evses, meters, read_readers(devices), read_sensors(devices), clusters),
        accounts=_accounts(document, problems),
        rules=read_rules(document, evses, meters, problems=problems),
        limits=read_limits(devices, layout),
        mqtt=read_mqtt(document, folder, problems),
        csms=csms,
        web=_web(document, problems),
    )


def _groups(csms: CsmsSlice | None) -> dict[str, frozenset[str]]:
    """What a CSMS can limit as one: the EVSEs of each station that has several."""
    stations = csms.stations if csms else ()
    return {one.identity: frozenset(one.evses) for one in stations if len(one.evses) > 1}


def _check_names(document: Document, problems: list[str]) -> None:
    """One name space for all that can be alarmed about."""
    names = [entry.id for entry in (*document.buses, *document.evses, *document.meters, *document.readers)]
    names += [stack.id for stack in document.power_modules]
    problems.extend(
        f"{name}: two buses, EVSEs, stacks of power modules, meters or readers have this id; each needs its own"
        for name in doubles(names)
    )
    circuits = doubles(circuit.id for circuit in document.circuits)
    problems.extend(f"circuits[{name}].id: is used twice" for name in circuits)
    _check_meters(document, problems)


def _check_meters(document: Document, problems: list[str]) -> None:
    uses = [evse.meter for evse in document.evses if evse.meter]
    uses += [circuit.meter for circuit in document.circuits if circuit.meter]
    problems.extend(f"meters[{name}]: measures one circuit or one EVSE, not several" for name in doubles(uses))


def _accounts(document: Document, problems: list[str]) -> tuple[SiteAccount, ...]:
    twice = doubles(token.uid for token in document.tokens)
    problems.extend(f"tokens[{uid}].uid: is used twice" for uid in twice)
    problems.extend(
        f"tokens[{token.uid}].uid: is random, another one at each tap (4 bytes from 08)"
        for token in document.tokens
        if is_random(token.uid)
    )
    return tuple(
        SiteAccount(
            uid=token.uid,
            name=token.name,
            alias=token.alias,
            billed_by=token.billed_by,
            min_ma=None if token.min_current_a is None else milli(token.min_current_a),
        )
        for token in document.tokens
    )


def _web(document: Document, problems: list[str]) -> WebSlice:
    host, _, port = document.web.listen.rpartition(":")
    if int(port) > 65535:
        problems.append("web.listen: the port is above 65535")
    return WebSlice(host.strip("[]"), int(port), document.web.names)


def _csms(table: CsmsTable, folder: Path, problems: list[str]) -> CsmsSlice:
    ca_file = folder / table.ca_file if table.ca_file else None
    if ca_file is not None and not ca_file.is_file():
        problems.append(f"csms.ca_file: there is no file {ca_file}")
    csms = CsmsSlice(
        id=table.id,
        url=table.url,
        version=Version(table.version),
        password=password("csms.password_file", folder / table.password_file, problems)
        if table.password_file
        else None,
        ca_file=ca_file,
        lab=table.lab,
        stations=tuple(StationSlice(station.identity, station.evses) for station in table.stations),
        initial=table.initial,
    )
    why_not = _refusal(csms)
    if why_not is not None:
        problems.append(f"csms.{why_not}")
    problems += _of_variables(table.initial)
    return csms


def _refusal(csms: CsmsSlice) -> str | None:
    try:
        address = urlsplit(csms.url)
        if address.port == 0 or address.query or address.fragment:
            return f"url: {csms.url!r} must end with a path, to which the identity is appended"
    except ValueError as error:
        return f"url: {csms.url!r} is no address: {error}"
    return refusal(csms)


def _of_variables(initial: Mapping[str, object]) -> list[str]:
    """Each by itself, then together: two spellings of one variable must not contradict each other."""
    problems = [problem for name, value in initial.items() for problem in _of_variable({name: value})]
    return problems or _of_variable(initial)


def _of_variable(initial: Mapping[str, object]) -> list[str]:
    try:
        first_values(initial)
    except VariableError as error:
        return [f"csms.initial[{error.key}]: {error.why}"]
    return []


def _check_stations(document: Document, evses: tuple[EvseSlice, ...], problems: list[str]) -> None:
    """R31: each EVSE belongs to at most one station, and one that a CSMS bills to exactly one."""
    stations = document.csms.stations if document.csms else ()
    served = [evse for station in stations for evse in station.evses]
    known = {evse.id for evse in document.evses}
    problems.extend(f"csms.stations: there is no EVSE {evse!r}" for evse in served if evse not in known)
    problems.extend(f"csms.stations: EVSE {evse!r} is in several places" for evse in doubles(served))
    identities = doubles(station.identity for station in stations)
    problems.extend(f"csms.stations[{identity}]: this identity is used twice" for identity in identities)
    problems.extend(
        f"evses[{evse.id}].billed_by: csms, but no [[csms.stations]] lists it; "
        "list it, or say billed_by = site or free"
        for evse in evses
        if evse.billed_by is BilledBy.CSMS and evse.id not in served
    )
