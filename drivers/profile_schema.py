"""What a device profile may say, section by section (firmware-profiles/README.md is the text for people).

Raw values are what travels on the wire; `raw * scale` is in A, V, W, Wh, s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from drivers.api import EvState
from drivers.profile_numbers import (
    AtLeastZero,
    Baud,
    Masks,
    Name,
    Number,
    Pause,
    Positive,
    RawList,
    Scale,
    Seconds,
    Section,
    Texts,
)
from drivers.profile_probe import Expectation

Table = Literal["holding", "input", "coil", "discrete"]
Type = Literal[
    "u16", "s16", "u32", "s32", "u64", "s64", "float32", "float64", "t5", "t6", "bool", "string", "bytes"
]  # fmt: skip
Order = Literal["big", "little"]
Kind = Literal["charger", "meter", "reader", "secc"]

WIDTHS: Mapping[str, int] = {
    "bool": 1,
    "u16": 1,
    "s16": 1,
    "u32": 2,
    "s32": 2,
    "float32": 2,
    "u64": 4,
    "s64": 4,
    "float64": 4,
    "t5": 2,
    "t6": 2,
}
"""Registers that a value of a fixed type takes; `string` and `bytes` say it by `count`."""

EEPROM_INTERVAL_S = 15.0
TARGETS = ("target_voltage", "target_current")
"""Registers in which an SECC says what its vehicle asks for."""
MEASURED = ("voltage_dc", "current_dc")
"""Registers in which an SECC says what it measures at its outlet."""


class Register(Section):
    name: Name
    address: int = Field(ge=0, le=0xFFFF)
    table: Table
    type: Type
    count: int | None = Field(default=None, ge=1, le=125)
    unit: Literal["A", "V", "W", "Wh", "s", "Hz", "%", "degC"] | None = None
    scale: Scale = Fraction(1)
    exponent: Name | None = None
    mask: Masks | None = None
    repeat: int = Field(default=1, ge=1, le=3)
    access: Literal["r", "w", "rw"]
    write_fc: Literal[5, 6, 16] | None = None
    poll: Literal["fast", "slow", "once", "never"] = Field(default="never", alias="class")
    low: Number | None = None
    high: Number | None = None
    sentinel: RawList | None = None
    word_order: Order | None = None
    values: dict[str, str] | None = None

    @property
    def width(self) -> int:
        """Registers (or bits) it takes; 1 while a text's `count` is missing."""
        return self.repeat * (WIDTHS.get(self.type) or self.count or 1)

    @property
    def readable(self) -> bool:
        return "r" in self.access

    @property
    def writable(self) -> bool:
        return "w" in self.access

    @property
    def is_integer(self) -> bool:
        return self.type[0] in "us"

    @property
    def is_text(self) -> bool:
        return self.type in ("string", "bytes")

    @property
    def is_number(self) -> bool:
        return self.is_integer or self.type in ("float32", "float64", "t5", "t6")

    def mask_of(self, outlet: int) -> int | None:
        """The bits that count for an outlet, counted from 1; the last mask serves all that follow."""
        return None if self.mask is None else self.mask[min(outlet, len(self.mask)) - 1]

    @property
    def raw_limits(self) -> tuple[int, int]:
        """Smallest and largest raw value that an integer or bool register can carry."""
        if self.type == "bool":
            return 0, 1
        bits = self.width // self.repeat * 16
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.type[0] == "s" else (0, (1 << bits) - 1)


class TcpDefaults(Section):
    port: int = Field(default=502, ge=1, le=65535)
    unit: Annotated[int, Field(ge=0, le=255)] = 1


def usual_bits(framing: Literal["rtu", "ascii"]) -> int:
    """Data bits of a character on a Modbus wire where nobody says otherwise."""
    return 7 if framing == "ascii" else 8


class SerialDefaults(Section):
    baud: Baud
    parity: Literal["N", "E", "O"]
    stop_bits: Literal[1, 2]


class RtuDefaults(SerialDefaults):
    unit: Annotated[int, Field(ge=1, le=247)] = 1
    framing: Literal["rtu", "ascii"] = "rtu"
    data_bits: Literal[7, 8] | None = None

    @property
    def bits(self) -> int:
        return self.data_bits or usual_bits(self.framing)


class ModbusQuirks(Section):
    word_order: Order = "big"
    max_block: int = Field(default=32, ge=1, le=125)
    holes: bool = True
    spacing_ms: int = Field(default=0, ge=0, le=5000)
    pipeline: int = Field(default=1, ge=1, le=8)
    outlet_offset: int = Field(default=0, ge=0, le=0xFFFF)
    outlets: int = Field(default=1, ge=1, le=32)
    global_registers: Texts = ()


class StateMap(Section):
    register_: Name = Field(alias="register")
    values: dict[str, Literal["A", "B", "C", "D", "E", "F", "starting", "plug"]]
    plug_register: Name | None = None
    plugged: RawList | None = None
    plugged_from: Number | None = None

    def is_plugged(self, raw: int | str | None) -> bool | None:
        """What the plug register says; None where it says nothing."""
        if raw is None or (self.plugged is None and self.plugged_from is None):
            return None
        above = self.plugged_from is not None and isinstance(raw, int) and raw >= self.plugged_from
        return above or raw in (self.plugged or ())

    def letter(self, text: str) -> EvState | None:
        """State for a raw value as text; None for `starting`, `plug` and what the map does not know."""
        said = self.values.get(text)
        return EvState(said) if said in EvState.__members__ else None


class CurrentSetpoint(Section):
    min_a: Positive
    max_a: Positive
    step_a: Positive
    pause: Pause
    volatile: bool = False
    min_interval_s: Seconds | None = None
    latency_s: Seconds = 2.0
    power_up_a: AtLeastZero | None = None

    @property
    def raise_interval_s(self) -> float:
        """Least time between two raises (R12)."""
        if self.min_interval_s is not None:
            return self.min_interval_s
        return 0.0 if self.volatile else EEPROM_INTERVAL_S

    @property
    def min_ma(self) -> int:
        return int(self.min_a * 1000)

    @property
    def max_ma(self) -> int:
        return int(self.max_a * 1000)

    @property
    def step_ma(self) -> int:
        return int(self.step_a * 1000)

    @property
    def power_up_ma(self) -> int | None:
        return None if self.power_up_a is None else int(self.power_up_a * 1000)


class Release(Section):
    register_: Name = Field(alias="register")
    on: int
    off: int
    readback: Name | None = None


class Watchdog(Section):
    method: Literal["any_request", "heartbeat", "rewrite", "setpoint"]
    value: int | None = None
    timeout_s: Seconds | None = None
    timeout_min_s: Seconds | None = None
    timeout_max_s: Seconds | None = None
    fixed: bool = False


class KeepAlive(Section):
    register_: Name = Field(alias="register")
    value: int
    interval_s: Annotated[Seconds, Field(gt=0)]


class TagRules(Section):
    none: Texts = ()
    reverse_bytes: bool = False


class RequestMap(Section):
    register_: Name = Field(alias="register")
    on: int


class ContactorMap(Section):
    register_: Name = Field(alias="register")
    closed: int


class InsulationMap(Section):
    """Any other raw value is bad insulation."""

    register_: Name = Field(alias="register")
    good: int
    testing: int


class StageMap(Section):
    """Any other raw value is no stage in which anything may be delivered."""

    register_: Name = Field(alias="register")
    cable_check: int
    pre_charge: int
    charging: int


class Supply(Section):
    """When power modules may deliver, as the SECC says it (R9)."""

    request: RequestMap
    contactors: ContactorMap
    insulation: InsulationMap
    stage: StageMap
    alive: Name
    stale_s: Annotated[Seconds, Field(ge=0.2, le=5)]
    prepare_current_ma: int = Field(ge=0, le=10_000)

    @property
    def registers(self) -> tuple[str, ...]:
        """All that must be read, and be fresh, before anything is delivered."""
        said = (self.stage, self.request, self.contactors, self.insulation)
        return (*(form.register_ for form in said), self.alive, *TARGETS)


class AsciiFormat(Section):
    digits: Literal["hex", "decimal"] = "hex"
    reverse_bytes: bool = False


class Identity(Section):
    """The keys at the top of the file."""

    schema_: Literal[1] = Field(alias="schema")
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    vendor: str = Field(min_length=1)
    model: str = Field(min_length=1)
    also_sold_as: Texts = ()
    kind: Kind
    driver: Literal["modbus", "rdm6300", "ascii-line", "pn532", "twn4", "keyboard", "pcsc"]
    confidence: Literal["high", "medium", "low"]
    firmware: str | None = Field(default=None, min_length=1)
    sources: Texts = Field(min_length=1)
    notes: Texts = ()
    fall_back: Literal["hold_last", "unknown"] = "unknown"
    repeat_s: Seconds | None = None
    reverse_bytes: bool = False


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """One family of devices, checked. Absent sections are None; `registers` is keyed by name."""

    identity: Identity
    registers: Mapping[str, Register]
    commission: Mapping[str, int]
    modbus: ModbusQuirks
    tcp: TcpDefaults | None = None
    rtu: RtuDefaults | None = None
    state: StateMap | None = None
    setpoint: CurrentSetpoint | None = None
    enable: Release | None = None
    watchdog: Watchdog | None = None
    keepalive: KeepAlive | None = None
    tag: TagRules | None = None
    supply: Supply | None = None
    serial: SerialDefaults | None = None
    ascii: AsciiFormat | None = None
    probe: "Probe | None" = None
    """Evaluated first; the readings of the file carry the next one."""

    @property
    def readings(self) -> Iterator["DeviceProfile"]:
        """Every reading of the file that a device may turn out to be; it alone where there is nothing to probe."""
        if self.probe is None:
            yield self
            return
        for reading in self.probe.readings:
            if reading.usable:
                yield from reading.profile.readings

    @property
    def id(self) -> str:
        return self.identity.id

    @property
    def kind(self) -> Kind:
        return self.identity.kind

    @property
    def driver(self) -> str:
        return self.identity.driver

    @property
    def repeat_s(self) -> float | None:
        """Silence after which a card held to a repeating reader counts as gone."""
        return self.identity.repeat_s

    @property
    def holds_last(self) -> bool:
        return self.identity.fall_back == "hold_last"

    @property
    def unlock_raw(self) -> int | None:
        """The raw value that releases the plug: the one entry of the register `unlock`; None: no such register."""
        register = self.registers.get("unlock")
        return int(next(iter(register.values))) if register is not None and register.values else None

    def address(self, name: str, outlet: int = 1) -> int:
        """Address of a register on the wire for an outlet, counted from 1."""
        register = self.registers[name]
        moves = name not in self.modbus.global_registers
        return register.address + (self.modbus.outlet_offset * (outlet - 1) if moves else 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the file, and what `register` of its probe must show then."""

    says: str
    expected: Expectation
    profile: DeviceProfile
    usable: bool = True
    """False: known by name only, so that an installer is told what the device seems to be."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A register that tells which reading fits. `either`: several may, and then the first is used."""

    register: str
    readings: tuple[Reading, ...]
    either: bool = False
