"""Register samples -> readings. PURE.

What is missing or not believable makes its field None, and a whole meter reading None where a current is concerned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from drivers.api import EvseReading, EvState, MeterReading, Phases
from drivers.modbus import codec
from drivers.modbus.codec import Point
from drivers.profile_schema import MEASURED, DeviceProfile, StateMap, TagRules
from drivers.setups import MeterSetup

CURRENTS = ("current_l1", "current_l2", "current_l3")
VOLTAGES = ("voltage_l1", "voltage_l2", "voltage_l3")
POWERS = ("active_power_l1", "active_power_l2", "active_power_l3")
MOST_TENS = 10
UID_DIGITS = (8, 14, 20)
"""Hex digits of UIDs of 4, 7 and 10 bytes (ISO/IEC 14443-3)."""
_HEX = frozenset("0123456789ABCDEF")


@dataclass(frozen=True, slots=True)
class Sample:
    """Words of one register, when they came, and the number of the block that they came in."""

    point: Point
    words: tuple[int, ...]
    t_s: float
    block: int


Poll = Literal["fast", "slow"]
Image = Mapping[str, Sample]
"""What was read, by register name; what failed is missing."""


def evse_registers(profile: DeviceProfile, poll: Poll) -> tuple[str, ...]:
    """Registers that feed an outlet's reading, the one with its state first."""
    state, enable, supply = profile.state, profile.enable, profile.supply
    wanted = [
        state.register_ if state else None,
        state.plug_register if state else None,
        *CURRENTS,
        *("active_power_total", "energy_import_total", "plug_counter", "rfid_tag", "error_code"),
        *("current_limit", "current_limit_readback"),
        *((enable.register_, enable.readback) if enable else ()),
        *(supply.registers if supply else ()),
        *(*MEASURED, "soc"),
    ]
    return _polled(profile, poll, wanted)


def meter_registers(profile: DeviceProfile, poll: Poll) -> tuple[str, ...]:
    energies = ("energy_import_total", "energy_export_total")
    wanted = [*CURRENTS, *POWERS, *VOLTAGES, "active_power_total", "active_power_export_total", *energies]
    exponents = [profile.registers[name].exponent for name in wanted if name in profile.registers]
    return _polled(profile, poll, [*wanted, *exponents])


def _polled(profile: DeviceProfile, poll: Poll, names: Sequence[str | None]) -> tuple[str, ...]:
    known = [name for name in names if name is not None and name in profile.registers]
    polled = [name for name in known if profile.registers[name].poll == poll]
    return tuple(dict.fromkeys(name for name in polled if profile.registers[name].readable))


def evse_reading(profile: DeviceProfile, image: Image) -> EvseReading:
    """The outlet's reading from a round that brought at least one sample of those read at each poll."""
    state, plugged = _state(profile.state, image)
    offered = _number(image, "current_limit_readback")
    fast, slow = _by_age(profile, image)
    return EvseReading(
        t_s=_oldest_s(fast),
        slow_t_s=_oldest_s(slow) if slow else None,
        state=state,
        plugged=plugged,
        current_ma=_phases(profile, image, CURRENTS),
        power_w=_number(image, "active_power_total"),
        energy_wh=_number(image, "energy_import_total"),
        offered_ma=_number(image, "current_limit") if offered is None else offered,
        enabled=_enabled(profile, image),
        plug_counter=_number(image, "plug_counter"),
        tag=shown_tag(profile, image) or None,
        error=_error(profile, image),
        soc_percent=_percent(image, "soc"),
    )


def meter_reading(profile: DeviceProfile, setup: MeterSetup, image: Image) -> MeterReading | None:
    """A signed sample (R8), or None where a current, or the power, is missing or not believable."""
    currents = _phases(profile, image, CURRENTS)
    powers = _phases(profile, image, POWERS)
    power_w = _power_w(profile, image, powers)
    if currents is None or power_w is None:
        return None
    if (
        powers is None
        and all(name in profile.registers for name in _own(profile, POWERS))
        and _own(profile, POWERS)
    ):
        return None
    ratio = Fraction(str(setup.ct_ratio))
    turn = -1 if setup.reversed else 1
    signed = powers is not None and _same_block(profile, image)
    signs = [turn * power for power in powers] if powers is not None and signed else [0, 0, 0]
    amounts = (
        -abs(_scaled(ratio, current)) if sign < 0 else abs(_scaled(ratio, current))
        for current, sign in zip(currents, signs, strict=True)
    )
    energy_wh = _number(image, "energy_export_total" if setup.reversed else "energy_import_total")
    fast, slow = _by_age(profile, image)
    return MeterReading(
        t_s=_oldest_s(fast),
        slow_t_s=_oldest_s(slow) if slow else None,
        current_ma=Phases(*amounts),
        power_w=_scaled(ratio, turn * power_w),
        signed=signed,
        energy_import_wh=None if energy_wh is None else _scaled(ratio, energy_wh),
        voltage_mv=_phases(profile, image, VOLTAGES),
    )


def _power_w(profile: DeviceProfile, image: Image, powers: Phases | None) -> int | None:
    """The total, which some meters tell as import and export apart; else the sum of the phases."""
    power_w = _number(image, "active_power_total")
    if "active_power_export_total" in profile.registers:
        export_w = _number(image, "active_power_export_total")
        return None if power_w is None or export_w is None else power_w - export_w
    if power_w is None and powers is not None and "active_power_total" not in profile.registers:
        return sum(powers)
    return power_w


def shown_tag(profile: DeviceProfile, image: Image) -> str | None:
    """UID of the card in the tag register; "" for no card, None where it was not read or shows no UID."""
    raw = _raw(image, "rfid_tag")
    if raw is None:
        return None
    rules = profile.tag or TagRules()
    text = f"{raw:0{4 * profile.registers['rfid_tag'].width}X}" if isinstance(raw, int) else raw
    if {str(raw).upper(), text.upper()} & {none.upper() for none in rules.none} or is_blank(text):
        return ""
    found = uid(text)
    return bytes.fromhex(found)[::-1].hex().upper() if found and rules.reverse_bytes else found


def is_blank(text: str) -> bool:
    """Whether a tag register shows no card: nothing, or only zeros or ones."""
    digits = _digits(text)
    return not digits or set(digits) in ({"0"}, {"F"})


def uid(text: str) -> str | None:
    """A UID as upper-case hex without separators; None for what is no UID.

    A register longer than the UID is filled with zeros: the shortest UID length that holds all else counts.
    """
    digits = _digits(text)
    if is_blank(text) or not _HEX.issuperset(digits):
        return None
    fitting = (length for length in UID_DIGITS if len(digits) >= length and not digits[length:].strip("0"))
    return next((digits[:length] for length in fitting), None)


def _digits(text: str) -> str:
    return "".join(char for char in text.upper() if char not in " :-.")


def _scaled(ratio: Fraction, number: int) -> int:
    return round(ratio * number)


def _by_age(profile: DeviceProfile, image: Image) -> tuple[Image, Image]:
    """What is read at each poll, and what each 10 s."""
    slow = {name: sample for name, sample in image.items() if profile.registers[name].poll == "slow"}
    return {name: sample for name, sample in image.items() if name not in slow}, slow


def _oldest_s(image: Image) -> float:
    return min(sample.t_s for sample in image.values())


def _number(image: Image, name: str) -> int | None:
    sample = image.get(name)
    tens = None if sample is None else _tens(image, sample.point.exponent)
    found = None if sample is None or tens is None else codec.value(sample.point, sample.words, tens)
    return found if isinstance(found, int) else None


def _percent(image: Image, name: str) -> int | None:
    thousandths = _number(image, name)
    return None if thousandths is None else thousandths // 1000


def _tens(image: Image, exponent: str | None) -> int | None:
    """The power of ten in that register; None where it is missing or beyond all reason."""
    if exponent is None:
        return 0
    tens = _raw(image, exponent)
    return tens if isinstance(tens, int) and abs(tens) <= MOST_TENS else None


def _raw(image: Image, name: str | None) -> int | str | None:
    sample = image.get(name or "")
    found = None if sample is None else codec.raw(sample.point, sample.words)
    return int(found) if isinstance(found, float) and found.is_integer() else _no_float(found)


def _no_float(found: float | str | None) -> int | str | None:
    return None if isinstance(found, float) else found


def _own(profile: DeviceProfile, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in profile.registers]


def _phases(profile: DeviceProfile, image: Image, names: Sequence[str]) -> Phases | None:
    """All phases that the profile knows, 0 for the others; None if one of them is missing, or there is none."""
    own = _own(profile, names)
    found = {name: _number(image, name) for name in own}
    if not own or None in found.values():
        return None
    return Phases(*(found.get(name) or 0 for name in names))


def _same_block(profile: DeviceProfile, image: Image) -> bool:
    """Whether each current came in one block with its phase's power, which must be there."""
    for current, power in zip(CURRENTS, POWERS, strict=True):
        if current not in profile.registers:
            continue
        if power not in image or image[power].block != image[current].block:
            return False
    return True


def _state(form: StateMap | None, image: Image) -> tuple[EvState | None, bool | None]:
    if form is None:
        return None, None
    plugged = form.is_plugged(_raw(image, form.plug_register))
    raw = _raw(image, form.register_)
    text = "" if raw is None else str(raw)
    if form.values.get(text) == "plug":
        letter = None if plugged is None else EvState.B if plugged else EvState.A
    else:
        letter = form.letter(text)
    if form.plug_register is None and letter is not None:
        plugged = letter.plugged
    return letter, plugged


def _enabled(profile: DeviceProfile, image: Image) -> bool | None:
    form = profile.enable
    if form is None:
        return None
    shown = form.readback if form.readback in image else form.register_
    raw = _raw(image, shown)
    return {form.on: True, form.off: False}.get(raw) if isinstance(raw, int) else None


def _error(profile: DeviceProfile, image: Image) -> str | None:
    raw = _raw(image, "error_code")
    if raw in (None, 0, ""):
        return None
    return (profile.registers["error_code"].values or {}).get(str(raw), str(raw))
