"""All that an edge (CSMS, web page, later MQTT and REST) may ask of the site, and the answers."""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.charging.tokens import Token, TokenInfo


@dataclass(frozen=True, slots=True)
class StartRemotely:
    """`evse` None: the one car that waits at `evses`, those of the asking station (empty: of the site)."""

    token: Token
    evse: str | None
    remote_start_id: int | None = None
    evses: tuple[str, ...] = ()


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


Command = (
    StartRemotely
    | StopRemotely
    | StopLocally
    | Tap
    | ChooseEvse
    | SetAvailability
    | Reset
    | UnlockConnector
    | ReportVerdict
    | TakeSample
    | Reload
    | SetVariable
    | ResendParked
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
class Outcome:
    """`text` says why, for people. `transaction` is set when one already runs for the command."""

    result: Result
    text: str = ""
    transaction: str | None = None


Ask = Callable[[Command], Awaitable[Outcome]]
