"""Reads site.toml: `read(path)` gives the whole configuration or every problem at once."""

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from controller.allocation.image import Layout
from controller.charging.tokens import BilledBy, SiteAccount, is_random
from controller.config.circuits import milli, read_circuits
from controller.config.devices import Catalogue, read_buses, read_evses, read_meters, read_readers
from controller.config.document import CsmsTable, Document
from controller.config.problems import ConfigError, doubles, of_validation
from controller.config.slices import SiteConfig
from controller.csms.schemas import Version
from controller.csms.slice import CsmsSlice, StationSlice, refusal
from controller.csms.variables import VariableError, checked
from controller.runtime.slices import EvseSlice, PlantSlice
from controller.web.slice import WebSlice
from drivers.profile import DeviceProfile, ProfileError, builtin_folder, catalogue


def read(path: Path) -> SiteConfig:
    """The configuration of one site, sound in itself. The proof of R2 is a step of its own (`proof.py`).

    Raises:
        ConfigError: with every problem found.
    """
    problems: list[str] = []
    data = _load(path)
    profiles = _profiles(problems)
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        raise ConfigError([*problems, *of_validation(error, data)]) from error
    config = _build(document, path.parent.resolve(), profiles, problems)
    if problems:
        raise ConfigError(problems)
    return config


def _load(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def _profiles(problems: list[str]) -> Mapping[str, DeviceProfile]:
    try:
        return catalogue(builtin_folder())
    except ProfileError as error:
        problems.extend(error.problems)
        return {}


def _build(
    document: Document, folder: Path, profiles: Mapping[str, DeviceProfile], problems: list[str]
) -> SiteConfig:
    devices = Catalogue(document, profiles, problems)
    _check_names(document, problems)
    evses = read_evses(devices)
    meters = read_meters(devices)
    csms = _csms(document.csms, folder, problems) if document.csms else None
    _check_stations(document, evses, problems)
    layout = Layout(
        circuits=read_circuits(document, problems),
        evses=tuple(evse.point for evse in evses),
        voltage_mv=document.site.voltage_v * 1000,
        meter_period_s={meter.id: meter.setup.period_s for meter in meters},
    )
    return SiteConfig(
        id=document.site.id,
        name=document.site.name,
        state_dir=folder / document.site.state_dir,
        cycle_s=document.site.cycle_s,
        plant=PlantSlice(layout, read_buses(devices), evses, meters, read_readers(devices)),
        accounts=_accounts(document, problems),
        csms=csms,
        web=_web(document, problems),
    )


def _check_names(document: Document, problems: list[str]) -> None:
    """One name space for all that can be alarmed about."""
    names = [entry.id for entry in (*document.buses, *document.evses, *document.meters, *document.readers)]
    problems.extend(f"{name}: two buses, EVSEs, meters or readers have this id" for name in doubles(names))
    circuits = doubles(circuit.id for circuit in document.circuits)
    problems.extend(f"circuits[{name}]: this id is used twice" for name in circuits)
    _check_meters(document, problems)


def _check_meters(document: Document, problems: list[str]) -> None:
    uses = [evse.meter for evse in document.evses if evse.meter]
    uses += [circuit.meter for circuit in document.circuits if circuit.meter]
    problems.extend(f"meters[{name}]: measures one circuit or one EVSE, not several" for name in doubles(uses))


def _accounts(document: Document, problems: list[str]) -> tuple[SiteAccount, ...]:
    twice = doubles(token.uid for token in document.tokens)
    problems.extend(f"tokens[{uid}]: this uid is used twice" for uid in twice)
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
        password=_password(folder / table.password_file, problems) if table.password_file else None,
        ca_file=ca_file,
        lab=table.lab,
        stations=tuple(StationSlice(station.identity, station.evses) for station in table.stations),
        initial=table.initial,
    )
    why_not = refusal(csms)
    if why_not is not None:
        problems.append(f"csms.{why_not}")
    for name, value in table.initial.items():
        try:
            checked(name, value)
        except VariableError as error:
            problems.append(f"csms.initial[{error.key}]: {error.why}")
    return csms


def _password(path: Path, problems: list[str]) -> str | None:
    """R35: from a file that only its owner may read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"csms.password_file: cannot be read: {error}")
        return None
    if mode & 0o077:
        problems.append(f"csms.password_file: others may read {path} (mode {mode:o}): chmod 600")
    if not password:
        problems.append(f"csms.password_file: {path} is empty")
    return password


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
