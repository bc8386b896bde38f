"""Whether a probe can tell the readings of a device profile apart. PURE: a probe in, texts `key: what` out.

A fault is told only with a witness: something that the registers may hold and that fits two readings.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product

from drivers.profile_probe import Expectation
from drivers.profile_schema import Probe, Reading, Register

ADVICE = (
    ", and such a device is refused. Narrow low and high, or probe another register; if it makes no difference "
    "which reading is used (two functions that read the same), say either = true"
)


def problems(probe: Probe) -> Iterator[str]:
    if probe.either:
        return
    for one, other in combinations(probe.readings, 2):
        shown = _witness(probe.register, one, other)
        if shown is not None:
            yield f"probe.{probe.register}: both {one.says!r} and {other.says!r} fit where it holds {shown}{ADVICE}"


def _witness(name: str, one: Reading, other: Reading) -> str | None:
    first, second = one.profile.registers[name], other.profile.registers[name]
    if first.is_text != second.is_text:
        return None
    if first.is_text:
        texts = _texts(one.expected, other.expected) if _place(one, name) == _place(other, name) else ()
        return next((repr(text) for text in texts if one.expected.fits(text) and other.expected.fits(text)), None)
    raws = _raws(one, other, name) if _form(one, name) == _form(other, name) else (Fraction(0),)
    for raw in raws:
        if _fits(one, first, raw) and _fits(other, second, raw):
            return f"{float(raw):.10g} on the wire"
    return None


def _fits(reading: Reading, register: Register, raw: Fraction) -> bool:
    """Whether the register can hold that raw value, and the reading expects it."""
    if register.is_integer or register.type == "bool":
        low, high = register.raw_limits
        mask = register.mask_of(1)
        high = high if mask is None else mask // (mask & -mask)
        if raw.denominator != 1 or not low <= raw <= high:
            return False
    return raw not in (register.sentinel or ()) and reading.expected.fits(raw * register.scale)


def _place(reading: Reading, name: str) -> tuple[object, ...]:
    register = reading.profile.registers[name]
    return register.table, register.address, register.width


def _form(reading: Reading, name: str) -> tuple[object, ...]:
    """Where two readings agree in this, the same words are the same raw value."""
    register = reading.profile.registers[name]
    order = register.word_order or reading.profile.modbus.word_order if register.width > 1 else None
    return *_place(reading, name), register.type, order, register.mask, register.repeat


def _raws(one: Reading, other: Reading, name: str) -> Iterator[Fraction]:
    """Raw values at the ends of what either expects: two ranges that overlap share one of these."""
    yield Fraction(0)
    for reading in (one, other):
        expected, scale = reading.expected, reading.profile.registers[name].scale
        for bound in (expected.low, expected.high, *(expected.one_of or ())):
            if isinstance(bound, str) or bound is None:
                continue
            raw = Fraction(bound) / scale
            yield from (raw, Fraction(math.ceil(raw)), Fraction(math.floor(raw)))


def _texts(one: Expectation, other: Expectation) -> Iterator[str]:
    both = (one, other)
    yield from (choice for expected in both for choice in expected.one_of or () if isinstance(choice, str))
    beginnings = {"", *(text for expected in both for text in expected.begins or ())}
    versions = {"", "0", *(expected.at_least for expected in both if expected.at_least is not None)}
    for beginning, version in product(sorted(beginnings), sorted(versions)):
        yield beginning + version
