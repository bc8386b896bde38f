"""What differs between the versions of OCPP, as one frozen value; `ocpp16` and `ocpp2` each make one."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.charging.charging_profiles import Terms
from controller.charging.records import Entry
from controller.charging.tokens import Token, TokenInfo
from controller.charging.view import EvseView
from controller.csms.limits import ExternalLimit
from controller.csms.requests import Ids, Request
from controller.csms.rpc import Payload, Wording
from controller.csms.schemas import Version


class Registration(enum.Enum):
    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class BootReason(enum.Enum):
    """In the spelling of OCPP 2.x BootReasonEnumType."""

    POWER_UP = "PowerUp"
    APPLICATION_RESET = "ApplicationReset"
    REMOTE_RESET = "RemoteReset"
    TRIGGERED = "Triggered"


@dataclass(frozen=True, slots=True)
class Message:
    action: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class BootAnswer:
    """`interval_s` 0: the station chooses. `time` None: nothing believable."""

    registration: Registration
    interval_s: int
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Setting:
    """What an entry's message depends on besides the entry; fixed at its first send.

    `remote_id` is the CSMS' own transaction id, None if it never told one. `measurands` are those of started,
    updated and ended transactions.
    """

    number: int
    at: datetime
    offline: bool
    remote_id: str | None
    measurands: tuple[frozenset[str], frozenset[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class EntryReply:
    """What the CSMS said to an entry: its transaction id (1.6) and its word on the token (uid: as it was shown)."""

    remote_id: str | None = None
    info: TokenInfo | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """Everything that a station needs of a version.

    `holds_transaction`: a message that cannot be delivered holds up the later ones of its transaction (2.x has
    sequence numbers); without it they go on, with transactionId -1 (1.6 errata 3.18). `rejected_answers`:
    while the boot is rejected, CALLs are answered with SecurityError (B03.FR.08), else not at all.
    """

    version: Version
    subprotocol: str
    wording: Wording
    holds_transaction: bool
    rejected_answers: bool
    queues_samples: bool
    """Meter values of a running transaction, also triggered ones, go through the outbox (1.6 section 3.7)."""
    terms: Terms
    """What it means with a charging profile."""
    boot: Callable[[BootReason, str, str], Message]
    """Of reason, firmware version, serial number."""
    boot_answer: Callable[[Payload], BootAnswer | None]
    authorize: Callable[[Token], Message | None]
    """None: the token cannot be expressed, so that nobody can accept it."""
    token_info: Callable[[Payload, str], TokenInfo | None]
    entry: Callable[[Entry, Setting], Message | None]
    """None: this version has no message for it."""
    entry_reply: Callable[[Entry, Payload], EntryReply]
    status: Callable[[int, EvseView, datetime], Message]
    samples: Callable[[int, EvseView, datetime], Message | None]
    """Meter values outside a transaction; None: nothing was measured."""
    decode: Callable[[str, Payload, Ids], Request]
    """The action is known, the payload fits its schema. Raises `RefusalError`."""
    whole_status: Callable[[bool, datetime], Message] | None = None
    """Status of the station itself (1.6 connector 0); True: operative. None: the version has none."""
    external_limit: Callable[[ExternalLimit, bool], Message] | None = None
    """Tells of a limit from outside, with its schedule if True. None: the version has no message for it."""
