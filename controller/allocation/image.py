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
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """EVSEs that a limit may cap together although no circuit holds just them: the stations of a CSMS."""
    slot_s: float = 900.0
    """Who has charged for so long makes way for who has waited for so long."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """What an EV still needs, and until when (monotonic)."""

    energy_wh: int
    departs_s: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What a session wants. `min_ma` raises the EVSE's own minimum (R7); `since_s` orders the waiting.

    `max_ma` caps it (a fixed limit). `surplus`: only what would be exported otherwise.
    """

    since_s: float
    min_ma: int | None = None
    priority: int = 0
    """Higher is served first."""
    weight: int = 1
    max_ma: int | None = None
    surplus: bool = False
    deadline: Deadline | None = None


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
    GROUP = "group"
    """The EVSEs of one of the layout's groups together."""
    EVSE = "evse"


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap from whatever source (R37). The lowest of several on one target counts.

    `target` is the id of a circuit, a group or an EVSE. `value_ma` is per phase, `value_w` all phases together at
    the layout's voltage; None: not capped so. `expires_s` is monotonic; None: until its source withdraws it.
    """

    source: str
    scope: Scope
    target: str
    value_ma: int | None
    expires_s: float | None = None
    value_w: int | None = None


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
    """`where` is empty for the EVSE's own, or says what else is the session's or the EV's own."""
    CIRCUIT = "circuit"
    LIMIT = "limit"
    WAITING = "waiting"
    """Not admitted: its minimum does not fit at what `where` names."""
    RAISE_DELAY = "raise-delay"
    """A raise is due, but the last one is too recent or the cuts that make room have not taken effect."""
    SURPLUS = "surplus"
    """It shall take only what would be exported."""
    THERMAL = "thermal"
    """Locked because the circuit breaker that `where` names was about to trip."""
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
    `limited_by` is the source of the lowest limit, "contract" for the circuit's own power, or "rating".
    """

    id: str
    limit_ma: Phases
    base_ma: Phases
    planned_ma: Phases
    measured_ma: Phases | None
    limited_by: str
    limit_w: int | None = None
    """What all phases may carry together, where something says so."""


@dataclass(frozen=True, slots=True)
class Plan:
    evses: tuple[EvsePlan, ...]
    circuits: tuple[CircuitPlan, ...]
    alarms: tuple[str, ...] = ()
