"""What somebody who sets up a device may write by hand, and whether the device took it (R11)."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from drivers.modbus import codec
from drivers.modbus.registers import Registers
from drivers.modbus.scheduler import Asks, Urgency
from drivers.profile_schema import DeviceProfile, Register

SET_UP = ("failsafe_current", "comm_timeout")


@dataclass(frozen=True, slots=True)
class Write:
    """`value` in mA, mV, W, Wh, ms or the raw number, as the codec takes it; `said` in the register's unit."""

    name: str
    value: int
    said: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it, for people. `kept`: as it should be, as far as it can be read back."""

    kept: bool
    text: str


def write_of(profile: DeviceProfile, name: str, said: str, *, outlet: int = 1) -> Write:
    """A write that the profile allows; its rules keep protective functions unwritable (R11).

    Raises:
        ValueError: it must not or cannot be written.
    """
    register = profile.registers.get(name)
    if register is None or not register.writable:
        names = ", ".join(one for one, entry in profile.registers.items() if entry.writable) or "none"
        raise ValueError(f"{name!r} is not writable in {profile.id}; these are: {names}")
    try:
        exact = Fraction(Decimal(said)) * codec.FACTORS[register.unit]
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"{name}: {said!r} is no number") from None
    if exact.denominator != 1:
        raise ValueError(f"{said} {register.unit or ''} is finer than {name} can be written")
    _refuse_unknown(register, said, exact)
    _refuse_between(profile, name, int(exact))
    _refuse_outside(register, said, exact)
    codec.encode(codec.point(profile, name, outlet), int(exact))
    return Write(name, int(exact), f"{said} {register.unit or ''}".strip())


def sets_up(profile: DeviceProfile) -> Collection[str]:
    """Registers that are written once when a device is set up: none that lets current flow."""
    names = {*SET_UP, *profile.commission}
    return sorted(name for name in names if name in profile.registers and profile.registers[name].writable)


async def carry_out(wire: Asks, profile: DeviceProfile, write: Write, *, unit: int, outlet: int = 1) -> Written:
    """Write, and read back where the model allows it.

    Raises:
        DeviceError: not answered, or refused.
    """
    registers = Registers(wire, profile, unit=unit, outlet=outlet)
    await registers.write(write.name, write.value, urgency=Urgency.WRITE)
    if not registers.readable(write.name):
        return Written(kept=True, text=f"{write.said} acknowledged; it cannot be read back")
    if await registers.read(write.name, Urgency.SLOW) == write.value:
        return Written(kept=True, text=f"{write.said} written and read back")
    return Written(kept=False, text=f"{write.said} acknowledged, but NOT kept")


def _refuse_unknown(register: Register, said: str, value: Fraction) -> None:
    """Of a register whose values have names nobody knows what another one does: an unlock of the plug has one."""
    names = register.values if register.is_integer and register.unit is None else None
    if names and str(value) not in names:
        known = ", ".join(f"{raw} ({text})" for raw, text in names.items())
        raise ValueError(f"{register.name} takes {known}, not {said}")


def _refuse_outside(register: Register, said: str, value: Fraction) -> None:
    """As the codec does, in the unit in which it was said."""
    unit, factor = register.unit or "", codec.FACTORS[register.unit]
    for bound, is_beyond in ((register.low, value.__lt__), (register.high, value.__gt__)):
        if bound is not None and is_beyond(Fraction(bound) * factor):
            raise ValueError(
                f"{register.name}: {said} {unit} is outside what it takes, which ends at {bound} {unit}"
            )
    if register.is_integer and (value / (register.scale * factor)).denominator != 1:
        raise ValueError(f"{register.name} goes in steps of {float(register.scale):g} {unit}, not {said}")


def _refuse_between(profile: DeviceProfile, name: str, value: int) -> None:
    """R7: chargers do undefined things between 0 and their least current."""
    form = profile.setpoint
    if name == "current_limit" and form is not None and 0 < value < form.min_ma:
        raise ValueError(f"current_limit is 0 or at least {form.min_a} A")
    if name == "current_limit" and form is not None and value > form.max_ma:
        raise ValueError(f"current_limit is at most {form.max_a} A")
    if name == "current_limit" and form is not None and value == 0 and form.pause != "zero":
        raise ValueError(
            f"{profile.id} is not paused by 0 A, which it may read as no limit; {form.pause!r} pauses it"
        )
