"""From what a driver is built: slices of the site's configuration, plain and comparable (R36).

Standard library only. Units as in `api`.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Line:
    """Settings of one serial wire. `parity` is N, E or O. Modbus RTU has eight data bits, ASCII usually seven."""

    port: str
    baud: int
    parity: str
    stop_bits: int
    data_bits: int = 8
    framing: Literal["rtu", "ascii"] = "rtu"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Modbus TCP server."""

    host: str
    port: int


Wire = Line | Endpoint


@dataclass(frozen=True, slots=True)
class EvseSetup:
    """Slice of the site's configuration from which an outlet's driver is built."""

    id: str
    unit: int
    outlet: int
    failsafe_ma: int
    watchdog_timeout_s: float
    min_ma: int
    max_ma: int
    power_up_ma: int | None


@dataclass(frozen=True, slots=True)
class DcSetup:
    """Slice of the site's configuration from which the driver of a DC outlet is built.

    `phases` (1 or 3) and `phase_mv` (nominal) are those of its AC supply; `efficiency` is DC power / AC power.
    `min_ma` and `max_ma` are AC, per phase; `watchdog_timeout_s` is written to the SECC.
    """

    id: str
    bus: str
    unit: int
    max_power_w: int
    efficiency: Fraction
    phases: int
    phase_mv: int
    min_ma: int
    max_ma: int
    watchdog_timeout_s: float
    outlet: int = 1


@dataclass(frozen=True, slots=True)
class SwitchSetup:
    """The contactors between a stack and one outlet: a coil that closes them, an input that shows them closed."""

    evse: str
    bus: str
    unit: int
    coil: int
    feedback: int


@dataclass(frozen=True, slots=True)
class StackSetup:
    """Power modules that are always switched together.

    `evse` is the outlet that they are wired to; with `switches`, one of which is its own, the one that they belong
    to when they are not lent.
    """

    id: str
    bus: str
    addresses: tuple[int, ...]
    evse: str
    switches: tuple[SwitchSetup, ...] = ()


@dataclass(frozen=True, slots=True)
class MeterSetup:
    """Slice of the site's configuration from which a meter's driver is built.

    `ct_ratio` multiplies currents, powers and energies; `reversed` swaps import and export (R8).
    """

    id: str
    unit: int
    ct_ratio: float
    reversed: bool
    period_s: float


@dataclass(frozen=True, slots=True)
class ReaderSetup:
    """Slice of the site's configuration from which a reader's driver is built."""

    id: str
    port: str
    baud: int | None
    """None: the device profile's default."""


@dataclass(frozen=True, slots=True)
class RegisterSetup:
    """One value in a Modbus device that no device profile describes: a number or bit of somebody's controller.

    The value is raw * `scale`, or `bit` of an integer register (0: the lowest).
    """

    id: str
    unit: int
    table: Literal["holding", "input", "coil", "discrete"]
    address: int
    type: str
    scale: Fraction
    high_word_first: bool
    bit: int | None
    period_s: float


@dataclass(frozen=True, slots=True)
class FileSetup:
    """A file that shows the level of a digital input as 0 or 1, as sysfs does."""

    id: str
    path: str


@dataclass(frozen=True, slots=True)
class LineSetup:
    """One line of a GPIO chip. `bias` is pull-up, pull-down, disabled, or as-is."""

    id: str
    chip: str
    line: int
    bias: str
    debounce_ms: int


SensorSetup = RegisterSetup | FileSetup | LineSetup
"""Slice of the site's configuration from which a sensor's driver is built."""
