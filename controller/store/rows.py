"""What the store takes and gives."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller.charging.instant import Instant
from controller.charging.records import Entry, Route
from controller.charging.tokens import TokenInfo


@dataclass(frozen=True, slots=True)
class Commit:
    """What becomes durable together or not at all.

    An entry without a route is sealed in the ledger and sent to nobody.
    """

    states: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    entries: Sequence[tuple[Entry, Route | None]] = ()
    drop_states: Sequence[str] = ()


class DeliveryState(enum.Enum):
    QUEUED = "queued"
    SENT = "sent"
    """Sent at least once, with the payload that is frozen in `wire`; not acknowledged."""
    ACKNOWLEDGED = "acknowledged"
    PARKED = "parked"
    """The CSMS refuses this message; it waits for somebody's decision (R27)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry on its way. `seq` is its number in the ledger, `why` the reason for which it is parked."""

    seq: int
    transaction: str
    evse: str
    entry: Entry
    state: DeliveryState
    attempts: int
    wire: str | None
    queued: Instant
    why: str = ""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a route is not delivered. `oldest` is that of the oldest row that waits, None without one."""

    waiting: int
    parked: int
    oldest: Instant | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the sources of one CSMS know of a token. `cache_used` is aware UTC, None without a cached one."""

    listed: TokenInfo | None = None
    cached: TokenInfo | None = None
    cache_used: datetime | None = None


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """A change of a limit that is logged, or a stop by a digital input: `subject` is its id.

    `value_ma` per phase or `value_w`: what counts from then on; both None: nothing.
    """

    at: Instant
    subject: str
    what: str
    value_ma: int | None = None
    value_w: int | None = None
