"""The power stage of one module: follows its orders late and along a ramp, into whatever hangs at its output."""

import math
from dataclasses import dataclass
from typing import Protocol

IDLE_W = 60.0
"""What a module that is on takes without any load: fans and its own supply."""
STANDBY_W = 12.0
LINEAR_LOSS = 0.02
QUADRATIC_LOSS = 0.03
"""At full load; together 0.95 there, 0.96 at a half, and less and less below a twentieth."""


class Load(Protocol):
    """What hangs at an output."""

    def takes_a(self, set_v: float) -> float:
        """What flows when that voltage is set and nothing else limits."""

    def shown_v(self, amperes: float) -> float:
        """The voltage that a running module sees."""


@dataclass(slots=True)
class Battery:
    """One that is always connected: draws current only above its own voltage; `most_a` is what the car asks for."""

    volts: float = 350.0
    ohms: float = 0.05
    most_a: float = math.inf

    def takes_a(self, set_v: float) -> float:
        return min(max(0.0, (set_v - self.volts) / self.ohms), self.most_a)

    def shown_v(self, amperes: float) -> float:
        return self.volts + amperes * self.ohms


@dataclass(slots=True)
class Stage:
    """`timeout_s`: switches off by itself when nothing was heard for so long; None: never."""

    load: Load
    rated_a: float
    ramp_a_s: float = 400.0
    timeout_s: float | None = None
    on: bool = False
    set_v: float = 0.0
    set_a: float = 0.0
    amperes: float = 0.0
    broken: bool = False
    heard_s: float = 0.0
    rated_w: float = 30_000.0
    available_w: float = math.inf
    """A derated module takes a setpoint and delivers less."""
    _at_s: float = 0.0

    @property
    def running(self) -> bool:
        return self.on and not self.broken

    def advance(self, now_s: float) -> None:
        """Move the output to where it is by now."""
        if self.timeout_s is not None and now_s - self.heard_s > self.timeout_s:
            self.on = False
        step_a = self.ramp_a_s * max(0.0, now_s - self._at_s)
        self._at_s = now_s
        if not self.running:
            self.amperes = 0.0
        else:
            self.amperes += max(-step_a, min(step_a, self._aim_a() - self.amperes))

    def _aim_a(self) -> float:
        return min(self.most_a(self.load.shown_v(self.amperes)), self.load.takes_a(self.set_v))

    def most_a(self, volts: float) -> float:
        """What it delivers at most at that voltage."""
        return min(self.set_a, self.rated_a, self.available_w / max(volts, 1.0))

    @property
    def volts(self) -> float:
        """The battery holds the output up, also of a module that is off (behind its diode it shows nothing)."""
        return self.load.shown_v(self.amperes) if self.running else 0.0

    @property
    def dc_w(self) -> float:
        return self.volts * self.amperes

    @property
    def ac_w(self) -> float:
        """What it takes from the mains: no efficiency figure of a data sheet, but losses."""
        if not self.on:
            return STANDBY_W
        load = self.dc_w
        return load + IDLE_W + LINEAR_LOSS * load + QUADRATIC_LOSS * load * load / self.rated_w
