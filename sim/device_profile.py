"""The simulator's own reading of the files in firmware-profiles/.

It shares no code with the drivers: a mistake in either reading of a profile must show as a
disagreement between the two.
"""

import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import resources
from importlib.abc import Traversable
from pathlib import Path
from typing import Any

FOLDERS = ("chargers", "meters", "readers", "seccs")
WORDS = {
    "bool": 1, "u16": 1, "s16": 1, "u32": 2, "s32": 2, "u64": 4, "s64": 4, "float32": 2, "float64": 4,
    "t5": 2, "t6": 2,
}  # fmt: skip
POWER_OF_TEN = -1
"""What a simulated device holds in a register with the power of ten of others."""

Table = Mapping[str, Any]


class UnknownProfileError(Exception):
    """No file of that id, or one that cannot be simulated."""


@dataclass(frozen=True, slots=True)
class Register:
    """One value in a device, as it lies on the wire. `scale` leads from raw to engineering units."""

    name: str
    address: int
    table: str
    type: str
    count: int
    scale: float
    unit: str
    readable: bool
    writable: bool
    write_fc: int | None
    little: bool
    low: float | None
    high: float | None
    values: Mapping[int, str] = field(hash=False)
    masks: tuple[int, ...] = ()
    repeat: int = 1

    def mask(self, outlet: int) -> int | None:
        """The bits in which the value of an outlet lies; None: it has the register for itself."""
        return self.masks[min(outlet, len(self.masks)) - 1] if self.masks else None


@dataclass(frozen=True, slots=True)
class StateMap:
    """How a charger says its pilot state. `raw` keeps the order of the file."""

    register: str
    raw: Mapping[str, str]
    plug_register: str | None
    plugged: tuple[int, ...]
    plugged_from: int | None


@dataclass(frozen=True, slots=True)
class SetpointRules:
    min_a: float
    max_a: float
    step_a: float
    pause: str | float
    latency_s: float
    power_up_a: float | None


@dataclass(frozen=True, slots=True)
class EnableRules:
    register: str
    on: int
    off: int


@dataclass(frozen=True, slots=True)
class WatchdogRules:
    method: str
    timeout_s: float
    fixed: bool
    value: int | None

    def hears(self, raw: int) -> bool:
        """Whether that value in the heartbeat register is a sign of life."""
        return self.value is None or raw == self.value


@dataclass(frozen=True, slots=True)
class SupplyRules:
    """How an SECC says what it wants of power modules: registers, and their raw values."""

    request: str
    request_on: int
    contactors: str
    contactors_closed: int
    insulation: str
    good: int
    testing: int
    stage: str
    cable_check: int
    pre_charge: int
    charging: int
    alive: str


@dataclass(frozen=True, slots=True)
class SerialLine:
    baud: int
    parity: str
    stop_bits: int
    data_bits: int = 8
    framing: str = "rtu"


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What the simulator needs of one device profile."""

    id: str
    kind: str
    driver: str
    tcp_unit: int | None
    rtu_unit: int | None
    serial: SerialLine | None
    max_block: int
    holes: bool
    spacing_s: float
    outlet_offset: int
    outlets: int
    global_registers: frozenset[str]
    registers: Mapping[str, Register]
    state: StateMap | None = None
    setpoint: SetpointRules | None = None
    enable: EnableRules | None = None
    watchdog: WatchdogRules | None = None
    supply: SupplyRules | None = None
    tag_none: str = ""
    tag_reversed: bool = False
    ascii: Table = field(default_factory=dict)
    shown: Mapping[str, float | str] = field(default_factory=dict)
    """Values of registers by which a master tells the model."""

    @classmethod
    def nothing(cls, kind: str) -> "DeviceProfile":
        """Stands in for a profile that is missing, so that the rest of a scenario can still be checked."""
        return cls(
            id="", kind=kind, driver="", tcp_unit=1, rtu_unit=1, serial=None, max_block=1, holes=True,
            spacing_s=0.0, outlet_offset=0, outlets=99, global_registers=frozenset(), registers={},
        )  # fmt: skip


def load_profile(profile_id: str) -> DeviceProfile:
    """Read the device profile of that id.

    Raises:
        UnknownProfileError: there is no such file, or it lacks what a simulation needs.
    """
    for folder in FOLDERS:
        file = profiles_root() / folder / f"{profile_id}.toml"
        if file.is_file():
            try:
                return parse_profile(tomllib.loads(file.read_text(encoding="utf-8")))
            except (KeyError, TypeError, ValueError) as fault:
                raise UnknownProfileError(f"device profile {profile_id} cannot be simulated: {fault!r}") from fault
    raise UnknownProfileError(f"there is no device profile {profile_id}")


def profiles_root() -> Traversable:
    """The installed package of profiles, or in a checkout the folder beside this package."""
    if importlib.util.find_spec("firmware_profiles") is not None:
        return resources.files("firmware_profiles")
    return Path(__file__).resolve().parent.parent / "firmware-profiles"


def parse_profile(data: Table) -> DeviceProfile:
    """Turn the text of a profile into a `DeviceProfile`; KeyError, TypeError or ValueError when it cannot."""
    modbus = data.get("modbus", {})
    little = modbus.get("word_order", "big") == "little"
    return DeviceProfile(
        id=data["id"],
        kind=data["kind"],
        driver=data["driver"],
        tcp_unit=data["tcp"].get("unit", 1) if "tcp" in data else None,
        rtu_unit=data["rtu"].get("unit", 1) if "rtu" in data else None,
        serial=_serial(data.get("rtu") or data.get("serial")),
        max_block=modbus.get("max_block", 32),
        holes=modbus.get("holes", True),
        spacing_s=modbus.get("spacing_ms", 0) / 1000,
        outlet_offset=modbus.get("outlet_offset", 0),
        outlets=modbus.get("outlets", 1),
        global_registers=frozenset(modbus.get("global_registers", ())),
        registers={name: _register(name, row, little) for name, row in data.get("registers", {}).items()},
        state=_state(data.get("state")),
        setpoint=_setpoint(data.get("setpoint")),
        enable=_enable(data.get("enable")),
        watchdog=_watchdog(data.get("watchdog")),
        supply=_supply(data.get("supply")),
        tag_none=next(iter(data.get("tag", {}).get("none", ("",))), ""),
        tag_reversed=data.get("tag", {}).get("reverse_bytes", False),
        ascii=data.get("ascii", {}),
        shown=_shown(data),
    )


def _register(name: str, row: Table, little: bool) -> Register:
    order = row.get("word_order")
    kind = row["type"]
    access = row.get("access", "r")
    return Register(
        name=name,
        address=row["address"],
        table=row["table"],
        type=kind,
        count=(WORDS[kind] if kind in WORDS else row["count"]) * row.get("repeat", 1),
        scale=_scale(row),
        unit=row.get("unit", ""),
        readable="r" in access,
        writable="w" in access,
        write_fc=row.get("write_fc"),
        little=little if order is None else order == "little",
        low=row.get("low"),
        high=row.get("high"),
        values={int(raw): text for raw, text in row.get("values", {}).items() if _is_number(raw)},
        masks=_masks(row.get("mask", ())),
        repeat=row.get("repeat", 1),
    )


def _scale(row: Table) -> float:
    """What one count is worth; a power of ten that lies in another register is always the same here."""
    scale = float(Fraction(row.get("scale", 1)))
    return scale * 10.0**POWER_OF_TEN if "exponent" in row else scale


def _masks(said: int | list[int] | tuple[int, ...]) -> tuple[int, ...]:
    return (said,) if isinstance(said, int) else tuple(said)


def _shown(data: Table) -> dict[str, float | str]:
    """Values that pass the probes of the file as it stands, and the powers of ten."""
    tens = {row["exponent"]: POWER_OF_TEN for row in data.get("registers", {}).values() if "exponent" in row}
    return {**tens, **{probe["register"]: _passing(probe) for probe in data.get("probe", ())}}


def _passing(probe: Table) -> float | str:
    for key in ("one_of", "begins", "at_least", "low", "high"):
        if key in probe:
            said = probe[key]
            found: float | str = said[0] if isinstance(said, list) else said
            return found
    return "0"


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _state(row: Table | None) -> StateMap | None:
    if row is None:
        return None
    plugged = row.get("plugged", ())
    return StateMap(
        row["register"], dict(row["values"]), row.get("plug_register"),
        tuple(plugged) if isinstance(plugged, list | tuple) else (plugged,), row.get("plugged_from"),
    )  # fmt: skip


def _setpoint(row: Table | None) -> SetpointRules | None:
    if row is None:
        return None
    return SetpointRules(
        row["min_a"], row["max_a"], row.get("step_a", 1), row.get("pause", "zero"),
        row.get("latency_s", 2.0), row.get("power_up_a"),
    )  # fmt: skip


def _enable(row: Table | None) -> EnableRules | None:
    return None if row is None else EnableRules(row["register"], row["on"], row["off"])


def _watchdog(row: Table | None) -> WatchdogRules | None:
    if row is None:
        return None
    return WatchdogRules(row["method"], row["timeout_s"], row.get("fixed", False), row.get("value"))


def _supply(row: Table | None) -> SupplyRules | None:
    if row is None:
        return None
    request, contactors, insulation, stage = (row[key] for key in ("request", "contactors", "insulation", "stage"))
    return SupplyRules(
        request["register"], request["on"], contactors["register"], contactors["closed"],
        insulation["register"], insulation["good"], insulation["testing"],
        stage["register"], stage["cable_check"], stage["pre_charge"], stage["charging"], row["alive"],
    )  # fmt: skip


def _serial(row: Table | None) -> SerialLine | None:
    if row is None:
        return None
    framing = row.get("framing", "rtu")
    bits = row.get("data_bits", 7 if framing == "ascii" else 8)
    return SerialLine(row["baud"], row.get("parity", "N"), row.get("stop_bits", 1), bits, framing)
