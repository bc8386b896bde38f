"""What a device profile may say, section by section (firmware-profiles/README.md is the text for people).

Raw values are what travels on the wire; `raw * scale` is in A, V, W, Wh, s. Exact decimals, so that a step of
0.1 A is a tenth and no neighbour of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from drivers.api import EvState


def _decimal(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("number", "must be a number")
    return Decimal(str(value))


def _seconds(value: object) -> object:
    return float(str(_decimal(value)))


def _raw(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _sentinels(value: object) -> object:
    return tuple(_raw(item) for item in (value if isinstance(value, list) else [value]))


def _texts(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _pause(value: object) -> object:
    return value if value in ("zero", "disable") else _decimal(value)


Number = Annotated[Decimal, BeforeValidator(_decimal)]
Positive = Annotated[Decimal, BeforeValidator(_decimal), Field(gt=0)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
RawList = Annotated[tuple[int | float, ...], BeforeValidator(_sentinels), Field(min_length=1)]
Unit = Annotated[int, Field(ge=1, le=255)]
Baud = Annotated[int, Field(ge=300, le=4_000_000)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

Table = Literal["holding", "input", "coil", "discrete"]
Order = Literal["big", "little"]
Kind = Literal["charger", "meter", "reader"]

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
}
"""Registers that a value of a fixed type takes; `string` and `bytes` say it by `count`."""

EEPROM_INTERVAL_S = 15.0


class Section(BaseModel):
    """A table of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Register(Section):
    name: Name
    address: int = Field(ge=0, le=0xFFFF)
    table: Table
    type: Literal["u16", "s16", "u32", "s32", "u64", "s64", "float32", "float64", "bool", "string", "bytes"]
    count: int | None = Field(default=None, ge=1, le=125)
    unit: Literal["A", "V", "W", "Wh", "s", "Hz", "%", "degC"] | None = None
    scale: Positive = Decimal(1)
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
        return WIDTHS.get(self.type) or self.count or 1

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
    def raw_limits(self) -> tuple[int, int]:
        """Smallest and largest raw value that an integer or bool register can carry."""
        if self.type == "bool":
            return 0, 1
        bits = self.width * 16
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.type[0] == "s" else (0, (1 << bits) - 1)


class TcpDefaults(Section):
    port: int = Field(default=502, ge=1, le=65535)
    unit: Unit = 1


class SerialDefaults(Section):
    baud: Baud
    parity: Literal["N", "E", "O"]
    stop_bits: Literal[1, 2]


class RtuDefaults(SerialDefaults):
    unit: Annotated[int, Field(ge=1, le=247)] = 1


class ModbusQuirks(Section):
    word_order: Order = "big"
    max_block: int = Field(default=32, ge=1, le=125)
    holes: bool = True
    spacing_ms: int = Field(default=0, ge=0, le=5000)
    outlet_offset: int = Field(default=0, ge=0, le=0xFFFF)
    outlets: int = Field(default=1, ge=1, le=32)
    global_registers: Texts = ()


class StateMap(Section):
    register_: Name = Field(alias="register")
    values: dict[str, Literal["A", "B", "C", "D", "E", "F", "starting", "plug"]]
    plug_register: Name | None = None
    plugged: RawList | None = None

    def letter(self, text: str) -> EvState | None:
        """State for a raw value as text; None for `starting`, `plug` and what the map does not know."""
        said = self.values.get(text)
        return EvState(said) if said in EvState.__members__ else None


class CurrentSetpoint(Section):
    min_a: Positive
    max_a: Positive
    step_a: Positive
    pause: Annotated[Literal["zero", "disable"] | Decimal, BeforeValidator(_pause)]
    volatile: bool = False
    min_interval_s: Seconds | None = None
    latency_s: Seconds = 2.0
    power_up_a: Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0)] | None = None

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
    method: Literal["any_request", "heartbeat", "rewrite"]
    value: int | None = None
    timeout_s: Seconds | None = None
    timeout_min_s: Seconds | None = None
    timeout_max_s: Seconds | None = None
    fixed: bool = False


class TagRules(Section):
    none: Texts = ()


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
    driver: Literal["modbus", "rdm6300", "ascii-line"]
    confidence: Literal["high", "medium", "low"]
    sources: Texts = Field(min_length=1)
    notes: Texts = ()
    fall_back: Literal["hold_last", "unknown"] = "unknown"
    repeat_s: Seconds | None = None


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
    tag: TagRules | None = None
    serial: SerialDefaults | None = None
    ascii: AsciiFormat | None = None

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
