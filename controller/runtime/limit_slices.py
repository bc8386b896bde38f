"""Slices of the configuration from which limits and digital inputs are built (R36)."""

import enum
from dataclasses import dataclass
from datetime import tzinfo
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from controller.allocation.image import Scope
from controller.charging.local_time import Window

WhenLost = Literal["release", "hold"] | int
"""What counts when a source is silent: nothing, its last value, or this value."""


class Source(enum.Enum):
    REST = "rest"
    MQTT = "mqtt"
    INPUT = "input"
    MODBUS = "modbus"
    CALENDAR = "calendar"


class Unit(enum.Enum):
    """What a source counts in. Inside it is mA per phase, or W of all phases together."""

    A = "a"
    W = "w"
    KW = "kw"

    @property
    def factor(self) -> int:
        """How many mA or W one of it is."""
        return 1 if self is Unit.W else 1000

    def inside(self, value: Decimal) -> int:
        """Rounded down: a limit is never taken for more than was said."""
        return int((value * self.factor).to_integral_value(ROUND_FLOOR))

    def text(self, value: int) -> str:
        """For people, from the inner value."""
        return f"{value / 1000:g} {'A' if self is Unit.A else 'kW'}"


@dataclass(frozen=True, slots=True)
class Span:
    """A value of a calendar, in force within its window."""

    window: Window
    value: int


@dataclass(frozen=True, slots=True)
class LimitSlice:
    """One limit that site.toml declares. Its values are in mA or W, as `unit` says.

    `when_lost` is None where silence has no meaning: an input that cannot be read counts as active (R11), and a
    calendar is never silent. `value` is that of an input while it is active.
    """

    id: str
    source: Source
    scope: Scope
    target: str
    unit: Unit
    lowest: int
    highest: int
    when_lost: WhenLost | None = None
    expires_s: float | None = None
    log: bool = False
    input: str | None = None
    value: int | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class InputSlice:
    """`active` is the level, 0 or 1, at which it counts as active. `stop_all`: active, it stops all charging."""

    id: str
    active: int
    stop_all: bool = False


@dataclass(frozen=True, slots=True)
class LimitsSlice:
    """All limits and inputs as they shall be. `zone` is what calendars go by; None: there is none."""

    limits: tuple[LimitSlice, ...] = ()
    inputs: tuple[InputSlice, ...] = ()
    zone: tzinfo | None = None
