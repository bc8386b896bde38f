"""What limits and digital inputs of site.toml are read from: lines, files, registers."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from controller.config.catalogue import LAST_UNIT, Catalogue
from controller.config.document import AmountTable, CanTable, InputTable, LevelTable, RegisterTable, RtuTable
from controller.runtime.slices import SensorSlice
from drivers.setups import FileSetup, LineSetup, RegisterSetup

BITS = ("coil", "discrete")
WIDE = ("u32", "s32", "float32")


def read_sensors(catalogue: Catalogue) -> tuple[SensorSlice, ...]:
    """Whatever limits and inputs are read from, other than from people and brokers."""
    found = [_input(table, catalogue) for table in catalogue.document.inputs]
    for limit in catalogue.document.limits:
        if limit.register_ is not None:
            table = limit.register_
            scale = Fraction(table.scale) * (1 if limit.unit == "w" else 1000)
            found.append(_sensor(limit.id, table, RegisterValue(table.table, table.type, scale)))
    return tuple(one for one in found if one is not None)


def _input(table: InputTable, catalogue: Catalogue) -> SensorSlice | None:
    where = f"inputs[{table.id}]"
    ways = [table.path, table.chip, table.register_]
    if sum(way is not None for way in ways) != 1:
        catalogue.complain(f"{where}.path", "name exactly one of path, chip with line, and register")
        return None
    if (table.chip is None) != (table.line is None):
        missing, other = ("line", "chip") if table.line is None else ("chip", "line")
        catalogue.complain(f"{where}.{missing}", f"is missing; it belongs to {other}")
        return None
    if table.path is not None:
        return SensorSlice(FileSetup(table.id, table.path), None)
    if table.chip is not None and table.line is not None:
        return SensorSlice(LineSetup(table.id, table.chip, table.line, table.bias, table.debounce_ms), None)
    if table.register_ is None:
        return None
    for what in wrong_register(table.register_, catalogue):
        catalogue.complain(f"{where}.register.{what.partition(': ')[0]}", what.partition(": ")[2])
    level = table.register_
    kind = level.type or ("bool" if level.table in BITS else "u16")
    return _sensor(table.id, level, RegisterValue(level.table, kind, Fraction(1), level.bit))


@dataclass(frozen=True, slots=True)
class RegisterValue:
    """What is made of the words of a register."""

    table: Literal["holding", "input", "coil", "discrete"]
    type: str
    scale: Fraction
    bit: int | None = None


def _sensor(id: str, table: RegisterTable, value: RegisterValue) -> SensorSlice:
    setup = RegisterSetup(
        id=id,
        unit=table.unit,
        table=value.table,
        address=table.address,
        type=value.type,
        scale=value.scale,
        high_word_first=table.word_order == "big",
        bit=value.bit,
        period_s=table.period_s,
    )
    return SensorSlice(setup, table.bus)


def wrong_register(table: LevelTable | AmountTable, catalogue: Catalogue) -> Iterator[str]:
    bus = catalogue.bus(table.bus)
    if bus is None:
        yield f"bus: there is no bus {table.bus!r}"
    if isinstance(bus, CanTable):
        yield f"bus: {table.bus!r} is a CAN bus, and registers are on a Modbus one"
    if isinstance(bus, RtuTable) and not 1 <= table.unit <= LAST_UNIT:
        yield f"unit: must be from 1 to {LAST_UNIT} on a serial wire: 0 reaches every device"
    if table.address + (2 if table.type in WIDE else 1) > 0x10000:
        yield "address: the value goes beyond the last register"
    if isinstance(table, LevelTable):
        yield from _wrong_level(table)


def _wrong_level(table: LevelTable) -> Iterator[str]:
    if table.table in BITS:
        yield from (
            f"{key}: a {table.table} has none; remove it"
            for key in ("type", "bit")
            if getattr(table, key) is not None
        )
    elif table.bit is not None and table.bit >= 16 and table.type not in WIDE:
        yield "bit: a register of 16 bits has bits 0 to 15"
