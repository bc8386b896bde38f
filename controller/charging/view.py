"""All that an edge may see of the site: one frozen value, replaced each cycle and on every change."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.charging.found import ScanView
from controller.charging.records import ChargingState
from drivers.api import EvState, Phases


class EvseStatus(enum.Enum):
    """What a driver or an operator calls the state of an EVSE; each OCPP version maps it to its own."""

    AVAILABLE = "available"
    WAITING = "waiting"
    """Authorised, waits for a plug."""
    PLUGGED = "plugged"
    """An EV is connected and nobody has been authorised."""
    AUTHORISING = "authorising"
    STARTING = "starting"
    CHARGING = "charging"
    SUSPENDED_EV = "suspended-ev"
    SUSPENDED_EVSE = "suspended-evse"
    FINISHING = "finishing"
    """The transaction has ended, the EV is still connected."""
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class TransactionView:
    """`token` is masked for people: all but its last four characters."""

    transaction: str
    token: str
    started_utc: str
    energy_wh: int | None
    seconds: int
    state: ChargingState


@dataclass(frozen=True, slots=True)
class DcView:
    """What only a DC outlet has. `stacks` are the power modules that it has now, or is about to get or give back.

    `offered_w` at the outlet, as set by us; its modules may be able to deliver less.
    """

    offered_w: int
    soc_percent: int | None
    stacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvseView:
    """`offered_ma` is the last confirmed setpoint, `drawn_ma` the last reading (None: unknown or too old).

    `reason` says what limits the setpoint, in words that name it ("board-b, L3"). `bound_ma` is what the EVSE
    may be drawing per phase as far as the controller can prove (R1).
    """

    id: str
    status: EvseStatus
    ev_state: EvState | None
    offered_ma: int
    drawn_ma: Phases | None
    power_w: int | None
    energy_wh: int | None
    reason: str
    bound_ma: int
    circuit: str
    operative: bool
    fault: str | None
    plug_id: str | None
    transaction: TransactionView | None
    message: str | None = None
    """What the driver in front of it should know now ("card refused: blocked")."""
    mode: str = ""
    """How its session is served ("deadline 20 kWh by 07:00"); its first word is the kind. Empty without one."""
    mode_from: str = ""
    """Who says so: "chosen", "rule <id>" or "no rule"."""
    mode_note: str = ""
    """Why the session gets less than the mode's name promises."""
    dc: DcView | None = None
    """None: an AC outlet. Of a DC one `offered_ma`, `drawn_ma` and `bound_ma` are the input (R9), power and energy
    those of the outlet."""


@dataclass(frozen=True, slots=True)
class CircuitView:
    """Per phase. `load_ma` is measured, or the sum of bounds and base load where `measured` is False."""

    id: str
    parent: str | None
    rating_ma: Phases
    limit_ma: Phases
    """What the allocator may use: rating x usable share, or a lower external limit."""
    load_ma: Phases
    base_ma: Phases
    """Load that is not ours."""
    measured: bool
    limited_by: str


@dataclass(frozen=True, slots=True)
class CsmsView:
    """One connection of one station."""

    csms: str
    identity: str
    version: str
    url: str
    connected: bool
    registration: str
    """Accepted, Pending, Rejected, or empty before the first answer."""
    outbox_depth: int
    parked: int
    last_error: str


@dataclass(frozen=True, slots=True)
class ChoiceView:
    """A tap with several candidates waits for somebody to choose (R18)."""

    choice: str
    reader: str
    token: str
    evses: tuple[str, ...]
    seconds_left: int


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A bus, meter or reader, a stack of power modules or one of them.

    `silent`: a module that does not answer and may be live.
    """

    id: str
    kind: str
    health: str
    text: str
    silent: bool = False


class LimitState(enum.Enum):
    """How a limit from outside stands."""

    SET = "set"
    """Its source says a value."""
    FREE = "free"
    """Its source says that it does not limit."""
    WAITING = "waiting"
    """Nothing was heard of its source since the start."""
    LOST = "lost"
    """Its source has been silent for too long."""
    DOUBT = "time uncertain"


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit that site.toml declares. `value_ma` is per phase, `value_w` of all phases; both None: nothing counts.

    `age_s` is that of its source's last word, `expires_in_s` until that is too old; None: it is not, or never.
    `binds` names the circuits and EVSEs that get less because of it.
    """

    id: str
    source: str
    scope: str
    target: str
    unit: str
    state: LimitState
    value_ma: int | None
    value_w: int | None
    age_s: int | None
    expires_in_s: int | None
    when_lost: str
    """What counts without its source, for people."""
    refused: str
    """Why its source's last value was not taken; empty: it was."""
    binds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputView:
    """A digital input. `active` also while it is not `known`, because it cannot be read (R11).

    `stop_all`: it stops all charging while it is active, and `latched` says that it still does until released.
    """

    id: str
    active: bool
    known: bool
    stop_all: bool
    latched: bool


@dataclass(frozen=True, slots=True)
class SiteView:
    site: str
    name: str
    version: str
    time_utc: str
    time_trusted: bool
    uptime_s: int
    evses: tuple[EvseView, ...]
    circuits: tuple[CircuitView, ...]
    csms: tuple[CsmsView, ...]
    devices: tuple[DeviceView, ...]
    choices: tuple[ChoiceView, ...]
    alarms: tuple[str, ...]
    cycle_s: float
    """Duration of the last control cycle."""
    limits: tuple[LimitView, ...] = ()
    inputs: tuple[InputView, ...] = ()
    scan: ScanView = field(default_factory=ScanView)


Look = Callable[[], SiteView]
