"""What is written for a setpoint, and in which order. PURE."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from drivers.api import Setpoint
from drivers.profile_schema import CurrentSetpoint, DeviceProfile
from drivers.setups import EvseSetup

WHOLE_AMPERE_MA = 1000
"""A charger may keep a setpoint rounded down to whole amperes (seen with older firmware)."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Between two equal cuts to an outlet that does not answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """A setpoint on the outlet's grid: `current_ma` is 0 or at least the minimum."""

    current_ma: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One write: `value` is mA for `current` and the raw value for `enable`."""

    what: Literal["current", "enable"]
    value: int


def target(setpoint: Setpoint, setup: EvseSetup, form: CurrentSetpoint) -> Target:
    """Rounded DOWN to the grid and the maxima; what falls below a minimum is a pause, never a value between."""
    return Target(on_grid(setpoint.current_ma, setup, form), setpoint.enabled)


def on_grid(current_ma: int, setup: EvseSetup, form: CurrentSetpoint) -> int:
    limited_ma = min(current_ma, setup.max_ma, form.max_ma)
    rounded_ma = limited_ma // form.step_ma * form.step_ma
    return rounded_ma if rounded_ma >= max(setup.min_ma, form.min_ma) else 0


def steps(wanted: Target, profile: DeviceProfile, form: CurrentSetpoint) -> tuple[Step, ...]:
    """Energising sets the current before the release; locking takes the release away first."""
    enable = profile.enable
    if not wanted.enabled:
        off = () if enable is None else (Step("enable", enable.off),)
        return (*off, *pause(profile, form))[: 1 if form.pause == "disable" else None]
    on = () if enable is None else (Step("enable", enable.on),)
    if wanted.current_ma > 0:
        return (Step("current", wanted.current_ma), *on)
    return pause(profile, form) if form.pause == "disable" else (*pause(profile, form), *on)


def pause(profile: DeviceProfile, form: CurrentSetpoint) -> tuple[Step, ...]:
    """How this model is told 0 A."""
    if isinstance(form.pause, Decimal):
        return (Step("current", int(form.pause * 1000)),)
    if form.pause == "disable" and profile.enable is not None:
        return (Step("enable", profile.enable.off),)
    return (Step("current", 0),)


def kept(step: Step, read: int, *, same_register: bool) -> bool:
    """Whether what was read back is what was written, or safely below it.

    A setpoint register may round down to whole amperes; a register of its own for what is offered may be lower for
    other reasons (cable, temperature). Nothing may be higher.
    """
    if step.what == "enable" or read == step.value:
        return read == step.value
    lowest_ma = step.value - WHOLE_AMPERE_MA + 1 if same_register else 0
    return step.value > 0 and max(0, lowest_ma) <= read < step.value


def lowers(new: Setpoint, old: Setpoint) -> bool:
    return new.current_ma < old.current_ma or (old.enabled and not new.enabled)


@dataclass(slots=True)
class Unheard:
    """Cuts that were sent to an outlet which may hear though it is not heard.

    Each costs the others on its wire a time-out.
    """

    told: Target | None = None
    next_s: float = -math.inf
    pause_s: float = FIRST_PAUSE_S

    def may_be_told(self, wanted: Target, now_s: float) -> bool:
        """Another cut at once, the same one less and less often."""
        if wanted == self.told and now_s < self.next_s:
            return False
        self.pause_s = min(LONGEST_PAUSE_S, 2 * self.pause_s) if wanted == self.told else FIRST_PAUSE_S
        self.told, self.next_s = wanted, now_s + self.pause_s
        return True
