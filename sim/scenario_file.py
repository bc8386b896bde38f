"""A scenario file to a `Scenario`; `sim.scenario` describes the format."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from sim.can.bus import INTERFACES
from sim.can.module_profile import USUAL_BITRATE
from sim.dc.rows import read_stack
from sim.device_profile import DeviceProfile, SerialLine, UnknownProfileError, load_profile
from sim.fields import Fields
from sim.physics import supply_phases
from sim.scenario import (
    BusSpec,
    CanSpec,
    CircuitSpec,
    CsmsSpec,
    DcSpec,
    EvseSpec,
    Happening,
    MeterSpec,
    PanelSpec,
    ReaderSpec,
    Scenario,
    ScenarioError,
    SiteSpec,
)
from sim.scenario_checks import contradictions

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
VERSIONS = ("1.6", "2.0.1")
ROTATIONS = {1: "L1", 2: "L1L2", 3: "L1L2L3"}


def load_scenario(name_or_path: str) -> Scenario:
    """Read a shipped scenario by its name, or a file by its path.

    Raises:
        ScenarioError: no such scenario, no TOML, or anything in it that is wrong.
    """
    shipped = resources.files("sim") / "scenarios" / f"{name_or_path}.toml"
    try:
        text = shipped.read_text("utf-8") if shipped.is_file() else Path(name_or_path).read_text("utf-8")
        return parse_scenario(tomllib.loads(text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise ScenarioError([f"{name_or_path}: {fault}"]) from fault


def parse_scenario(data: Mapping[str, Any]) -> Scenario:
    """Turn the tables of a scenario into a `Scenario`.

    Raises:
        ScenarioError: with all problems found.
    """
    problems: list[str] = []
    root = Fields(data, "", problems)
    scenario = _Reading(root).scenario()
    root.finish()
    if not problems:
        problems += contradictions(scenario)
    if problems:
        raise ScenarioError(problems)
    return scenario


class _Reading:
    """One pass over a file. Profiles are loaded once each."""

    def __init__(self, root: Fields) -> None:
        self._root = root
        self._profiles: dict[str, DeviceProfile] = {}
        self._lines: dict[str, SerialLine] = {}
        """Settings of the first serial device on each bus."""
        self._bitrates: dict[str, int] = {}

    def scenario(self) -> Scenario:
        root = self._root
        evses = tuple(_Device(row, self._profile(row, "charger", "secc")).evse() for row in root.tables("evses"))
        stacks = tuple(read_stack(row) for row in root.tables("power_modules"))
        for stack in stacks:
            self._bitrates.setdefault(stack.bus, stack.profile.bitrate)
        meters = tuple(_Device(row, self._profile(row, "meter")).meter() for row in root.tables("meters"))
        devices: list[EvseSpec | MeterSpec] = [*evses, *meters]
        for device in devices:
            if device.profile.serial is not None:
                self._lines.setdefault(device.bus, device.profile.serial)
        return Scenario(
            site=_site(Fields(root.table("site"), "site", root.problems)),
            circuits=tuple(_circuit(row) for row in root.tables("circuits")),
            buses=tuple(self._bus(row) for row in root.tables("buses")),
            evses=evses,
            meters=meters,
            readers=tuple(self._reader(row) for row in root.tables("readers")),
            tokens=dict(_token(row) for row in root.tables("tokens")),
            csms=_csms(Fields(root.table("csms"), "csms", root.problems)) if root.has("csms") else None,
            happenings=tuple(
                sorted(
                    (_happening(row) for key in ("arrivals", "faults") for row in root.tables(key)),
                    key=lambda happening: happening.at_s,
                )
            ),
            inputs=dict(_input(row) for row in root.tables("inputs")),
            panels=tuple(_panel(row) for row in root.tables("panels")),
            stacks=stacks,
        )

    def _profile(self, row: Fields, *kinds: str) -> DeviceProfile:
        name = row.text("profile")
        if name not in self._profiles:
            try:
                self._profiles[name] = load_profile(name)
            except UnknownProfileError as fault:
                row.complain("profile", str(fault))
                return DeviceProfile.nothing(kinds[0])
        profile = self._profiles[name]
        if profile.kind not in kinds or not _complete(profile):
            row.complain("profile", f"{name} is no {' or '.join(kinds)} that can be simulated")
            return DeviceProfile.nothing(kinds[0])
        return profile

    def _bus(self, row: Fields) -> BusSpec:
        kind = row.text("kind", among=("modbus-tcp", "modbus-rtu", "can"))
        name = row.text("id")
        if kind == "can":
            return BusSpec(name, kind, None, self._can(row, name))
        line = None
        if kind == "modbus-rtu":
            usual = self._lines.get(name, SerialLine(9600, "N", 1))
            framing = row.text("framing", usual.framing, among=("rtu", "ascii"))
            usual_bits = usual.data_bits if framing == usual.framing else 7 if framing == "ascii" else 8
            line = SerialLine(
                row.integer("baud", usual.baud),
                row.text("parity", usual.parity, among=("N", "E", "O")),
                row.integer("stop_bits", usual.stop_bits, low=1, high=2),
                row.integer("data_bits", usual_bits, low=7, high=8),
                framing,
            )
            if line.baud not in BAUDS:
                row.complain("baud", f"{line.baud} is none of {BAUDS}")
        row.finish()
        return BusSpec(name, kind, line)

    def _can(self, row: Fields, name: str) -> CanSpec:
        can = CanSpec(
            row.text("interface", "socketcand", among=INTERFACES),
            row.text("channel", "can0"),
            row.integer("bitrate", self._bitrates.get(name, USUAL_BITRATE), low=10_000, high=1_000_000),
        )
        row.finish()
        return can

    def _reader(self, row: Fields) -> ReaderSpec:
        reader = ReaderSpec(
            row.text("id"), self._profile(row, "reader"), row.texts("evses"), row.flag("oldest_first", False)
        )
        row.finish()
        return reader


class _Device:
    """One row of [[evses]] or [[meters]]."""

    def __init__(self, row: Fields, profile: DeviceProfile) -> None:
        self._row = row
        self._profile = profile

    def _unit(self) -> int:
        usual = self._profile.tcp_unit if self._profile.tcp_unit is not None else self._profile.rtu_unit
        return self._row.integer("unit", 1 if usual is None else usual, low=1, high=255)

    def evse(self) -> EvseSpec:
        row, rules = self._row, self._profile.setpoint
        dc = self._dc()
        phases = row.integer("phases", 3, low=1, high=3)
        rotation = row.text("rotation", ROTATIONS[phases])
        least_a, most_a, usual_a = (1.0, 500.0, 1.0) if dc else (6.0, 80.0, rules.min_a if rules else 6.0)
        max_a = row.number("max_current_a", low=least_a, high=most_a)
        min_a = row.number("min_current_a", usual_a, low=least_a, high=most_a)
        power_up_a = rules.power_up_a if rules and rules.power_up_a is not None else max_a
        evse = EvseSpec(
            id=row.text("id"),
            profile=self._profile,
            bus=row.text("bus"),
            unit=self._unit(),
            outlet=1 if dc else row.integer("outlet", 1, low=1, high=self._profile.outlets),
            circuit=row.text("circuit"),
            supply=self._supply(rotation, phases),
            rotation=rotation,
            min_a=min_a,
            max_a=max_a,
            failsafe_a=0.0 if dc else row.number("failsafe_current_a", min_a, high=80),
            watchdog_timeout_s=row.maybe_number("watchdog_timeout_s", low=1),
            power_up_a=0.0 if dc else row.number("power_up_current_a", power_up_a, high=80),
            latency_s=row.number("latency_s", rules.latency_s if rules else 0.2, high=60),
            reject_rate=row.number("reject_writes", 0.01, high=1),
            boot_s=row.number("boot_s", 3.0, high=600),
            energy_wh=row.maybe_number("energy_wh"),
            meter=None if dc else row.maybe_text("meter"),
            dc=dc,
        )
        row.finish()
        return evse

    def _dc(self) -> DcSpec | None:
        if self._profile.kind != "secc":
            return None
        return DcSpec(
            self._row.number("max_power_kw", low=1, high=1000),
            self._row.number("efficiency", 0.92, low=0.5, high=1),
        )

    def _supply(self, rotation: str, phases: int) -> tuple[int, ...]:
        try:
            supply = supply_phases(rotation)
        except ValueError as fault:
            self._row.complain("rotation", str(fault))
            return (0, 1, 2)[:phases]
        if len(supply) != phases:
            self._row.complain("rotation", f"{rotation} does not have {phases} phases")
        return supply

    def meter(self) -> MeterSpec:
        row = self._row
        meter = MeterSpec(
            id=row.text("id"),
            profile=self._profile,
            bus=row.text("bus"),
            unit=self._unit(),
            circuit=row.maybe_text("circuit"),
            evse=row.maybe_text("evse"),
            ct_ratio=row.number("ct_ratio", 1, low=0.01),
            reversed=row.flag("reversed", False),
            period_s=row.number("period_s", 1.0, low=0.05),
            refresh_s=row.maybe_number("refresh_s", low=0.05, high=60),
            noise=row.number("noise", 0.002, high=0.5),
            energy_wh=row.maybe_number("energy_wh"),
        )
        if (meter.circuit is None) == (meter.evse is None):
            row.complain("", "measures either a circuit or an evse")
        row.finish()
        return meter


def _complete(profile: DeviceProfile) -> bool:
    """Whether it says what a charger or an SECC cannot be simulated without."""
    return {"charger": profile.setpoint, "secc": profile.supply}.get(profile.kind, profile) is not None


def _site(row: Fields) -> SiteSpec:
    name = row.text("id")
    site = SiteSpec(
        name, row.text("name", name), row.number("voltage_v", 230, low=100, high=300),
        row.integer("seed", 1), row.number("cycle_s", 1.0, low=0.05, high=60), row.maybe_text("web_listen"),
    )  # fmt: skip
    row.finish()
    return site


def _circuit(row: Fields) -> CircuitSpec:
    circuit = CircuitSpec(
        row.text("id"), row.maybe_text("parent"), row.amps("rating_a", low=1),
        row.number("usable_share", 0.95, low=0.1, high=1), row.amps("max_other_load_a", 0),
        row.amps("load_a", 0, low=-1e4), row.maybe_text("meter"),
    )  # fmt: skip
    row.finish()
    return circuit


def _input(row: Fields) -> tuple[str, bool]:
    found = (row.text("id"), row.flag("stop_all", False))
    row.finish()
    return found


def _panel(row: Fields) -> PanelSpec:
    tables = {table: row.table(table) for table in ("holding", "input", "coil", "discrete")}
    panel = PanelSpec(row.text("id"), row.text("bus"), row.integer("unit", 1, low=1, high=247), tables)
    for table, words in tables.items():
        for address, word in words.items():
            if not address.isdecimal() or not isinstance(word, int) or not 0 <= word <= 0xFFFF:
                row.complain(f"{table}.{address}", "a word is missing, under its address")
    row.finish()
    return panel


def _token(row: Fields) -> tuple[str, str]:
    token = (row.text("uid").upper(), row.text("status", "Accepted"))
    row.finish()
    return token


def _csms(row: Fields) -> CsmsSpec:
    csms = CsmsSpec(
        row.text("version", "2.0.1", among=VERSIONS),
        row.text("stations", "one", among=("one", "per-charger")) == "per-charger",
        row.flag("tls", True),
        row.table("initial"),
    )
    row.finish()
    return csms


def _happening(row: Fields) -> Happening:
    happening = Happening(row.number("at_s"), row.text("action"), row.table("body"))
    row.finish()
    return happening
