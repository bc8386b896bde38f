"""Vocabulary of the field bus and the protocols that a device fulfils. Standard library only.

Units: integers with the unit in the name; seconds are floats `_s` on the monotonic clock.
Sign: positive is import from the grid, always. A current carries the sign of its phase's active power.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable


class Phases(NamedTuple):
    """One integer for each of L1, L2, L3, in the unit that the field's name says."""

    l1: int
    l2: int
    l3: int

    def plus(self, other: "Phases") -> "Phases":
        return Phases(self.l1 + other.l1, self.l2 + other.l2, self.l3 + other.l3)

    @property
    def highest(self) -> int:
        return max(self)


NO_CURRENT = Phases(0, 0, 0)


class EvState(enum.Enum):
    """Pilot state of IEC 61851-1. E: no pilot or short; F: the charger is out of order."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"

    @property
    def plugged(self) -> bool | None:
        """Whether an EV is connected; None where the pilot cannot tell (E, F)."""
        return _PLUGGED.get(self)


_PLUGGED = {EvState.A: False, EvState.B: True, EvState.C: True, EvState.D: True}


class Fault(enum.Enum):
    """Why a device did not do what was asked."""

    TIMEOUT = "timeout"
    """No answer in time: the device or its wire may be gone."""
    REFUSED = "refused"
    """The device answered with an exception, or kept another value than the one written."""
    DATA = "data"
    """The answer makes no sense: out of range, a sentinel, impossible."""
    MISMATCH = "mismatch"
    """The device is not the one that its device profile describes."""
    CLOSED = "closed"
    """The port or socket is not open."""


class DeviceError(Exception):
    """A device, or the wire to it, failed. `fault` is what a caller reacts to, the text is for people."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class Health(enum.Enum):
    """Whether a device answers. UNKNOWN until the first answer or the first miss."""

    UNKNOWN = "unknown"
    OK = "ok"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class EvseReading:
    """What one outlet said. None: not read yet, not offered by the model, or not believable.

    `t_s` is the monotonic receive time of the OLDEST value in it, so that age is never understated, but for those
    that the device profile has read only each 10 s (voltage, error; its class `slow`): theirs is `slow_t_s`.
    """

    t_s: float
    state: EvState | None
    plugged: bool | None
    current_ma: Phases | None = None
    power_w: int | None = None
    energy_wh: int | None = None
    """Lifetime import register of the outlet, not rebased."""
    offered_ma: int | None = None
    """The current limit that the charger itself reports, if it does."""
    enabled: bool | None = None
    """The charger's own release register as read back, if it has one."""
    plug_counter: int | None = None
    """A number that changes with each plug-in, if the model has one (evidence for R17)."""
    tag: str | None = None
    """UID that the charger's own reader shows now, if it has one."""
    error: str | None = None
    slow_t_s: float | None = None
    """Monotonic receive time of the oldest value that is read only each 10 s; None: there is none."""
    soc_percent: int | None = None
    """Charge of the EV's battery, where a DC outlet was told it."""


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One sample of an energy meter, signed: import positive, export negative.

    `ct_ratio` and direction of the site's configuration are already applied.
    `signed` is False where a current came without the power of its phase in the same block: then currents count as
    import. `t_s` and `slow_t_s` as for `EvseReading`: voltage may be read only each 10 s.
    """

    t_s: float
    current_ma: Phases
    power_w: int
    signed: bool
    energy_import_wh: int | None = None
    voltage_mv: Phases | None = None
    slow_t_s: float | None = None


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What an EVSE shall offer, and until when that may be believed.

    `current_ma` is per phase: 0 (pause) or at least the EVSE's minimum; `power_w` serves outlets in watts.
    `enabled` False locks the outlet by its release register. When `valid_until_s` (monotonic) passes without
    a newer setpoint the driver itself writes the fail-safe current and stops feeding the device's watchdog.
    """

    current_ma: int
    enabled: bool
    valid_until_s: float
    power_w: int | None = None


@dataclass(frozen=True, slots=True)
class FallBack:
    """What an outlet does on its own: the facts from which the bound of an unreachable EVSE is computed.

    `watchdog_timeout_s` is None without a communication watchdog. `verified` is True once timeout and
    fail-safe current were written AND read back; it stays so while the device is lost. `holds_last`: the device
    profile says that it keeps the last setpoint; False also where nothing is known.
    """

    watchdog_timeout_s: float | None
    failsafe_ma: int
    verified: bool
    holds_last: bool
    power_up_ma: int | None
    """Offered after mains returns, before anybody wrote to it; None: unknown, count its maximum."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an outlet can do, so that callers ask for abilities and never for types."""

    current: bool = True
    """Takes setpoints in amperes."""
    power: bool = False
    """Takes setpoints in watts (DC outlets)."""
    step_ma: int = 1000
    """Grid of its current setpoint."""
    latency_s: float = 1.0
    """From a written setpoint to the pilot."""
    raise_interval_s: float = 0.0
    """Least time between two raises of the setpoint, because it is kept in EEPROM (R12). A caller that asks earlier
    is refused; the first raise after the outlet was found, and every cut, may come at any time."""
    meter: bool = False
    """Reports a lifetime energy register."""
    reader: bool = False
    """Shows the UID of a card held to it."""
    transactions: bool = False
    """Runs transactions of its own (a charger that speaks OCPP itself)."""
    lock: bool = False
    """Has a release register, so that an idle outlet is locked and not only offered 0 A."""
    phase_switch: bool = False
    wake_up: bool = False
    unlock: bool = False
    """Can release the plug of a detachable cable."""


# What a device tells without being asked. Polling and pushing drivers feed the same sink.


@dataclass(frozen=True, slots=True)
class EvseRead:
    evse: str
    reading: EvseReading


@dataclass(frozen=True, slots=True)
class MeterRead:
    meter: str
    reading: MeterReading


@dataclass(frozen=True, slots=True)
class TokenRead:
    """A card was presented once: debounced, normalised (upper-case hex, no separators), never empty."""

    reader: str
    uid: str
    t_s: float


@dataclass(frozen=True, slots=True)
class SensorRead:
    """A plain value: of a register in its setup's unit, or the level of a digital input (0 or 1).

    `value` None: something was read that is no value. What cannot be read at all is not told here.
    """

    sensor: str
    value: int | None
    t_s: float


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """`device` is the id of an EVSE, a meter, a reader, a sensor, or a bus."""

    device: str
    health: Health
    text: str
    t_s: float


DeviceEvent = EvseRead | MeterRead | TokenRead | SensorRead | HealthChanged
Sink = Callable[[DeviceEvent], None]
"""Called in the event loop; must return at once and never raise."""


class Evse(Protocol):
    """One outlet of a charger. Readings go to the sink it was built with; `latest` repeats the newest."""

    @property
    def id(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def fall_back(self) -> FallBack: ...

    @property
    def health(self) -> Health: ...

    @property
    def latest(self) -> EvseReading | None: ...

    async def apply(self, setpoint: Setpoint) -> None:
        """Return once the outlet holds the setpoint: acknowledged, and read back where the model allows it.

        A newer call replaces a queued older one, whose caller gets `DeviceError(REFUSED, "superseded")`.
        A setpoint equal to what the device holds renews `valid_until_s` without a write (R12).
        Cancelling the caller never cancels a transfer on the wire.

        Raises:
            DeviceError: nothing may be concluded about what the outlet now offers.
        """

    async def read_now(self) -> EvseReading:
        """A reading whose every value was received after this call.

        Raises:
            DeviceError: not answered, or not believable.
        """


@runtime_checkable
class Unlocker(Protocol):
    async def unlock(self) -> None:
        """Release the plug."""


@runtime_checkable
class PhaseSwitcher(Protocol):
    async def switch_phases(self, phases: int) -> None:
        """Use 1 or 3 phases; only at 0 A."""


@runtime_checkable
class WakeUp(Protocol):
    async def wake_up(self) -> None:
        """One pulse that makes a sleeping EV ask for energy again."""


class Feedback(enum.Enum):
    """What a driver sees or hears at a reader that can show something."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    WAITING = "waiting"


class Meter(Protocol):
    """An energy meter. Readings go to the sink it was built with."""

    @property
    def id(self) -> str: ...

    @property
    def health(self) -> Health: ...

    @property
    def latest(self) -> MeterReading | None: ...

    @property
    def period_s(self) -> float:
        """Planned time between two readings."""


class TokenReader(Protocol):
    """An RFID reader. Tokens go to the sink it was built with."""

    @property
    def id(self) -> str: ...

    @property
    def health(self) -> Health: ...

    async def show(self, feedback: Feedback) -> None:
        """Light or sound, where the reader has one; otherwise nothing."""


@dataclass(frozen=True, slots=True)
class UnitFigures:
    """Counters since start of one unit; `lost_s` is the part of `busy_s` in which nobody answered.

    `turnaround_s`: usual time from the end of a read to its answer; None: none was seen.
    """

    unit: int
    transactions: int
    errors: int
    timeouts: int
    busy_s: float
    lost_s: float
    lost: bool
    turnaround_s: float | None = None
    answer_age_s: float | None = None
    """None: it never answered."""
    faults: Mapping[str, int] = field(default_factory=dict)
    """`errors` by kind."""


@dataclass(frozen=True, slots=True)
class BusFigures:
    """Counters since start of one wire; totals never go down.

    `faults` are errors by kind. `waiting`: how much is queued now. `worst_cut_s`: the longest that a reduction
    waited for its turn; None: not known.
    """

    bus: str
    transactions: int
    errors: int
    timeouts: int
    busy_s: float
    devices: Sequence[str]
    units: Sequence[UnitFigures] = ()
    faults: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    worst_cut_s: float | None = None
