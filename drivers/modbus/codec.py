"""Registers <-> values in engineering integers. PURE.

A current is in mA, a voltage in mV, power in W, energy in Wh, time in ms, Hz, % and degC in thousandths; a number
without unit is its raw value. None means "no value": a sentinel, not a number, or outside the believable range.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from drivers.profile_schema import DeviceProfile, Table

FACTORS: Mapping[str | None, int] = {
    "A": 1000,
    "V": 1000,
    "W": 1,
    "Wh": 1,
    "s": 1000,
    "Hz": 1000,
    "%": 1000,
    "degC": 1000,
    None: 1,
}
FLOATS: Mapping[str, str] = {"float32": ">f", "float64": ">d"}
DECIMALS = ("t5", "t6")
"""A signed power of ten in the highest byte, a mantissa of three bytes (t5 unsigned, t6 signed) below it."""
UNWRITTEN = ("string", "bytes", *DECIMALS)

Raw = int | float | str
Value = int | str


class EncodeError(ValueError):
    """The register cannot carry this value."""


@dataclass(frozen=True, slots=True)
class Point:
    """A register of one outlet, ready for the wire. Engineering value = raw * `scale`."""

    name: str
    table: Table
    address: int
    width: int
    type: str
    high_word_first: bool
    scale: Fraction
    low: Fraction | None
    high: Fraction | None
    sentinels: tuple[int | float, ...]
    write_fc: int | None
    readable: bool
    mask: int | None = None
    """Bits of the raw value that count, moved down to its end."""
    repeat: int = 1
    """So many equal copies lie in a row."""
    exponent: str | None = None
    """Name of the register with the power of ten of this value."""


def point(profile: DeviceProfile, name: str, outlet: int = 1) -> Point:
    register = profile.registers[name]
    factor = FACTORS[register.unit]
    return Point(
        name=name,
        table=register.table,
        address=profile.address(name, outlet),
        width=register.width,
        type=register.type,
        high_word_first=(register.word_order or profile.modbus.word_order) == "big",
        scale=register.scale * factor,
        low=_bound(register.low, factor),
        high=_bound(register.high, factor),
        sentinels=register.sentinel or (),
        write_fc=register.write_fc,
        readable=register.readable,
        mask=register.mask_of(outlet),
        repeat=register.repeat,
        exponent=register.exponent,
    )


def raw(point: Point, words: Sequence[int]) -> Raw | None:
    """The raw value, or None for a sentinel or what cannot be a value at all.

    Raises:
        ValueError: the number of words is not the register's.
    """
    if len(words) != point.width:
        raise ValueError(f"{point.name}: {len(words)} words instead of {point.width}")
    if point.type == "bool":
        return words[0] if words[0] in (0, 1) else None
    if point.type in ("string", "bytes"):
        return _text(point.type, words)
    size = point.width // point.repeat
    if len({tuple(words[start : start + size]) for start in range(0, point.width, size)}) > 1:
        return None
    found = _number(point, words[:size])
    if found in point.sentinels or not math.isfinite(found):
        return None
    return found if point.mask is None else _masked(int(found), point.mask)


def value(point: Point, words: Sequence[int], tens: int = 0) -> Value | None:
    """The value in engineering units, rounded to the nearest whole; texts stripped; bytes in upper-case hex.

    `tens` is the power of ten that another register holds.
    """
    found = raw(point, words)
    if found is None or isinstance(found, str):
        return found
    exact = Fraction(found) * point.scale * Fraction(10) ** tens
    if (point.low is not None and exact < point.low) or (point.high is not None and exact > point.high):
        return None
    return math.floor(exact + Fraction(1, 2))


def encode(point: Point, value: int) -> tuple[int, ...]:
    """Words for an engineering value.

    Raises:
        EncodeError: off the register's grid, or out of its believable or possible range; nothing is rounded here.
    """
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        raise EncodeError(f"{point.name}: {value} is outside what the register takes")
    exact = value / point.scale
    if point.type in FLOATS:
        return _float_words(point, float(exact))
    if exact.denominator != 1:
        raise EncodeError(f"{point.name}: {value} is not on the grid of {point.scale}")
    return encode_raw(point, exact.numerator)


def encode_raw(point: Point, raw: int) -> tuple[int, ...]:
    """Words for a raw whole number.

    Raises:
        EncodeError: out of range, or not a register for numbers.
    """
    if point.type in FLOATS:
        return _float_words(point, float(raw))
    if point.type == "bool":
        if raw not in (0, 1):
            raise EncodeError(f"{point.name}: {raw} is neither 0 nor 1")
        return (raw,)
    if point.type in UNWRITTEN:
        raise EncodeError(f"{point.name}: {point.type} is not written")
    try:
        data = raw.to_bytes(2 * point.width // point.repeat, "big", signed=point.type.startswith("s"))
    except OverflowError:
        raise EncodeError(f"{point.name}: {raw} does not fit {point.type}") from None
    return point.repeat * _ordered(point, _words(data))


def floor_to_grid(point: Point, value: int) -> int:
    """The largest value not above `value` that an integer register can say exactly, in whole engineering units."""
    if point.type in FLOATS:
        return value
    return math.floor(math.floor(value / point.scale) * point.scale)


def _bound(bound: Decimal | None, factor: int) -> Fraction | None:
    return None if bound is None else Fraction(bound) * factor


def _words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 2}H", data)


def _ordered(point: Point, words: Sequence[int]) -> tuple[int, ...]:
    return tuple(words) if point.high_word_first else tuple(reversed(words))


def _number(point: Point, words: Sequence[int]) -> int | float:
    data = struct.pack(f">{len(words)}H", *_ordered(point, words))
    if point.type in DECIMALS:
        tens, mantissa = data[0] - 256 * (data[0] > 127), int.from_bytes(data[1:], "big", signed=point.type == "t6")
        return float(mantissa * Fraction(10) ** tens)
    form = FLOATS.get(point.type)
    if form is not None:
        return float(struct.unpack(form, data)[0])
    return int.from_bytes(data, "big", signed=point.type.startswith("s"))


def _masked(number: int, mask: int) -> int:
    return (number & mask) // (mask & -mask)


def _float_words(point: Point, number: float) -> tuple[int, ...]:
    try:
        return point.repeat * _ordered(point, _words(struct.pack(FLOATS[point.type], number)))
    except OverflowError:
        raise EncodeError(f"{point.name}: {number} does not fit {point.type}") from None


def _text(form: str, words: Sequence[int]) -> str | None:
    data = struct.pack(f">{len(words)}H", *words)
    if form == "bytes":
        return data.hex().upper()
    text = data.split(b"\0", 1)[0]
    if not all(32 <= byte < 127 for byte in text):
        return None
    return text.decode("ascii").strip()
