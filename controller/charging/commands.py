"""All that an edge (CSMS, web page, REST, MQTT) may ask of the site, and the answers."""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from controller.charging.charging_profiles import ChargingProfile, RateUnit
from controller.charging.modes import Mode
from controller.charging.profile_book import Criteria, Installed
from controller.charging.rates import Rate
from controller.charging.tokens import Token, TokenInfo


@dataclass(frozen=True, slots=True)
class StartRemotely:
    """`evse` None: the one car that waits at `evses`, those of the asking station (empty: of the site).

    `profile` is a TxProfile for the transaction that this becomes (K05).
    """

    token: Token
    evse: str | None
    remote_start_id: int | None = None
    evses: tuple[str, ...] = ()
    profile: ChargingProfile | None = None


@dataclass(frozen=True, slots=True)
class StopRemotely:
    """`transaction` is our key."""

    transaction: str


@dataclass(frozen=True, slots=True)
class StopLocally:
    """Somebody at the box or its page ends the session of an EVSE."""

    evse: str


@dataclass(frozen=True, slots=True)
class Tap:
    """A card presented at a reader, or on the page in its stead."""

    reader: str
    uid: str


@dataclass(frozen=True, slots=True)
class ChooseEvse:
    """Answer to a tap that had several candidates (R18). `choice` is the id of the offered choice."""

    choice: str
    evse: str


@dataclass(frozen=True, slots=True)
class SetAvailability:
    """`evse` None: every EVSE of the station, given in `evses`. Takes effect after a running transaction."""

    evses: tuple[str, ...]
    operative: bool


@dataclass(frozen=True, slots=True)
class ChooseMode:
    """How the running session of an EVSE is to be served until it ends. `mode` None: as the charging rules say."""

    evse: str
    mode: Mode | None


class ResetKind(enum.Enum):
    """ON_IDLE waits for running transactions; SOFT and IMMEDIATE end them, in order or as an interruption."""

    SOFT = "Soft"
    IMMEDIATE = "Immediate"
    ON_IDLE = "OnIdle"


@dataclass(frozen=True, slots=True)
class Reset:
    """Of the EVSEs of one station; the process and the site's control go on (R31)."""

    kind: ResetKind
    evses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnlockConnector:
    evse: str


@dataclass(frozen=True, slots=True)
class ReportVerdict:
    """A CSMS' late word on the token of a transaction that already runs (reply to a start)."""

    transaction: str
    info: TokenInfo


@dataclass(frozen=True, slots=True)
class TakeSample:
    """Write a triggered meter value for running transactions of these EVSEs."""

    evses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetChargingProfile:
    """At an EVSE of the station, or (`STATION`) at the station itself."""

    station: str
    evse: str
    profile: ChargingProfile


@dataclass(frozen=True, slots=True)
class ClearChargingProfiles:
    station: str
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class FindChargingProfiles:
    """The outcome has them in `found`."""

    station: str
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class ReadSchedule:
    """What an EVSE, or the station, may draw from now on; the outcome has it in `schedule`."""

    station: str
    evse: str
    duration_s: int
    unit: RateUnit | None


@dataclass(frozen=True, slots=True)
class Reload:
    """Read site.toml again and rebuild what changed, while the rest goes on (R36)."""


@dataclass(frozen=True, slots=True)
class SetVariable:
    """Write an OCPP variable, named "Component.Variable" or by its 1.6 key, as an operator at the box may."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ResendParked:
    """Send again what a CSMS had refused (R27)."""


class Voice(enum.Enum):
    """How somebody outside says a limit; site.toml declares which of them each limit listens to."""

    REST = "rest"
    MQTT = "mqtt"


@dataclass(frozen=True, slots=True)
class SetLimit:
    """A value in the unit that site.toml declares for it, good for `expires_s` (None: as declared).

    `aged`: nobody knows when it was said, because a broker has kept it.
    """

    limit: str
    value: float
    expires_s: float | None
    by: Voice
    aged: bool = False


@dataclass(frozen=True, slots=True)
class WithdrawLimit:
    """Its source says that it does not limit now. That, too, is too old after the declared time."""

    limit: str
    by: Voice
    aged: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseStop:
    """Somebody has looked, and charging may go on after a stop by this digital input (R11)."""

    input: str


@dataclass(frozen=True, slots=True)
class ForgetModule:
    """Somebody has seen that a silent power module has no mains, or is taken out: it counts no more (R1).

    `module` as the page names it; `confirmed` is what somebody typed to confirm it.
    """

    module: str
    confirmed: str


@dataclass(frozen=True, slots=True)
class StartScan:
    """Look for devices on a bus of the site, by reading only (R39). `units` empty: all that may be there."""

    bus: str
    units: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelScan:
    """End the scan that runs; what it has found stays."""


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """Registers or bits of any unit on a bus of the site; the outcome has them in `registers`."""

    bus: str
    unit: int
    table: str
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class WriteRegister:
    """Set up a device that is on a bus of the site but not in site.toml (R11).

    `value` is as typed, in the register's unit; `confirmed` is what somebody typed to confirm it.
    """

    bus: str
    unit: int
    profile: str
    outlet: int
    register: str
    value: str
    confirmed: str


Command = (
    StartRemotely
    | StopRemotely
    | StopLocally
    | Tap
    | ChooseEvse
    | SetAvailability
    | ChooseMode
    | Reset
    | UnlockConnector
    | ReportVerdict
    | TakeSample
    | SetChargingProfile
    | ClearChargingProfiles
    | FindChargingProfiles
    | ReadSchedule
    | Reload
    | SetVariable
    | ResendParked
    | SetLimit
    | WithdrawLimit
    | ReleaseStop
    | ForgetModule
    | StartScan
    | CancelScan
    | ReadRegisters
    | WriteRegister
)


class Result(enum.Enum):
    DONE = "done"
    SCHEDULED = "scheduled"
    """Accepted; happens when a running transaction has ended."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Names an EVSE, transaction or choice that is not there."""
    FAILED = "failed"
    """Accepted, tried, and a device or the store did not do it."""


@dataclass(frozen=True, slots=True)
class ExpectedSchedule:
    """Rates from `start` on, for `duration_s`."""

    start: datetime
    duration_s: int
    unit: RateUnit
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class RegistersRead:
    """`fault` is empty, or why nothing was read (`drivers.api.Fault`), with the exception code of the answer."""

    words: tuple[int, ...] = ()
    age_s: float = 0.0
    fault: str = ""
    exception: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`text` says why, for people; `reason` is a reason code of OCPP 2.x, if one fits.

    `transaction` is set when one already runs for the command.
    """

    result: Result
    text: str = ""
    transaction: str | None = None
    reason: str = ""
    found: tuple[Installed, ...] = ()
    schedule: ExpectedSchedule | None = None
    registers: RegistersRead | None = None


Ask = Callable[[Command], Awaitable[Outcome]]
