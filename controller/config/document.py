"""The shape of site.toml: keys, types, ranges, defaults. What one key means for another is in `read.py`."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from controller.allocation.circuits import Rotation
from controller.charging.local_time import DAY_MIN, clock_minutes
from controller.charging.modes import HEAVIEST, HIGHEST_PRIORITY, MOST_ENERGY_WH
from controller.charging.tokens import BilledBy
from controller.config.fields import (
    IDENTITY,
    LISTEN,
    UID,
    Amperes,
    Id,
    Number,
    PerPhase,
    Plain,
    Seconds,
    Switch,
    Table,
    Whole,
    plain,
)

SUPPLIES = ("three-phase-star", "single-phase")


def _supply(value: object) -> object:
    """R10: with line-to-line loads the sums per phase would mean something else."""
    if value not in SUPPLIES:
        raise ValueError(
            f"{value!r} is not supported: only three-phase-star (230/400 V) and single-phase networks are; "
            "IT, delta and split-phase networks need another controller"
        )
    return value


def _time_zone(value: object) -> object:
    """A name of the IANA time zone database; it knows summer time, which an offset does not."""
    if not isinstance(value, str):
        raise PydanticCustomError("time_zone", 'must be a name in quotes, such as "Europe/Berlin"')
    try:
        return ZoneInfo(value)
    except (OSError, ValueError, KeyError) as error:  # OSError: a folder of zones, such as Europe
        raise ValueError(
            f"{value!r} is no time zone such as Europe/Berlin; if it is one, install the package tzdata"
        ) from error


class SiteTable(Table):
    id: Id
    name: str = Field(min_length=1, max_length=100)
    supply: Annotated[Literal["three-phase-star", "single-phase"], BeforeValidator(_supply)]
    voltage_v: Whole = Field(default=230, ge=100, le=260)
    state_dir: Path
    billed_by: BilledBy = BilledBy.CSMS
    cycle_s: Annotated[Number, Field(ge=0.25, le=2)] = 1.0
    slot_minutes: Annotated[Number, Field(ge=1, le=1440)] = 15.0
    time_zone: Annotated[ZoneInfo, BeforeValidator(_time_zone)] | None = None


class WebTable(Table):
    listen: str = Field(default="127.0.0.1:8080", pattern=LISTEN)
    names: tuple[str, ...] = ()


class CircuitTable(Table):
    id: Id
    parent: Id | None = None
    rating_a: PerPhase
    usable_share: Annotated[Number, Field(gt=0, le=1)] = 0.95
    max_other_load_a: PerPhase = (Decimal(0), Decimal(0), Decimal(0))
    meter: Id | None = None
    max_power_kw: Amperes | None = None
    unbalance_a: Amperes | None = None


class RtuTable(Table):
    id: Id
    kind: Literal["modbus-rtu"]
    port: str = Field(min_length=1)
    baud: Annotated[Whole, Field(ge=300, le=921_600)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Annotated[Whole, Field(ge=1, le=2)] | None = None
    framing: Literal["rtu", "ascii"] | None = None
    data_bits: Annotated[Whole, Field(ge=7, le=8)] | None = None


class TcpTable(Table):
    id: Id
    kind: Literal["modbus-tcp"]
    host: str = Field(min_length=1)
    port: Whole = Field(default=502, ge=1, le=65535)


def _port(value: object) -> object:
    """A path or a number; which of them belongs to the interface is looked at later."""
    if (isinstance(value, str) and value) or (type(value) is int and 1 <= value <= 65535):
        return value
    raise PydanticCustomError("port", "must be a serial port such as /dev/ttyACM0, or a TCP port")


class CanTable(Table):
    id: Id
    kind: Literal["can"]
    interface: Literal["socketcan", "slcan", "socketcand"]
    bitrate: Annotated[Whole, Field(ge=10_000, le=1_000_000)]
    channel: Annotated[str, Field(min_length=1)] | None = None
    port: Annotated[str | int | None, BeforeValidator(_port)] = None
    """Of slcan a path, of socketcand a number."""
    host: Annotated[str, Field(min_length=1)] | None = None


ModbusTable = RtuTable | TcpTable
BusTable = Annotated[ModbusTable | CanTable, Field(discriminator="kind")]


class SwitchTable(Table):
    """A contactor between a stack and one outlet: the coil that closes it, the input that shows it."""

    evse: Id
    bus: Id
    unit: Annotated[Whole, Field(ge=0, le=255)] = 1
    coil: Annotated[Whole, Field(ge=0, le=65535)]
    feedback: Annotated[Whole, Field(ge=0, le=65535)]


class StackTable(Table):
    """Power modules that are always switched together."""

    id: Id
    profile: str
    bus: Id
    addresses: Annotated[tuple[Annotated[Whole, Field(ge=0, le=255)], ...], Field(min_length=1)]
    evse: Id
    switches: tuple[SwitchTable, ...] = ()


class MeterTable(Table):
    id: Id
    profile: str
    bus: Id
    unit: Annotated[Whole, Field(ge=0, le=255)] | None = None
    ct_ratio: Annotated[Number, Field(gt=0, le=10_000)] = 1.0
    reversed: Switch = False
    period_s: Seconds = 1.0


class EvseTable(Table):
    id: Id
    profile: str
    bus: Id
    circuit: Id
    max_current_a: Amperes
    unit: Annotated[Whole, Field(ge=0, le=255)] | None = None
    outlet: Annotated[Whole, Field(ge=1, le=32)] = 1
    phases: Annotated[Whole, Field(ge=1, le=3)] = 3
    rotation: str = "L1L2L3"
    min_current_a: Amperes | None = None
    failsafe_current_a: Amperes | None = None
    watchdog_timeout_s: Seconds | None = None
    power_up_current_a: Amperes | None = None
    largest_raise_a: Amperes | None = None
    max_power_kw: Annotated[Plain, Field(gt=0, le=1000)] | None = None
    efficiency: Annotated[Plain, Field(ge=Decimal("0.5"), le=1)] | None = None
    meter: Id | None = None
    billed_by: BilledBy | None = None


class ReaderTable(Table):
    id: Id
    profile: str
    port: str = Field(min_length=1)
    baud: Annotated[Whole, Field(ge=300, le=921_600)] | None = None
    evses: tuple[Id, ...] = Field(min_length=1)
    oldest_first: Switch = False


def uid_text(text: str) -> str:
    """A card number as it is stored, however it was written."""
    return text.replace(":", "").replace(" ", "").upper()


def _uid(value: object) -> object:
    return uid_text(value) if isinstance(value, str) else value


class TokenTable(Table):
    uid: Annotated[str, BeforeValidator(_uid), Field(pattern=UID)]
    name: str = ""
    alias: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    billed_by: BilledBy = BilledBy.SITE
    min_current_a: Amperes | None = None
    group: Annotated[str, Field(min_length=1, max_length=36)] | None = None


def _clock(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("clock", 'must be a time of day in quotes, such as "07:30"')
    return clock_minutes(value)


def _time_of_day(value: object) -> object:
    if _clock(value) == DAY_MIN:
        raise ValueError("24:00 is the end of a day; write 00:00")
    return _clock(value)


EndOfClock = Annotated[int, BeforeValidator(_clock)]
"""Also 24:00."""
Clock = Annotated[int, BeforeValidator(_time_of_day)]
Payer = Annotated[str, Field(min_length=1, max_length=100)]


class WhenTable(Table):
    users: tuple[Payer, ...] = ()
    groups: tuple[Payer, ...] = ()
    evses: tuple[Id, ...] = ()
    days: tuple[Literal["mo", "tu", "we", "th", "fr", "sa", "su"], ...] = ()
    begin: Annotated[Clock | None, Field(alias="from")] = None
    end: Annotated[EndOfClock | None, Field(alias="to")] = None
    input: Id | None = None


class RuleTable(Table):
    id: Id
    mode: Literal["standard", "priority", "deadline", "surplus", "fixed"]
    when: WhenTable = WhenTable()
    priority: Annotated[Whole, Field(ge=1, le=HIGHEST_PRIORITY)] | None = None
    weight: Annotated[Whole, Field(ge=1, le=HEAVIEST)] | None = None
    max_current_a: Amperes | None = None
    energy_kwh: Annotated[Number, Field(ge=0.1, le=MOST_ENERGY_WH / 1000)] | None = None
    by: Clock | None = None


Cap = Annotated[Plain, Field(ge=0, le=100_000_000)]
"""In the unit of its limit."""


class RegisterTable(Table):
    """One value of a Modbus device that no device profile describes."""

    bus: Id
    unit: Annotated[Whole, Field(ge=0, le=255)] = 1
    address: Annotated[Whole, Field(ge=0, le=65535)]
    word_order: Literal["big", "little"] = "big"
    period_s: Annotated[Number, Field(ge=0.1, le=60)] = 1.0


class LevelTable(RegisterTable):
    """A bit, or a number that is 0 or not."""

    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    type: Literal["u16", "s16", "u32", "s32"] | None = None
    bit: Annotated[Whole, Field(ge=0, le=31)] | None = None


class AmountTable(RegisterTable):
    """A number in the unit of its limit."""

    table: Literal["holding", "input"] = "holding"
    type: Literal["u16", "s16", "u32", "s32", "float32"] = "u16"
    scale: Annotated[Plain, Field(gt=0)] = Decimal(1)


class InputTable(Table):
    id: Id
    path: Annotated[str, Field(min_length=1)] | None = None
    chip: Annotated[str, Field(min_length=1)] | None = None
    line: Annotated[Whole, Field(ge=0, le=1023)] | None = None
    bias: Literal["pull-up", "pull-down", "disabled", "as-is"] = "as-is"
    debounce_ms: Annotated[Whole, Field(ge=0, le=1000)] = 20
    register_: Annotated[LevelTable | None, Field(alias="register")] = None
    active: Literal["high", "low"] = "high"
    stop_all: Switch = False


class WindowTable(Table):
    value: Cap
    days: tuple[Literal["mo", "tu", "we", "th", "fr", "sa", "su"], ...] = ()
    begin: Annotated[Clock, Field(alias="from")]
    end: Annotated[EndOfClock, Field(alias="to")]


def _fall_back(value: object) -> object:
    if value in ("release", "hold", "en14a"):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("fall_back", 'must be "release", "hold", "en14a" or a number')
    return Decimal(str(value))


FallBackCap = Annotated[
    Literal["release", "hold", "en14a"] | Annotated[Decimal, Field(ge=0, le=100_000_000)],
    BeforeValidator(_fall_back),
]


def _fixed(value: object) -> object:
    return value if value == "en14a" else plain(value)


class LimitTable(Table):
    id: Id
    source: Literal["rest", "mqtt", "input", "modbus", "calendar"]
    circuit: Id | None = None
    charging_of: Id | None = None
    evse: Id | None = None
    unit: Literal["a", "w", "kw"] | None = None
    when_lost: FallBackCap | None = None
    expires_s: Annotated[Number, Field(ge=1, le=2_678_400)] | None = None
    min: Cap | None = None
    max: Cap | None = None
    log: Switch | None = None
    input: Id | None = None
    value: (
        Annotated[Literal["en14a"] | Annotated[Decimal, Field(ge=0, le=100_000_000)], BeforeValidator(_fixed)]
        | None
    ) = None
    register_: Annotated[AmountTable | None, Field(alias="register")] = None
    windows: tuple[WindowTable, ...] = ()


class MqttTable(Table):
    host: str = Field(min_length=1)
    port: Annotated[Whole, Field(ge=1, le=65535)] | None = None
    user: Annotated[str, Field(min_length=1)] | None = None
    password_file: Path | None = None
    tls: Switch = False
    ca_file: Path | None = None


class StationTable(Table):
    identity: str = Field(pattern=IDENTITY)
    evses: tuple[Id, ...] = Field(min_length=1)


class CsmsTable(Table):
    id: Id
    url: str
    version: Literal["1.6", "2.0.1"]
    stations: tuple[StationTable, ...] = Field(min_length=1)
    password_file: Path | None = None
    ca_file: Path | None = None
    lab: Switch = False
    initial: dict[str, Any] = Field(default_factory=dict)


class Document(Table):
    """The whole file."""

    site: SiteTable
    web: WebTable = WebTable()
    circuits: tuple[CircuitTable, ...] = Field(min_length=1)
    buses: tuple[BusTable, ...] = ()
    meters: tuple[MeterTable, ...] = ()
    evses: tuple[EvseTable, ...] = ()
    power_modules: tuple[StackTable, ...] = ()
    readers: tuple[ReaderTable, ...] = ()
    tokens: tuple[TokenTable, ...] = ()
    rules: tuple[RuleTable, ...] = ()
    inputs: tuple[InputTable, ...] = ()
    limits: tuple[LimitTable, ...] = ()
    mqtt: MqttTable | None = None
    csms: CsmsTable | None = None


ROTATIONS = {rotation.name: rotation for rotation in Rotation}
SINGLE_PHASE = {
    "L1": Rotation.L1L2L3,
    "L2": Rotation.L2L3L1,
    "L3": Rotation.L3L1L2,
}
TWO_PHASE = {
    "L1L2": Rotation.L1L2L3,
    "L2L3": Rotation.L2L3L1,
    "L3L1": Rotation.L3L1L2,
    "L2L1": Rotation.L2L1L3,
    "L1L3": Rotation.L1L3L2,
    "L3L2": Rotation.L3L2L1,
}
