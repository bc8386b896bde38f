"""The process image that the control tick sees, and the plan that it returns. All of it is frozen."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.allocation.circuits import Circuit, SupplyPoint
from drivers.api import EvseReading, FallBack, Health, MeterReading, Phases


@dataclass(frozen=True, slots=True)
class Layout:
    """What does not change from tick to tick. Circuits stand parents first."""

    circuits: tuple[Circuit, ...]
    evses: tuple[SupplyPoint, ...]
    voltage_mv: int
    meter_period_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Demand:
    """What a session wants. `min_ma` raises the EVSE's own minimum (R7); `since_s` orders the waiting."""

    since_s: float
    min_ma: int | None = None
    priority: int = 0
    """Higher is served first."""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class EvseImage:
    """One EVSE now. `permit` None or False: it must not energise; `demand` is None without a session.

    `confirmed_ma` and `confirmed_s` are the last setpoint the device acknowledged and when; None before the first.
    `commanded_ma` is the last one sent, acknowledged or not: until it is confirmed the device may hold either.
    """

    id: str
    permit: bool
    demand: Demand | None
    reading: EvseReading | None
    health: Health
    lost_s: float | None
    """Monotonic time of the last answer before it was lost."""
    fall_back: FallBack
    confirmed_ma: int | None
    confirmed_s: float | None
    commanded_ma: int | None


class Scope(enum.Enum):
    """What a limit caps."""

    CIRCUIT = "circuit"
    """All that flows through a circuit, the building included."""
    CHARGING = "charging"
    """The EVSEs below a circuit together, without the building (R11: dimming is for controllable loads)."""
    EVSE = "evse"


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap from whatever source (R37): per phase in mA. The lowest of several on one target counts.

    `target` is the id of a circuit or an EVSE. `expires_s` is monotonic; None: until its source withdraws it.
    """

    source: str
    scope: Scope
    target: str
    value_ma: int
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessImage:
    """`meters` maps a meter id to its latest reading, however old; absence means that it was never read."""

    now_s: float
    evses: tuple[EvseImage, ...]
    meters: Mapping[str, MeterReading]
    limits: tuple[Limit, ...] = ()


class ReasonKind(enum.Enum):
    """What binds an EVSE's setpoint."""

    NO_SESSION = "no-session"
    NOT_PERMITTED = "not-permitted"
    OWN_MAXIMUM = "own-maximum"
    CIRCUIT = "circuit"
    LIMIT = "limit"
    WAITING = "waiting"
    """Not admitted: its minimum does not fit at what `where` names."""
    RAISE_DELAY = "raise-delay"
    """A raise is due, but the last one is too recent or the cuts that make room have not taken effect."""
    UNREACHABLE = "unreachable"
    OVERDRAW = "overdraw"
    UNVERIFIED = "watchdog-not-verified"
    """The proof counts on a watchdog that has not been read back yet: locked until it has."""
    GUARD = "guard"
    """The independent guard found a sum that the allocator should not have produced."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`where` names it for people: "board-b, L3", or a limit's source.

    Where several bind at once, so that no single one makes a difference, it names them all, separated by "; ".
    """

    kind: ReasonKind
    where: str = ""

    def text(self) -> str:
        return f"{self.kind.value}: {self.where}" if self.where else self.kind.value


@dataclass(frozen=True, slots=True)
class EvsePlan:
    """What to write. `current_ma` 0 pauses; `enabled` False locks (R15).

    `bound_ma` per phase is R1's, or the measured current of an EVSE that draws more (R5).
    """

    id: str
    current_ma: int
    enabled: bool
    reason: Reason
    bound_ma: int


@dataclass(frozen=True, slots=True)
class CircuitPlan:
    """Per phase: what may be used, what is not ours, what is ours, and what the meter says (None: not now).

    `planned_ma` adds the new setpoints, and for unreachable EVSEs their bounds; `base_ma` is not in it.
    `limited_by` is the source of the lowest limit, or "rating".
    """

    id: str
    limit_ma: Phases
    base_ma: Phases
    planned_ma: Phases
    measured_ma: Phases | None
    limited_by: str


@dataclass(frozen=True, slots=True)
class Plan:
    evses: tuple[EvsePlan, ...]
    circuits: tuple[CircuitPlan, ...]
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Currents per supply phase at a moment."""

    t_s: float
    current_ma: Phases


@dataclass(frozen=True, slots=True)
class EvseMemory:
    """What the tick remembers of one EVSE between calls. Only the allocation looks inside."""

    set_ma: int = 0
    """The last setpoint planned."""
    admitted: bool = False
    raised_s: float | None = None
    bound_ma: int | None = None
    counted_ma: int = 0
    """The bound, or more while a cut has not had time to reach the EV."""
    cut_s: float | None = None
    """When the bound last fell."""
    before_cut_ma: int = 0
    """What counted before it fell."""
    unreachable_s: float | None = None
    """The last tick at which it was: only a later confirmation says what it holds."""
    stuck_s: float | None = None
    """Since when it has not taken a lower setpoint."""
    samples: tuple[Sample, ...] = ()
    """Its last measured currents, oldest first."""
    lowest_ma: int = 0
    """The lowest setpoint in force since the newest sample."""
    overdraw_s: float | None = None
    """When it entered its stage, by the reading that showed it."""
    overdraw_stage: int = 0
    phases_seen_s: float | None = None
    """Since when it has measured fewer phases than are counted."""
    phases_used: int | None = None
    """The first so many of the wired phases; None: all."""
    plug_counter: int | None = None
    paused: bool = False
    """It lost its admission while its session wanted current."""
    fits_s: float | None = None
    """Since when its minimum has fitted again."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Lost at a restart: every default is the conservative one. Only the allocation looks inside."""

    evses: Mapping[str, EvseMemory] = field(default_factory=dict)
    base_ma: Mapping[str, Phases] = field(default_factory=dict)
    base_s: Mapping[str, float] = field(default_factory=dict)
    metered: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    """The last two samples of each meter, oldest first."""
