"""State of one EVSE's session, and what can happen to it. `step.py` says what follows from what."""

from dataclasses import dataclass, field

from controller.charging.instant import Instant
from controller.charging.modes import Chosen, Mode
from controller.charging.records import ChargingState, MeterValue, StopReason, Trigger
from controller.charging.tokens import BilledBy, Token, TokenInfo


@dataclass(frozen=True, slots=True)
class Plug:
    """One plug-in. `id` is ours, `counter` the charger's own if it has one.

    `free_since`: since when it stands there without a payer: the plug-in, or the end of its last transaction.
    """

    id: str
    since: Instant
    free_since: Instant
    counter: int | None
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Payer:
    """Who asked for the session, and how."""

    token: Token
    trigger: Trigger
    remote_start_id: int | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A running transaction. `next_seq` numbers its next entry.

    `last_wh` is the register last made durable, `last_at` when it was read: the proof for R17. `looked`: when the
    clock last asked for such a proof, with or without an answer.
    """

    id: str
    payer: Payer
    billed_by: BilledBy
    next_seq: int
    started: Instant
    start_wh: int
    last_wh: int
    last_at: Instant
    looked: Instant
    sampled: Instant
    state: ChargingState
    invalid: bool = False
    """The CSMS refused the token late, and the site only stops the energy."""
    chosen: Chosen | None = None
    """A mode that somebody chose for this transaction; None: what the charging rules say."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody pays."""


@dataclass(frozen=True, slots=True)
class Authorising:
    """A token was presented; its verdict is awaited."""

    payer: Payer
    since: Instant


@dataclass(frozen=True, slots=True)
class Waiting:
    """Authorised, no plug yet; given up at `until`."""

    payer: Payer
    until: Instant


@dataclass(frozen=True, slots=True)
class Starting:
    """Authorised and plugged; the register's begin value is awaited."""

    payer: Payer
    since: Instant


@dataclass(frozen=True, slots=True)
class Running:
    """`unseen`: read back after a start, and the charger has not been looked at since. No part of the row.

    Until Resumed has judged, no reading is believed and no proof is renewed: it would replace the evidence.
    """

    transaction: Transaction
    unseen: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Stopping:
    """No more energy; the register's end value is awaited, until `register_wait_s` after `since`.

    `departed`: its EV has left. A plug that shows then is somebody else's.
    """

    transaction: Transaction
    reason: StopReason
    trigger: Trigger
    since: Instant
    token: Token | None = None
    departed: bool = False


Phase = Idle | Authorising | Waiting | Starting | Running | Stopping


@dataclass(frozen=True, slots=True)
class EvseState:
    """All that must survive about one EVSE.

    `wanted_operative` differs from `operative` while a change of availability waits for a transaction's end.
    `message` is for the driver in front of it; `fault` is the charger's own word. `rest_wh` is the register when
    the last transaction ended, or when the EVSE was first read: what moves it then, nobody pays for (R15).
    """

    evse: str
    phase: Phase = Idle()
    plug: Plug | None = None
    operative: bool = True
    wanted_operative: bool = True
    fault: str | None = None
    message: str | None = None
    rest_wh: int | None = None


@dataclass(frozen=True, slots=True)
class Plugged:
    """An EV is connected now and was not before. `id` is fresh."""

    at: Instant
    id: str
    counter: int | None = None


@dataclass(frozen=True, slots=True)
class Unplugged:
    at: Instant


@dataclass(frozen=True, slots=True)
class Presented:
    """A token for this EVSE. `checked`: it needs no verdict (a remote start that the rules let through)."""

    at: Instant
    payer: Payer
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Answer to an authorisation. `token` carries the group that the answer named; `text` says why not."""

    at: Instant
    token: Token
    accepted: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class RegisterRead:
    """The register at rest: what a begin or an end waits for. `fresh_id` names the transaction that may begin."""

    at: Instant
    meter: MeterValue
    fresh_id: str


@dataclass(frozen=True, slots=True)
class StateSeen:
    """Pilot and offered current together say what the transaction is doing (R22)."""

    at: Instant
    state: ChargingState
    meter: MeterValue | None = None


@dataclass(frozen=True, slots=True)
class SampleTaken:
    """A meter value that somebody asked for, or that the clock asks for."""

    at: Instant
    meter: MeterValue
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class StopAsked:
    at: Instant
    reason: StopReason
    trigger: Trigger
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class LateVerdict:
    """The CSMS' word on the token of a transaction that already runs."""

    at: Instant
    transaction: str
    info: TokenInfo


@dataclass(frozen=True, slots=True)
class AvailabilityAsked:
    at: Instant
    operative: bool


@dataclass(frozen=True, slots=True)
class ModeAsked:
    """Somebody chose a mode for the running transaction, or (None) leaves it to the charging rules again."""

    at: Instant
    mode: Mode | None


@dataclass(frozen=True, slots=True)
class FaultSeen:
    """The charger reports a fault, or (None) that it is gone."""

    at: Instant
    fault: str | None


@dataclass(frozen=True, slots=True)
class Resumed:
    """First reading after a start of the controller: what the charger says now (R17). `id` is fresh."""

    at: Instant
    plugged: bool
    id: str
    counter: int | None = None
    register_wh: int | None = None


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """`deadline(state, rules)` has come. `meter`: a believable reading of now, if there is one."""

    at: Instant
    meter: MeterValue | None = None


Event = (
    Plugged
    | Unplugged
    | Presented
    | Verdict
    | RegisterRead
    | StateSeen
    | SampleTaken
    | StopAsked
    | LateVerdict
    | AvailabilityAsked
    | ModeAsked
    | FaultSeen
    | Resumed
    | DeadlinePassed
)
