"""The power stage of one module: follows its orders late and along a ramp, into a battery. Real seconds."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Battery:
    """What hangs at the output: draws current only above its own voltage; `most_a` is what the car asks for."""

    volts: float = 350.0
    ohms: float = 0.05
    most_a: float = math.inf


@dataclass(slots=True)
class Stage:
    """`timeout_s`: switches off by itself when nothing was heard for so long; None: never."""

    battery: Battery
    rated_a: float
    ramp_a_s: float = 400.0
    timeout_s: float | None = None
    on: bool = False
    set_v: float = 0.0
    set_a: float = 0.0
    amperes: float = 0.0
    broken: bool = False
    heard_s: float = 0.0
    _at_s: float = 0.0

    def advance(self, now_s: float) -> None:
        """Move the output to where it is by now."""
        if self.timeout_s is not None and now_s - self.heard_s > self.timeout_s:
            self.on = False
        step_a = self.ramp_a_s * max(0.0, now_s - self._at_s)
        self._at_s = now_s
        aim_a = self._aim_a()
        if not self.on or self.broken:
            self.amperes = 0.0
        else:
            self.amperes += max(-step_a, min(step_a, aim_a - self.amperes))

    def _aim_a(self) -> float:
        by_voltage = max(0.0, (self.set_v - self.battery.volts) / self.battery.ohms)
        return min(self.set_a, self.rated_a, by_voltage, self.battery.most_a)

    @property
    def volts(self) -> float:
        """The battery holds the output up, also of a module that is off (behind its diode it shows nothing)."""
        return self.battery.volts + self.amperes * self.battery.ohms if self.on and not self.broken else 0.0
