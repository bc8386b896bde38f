"""Identifiers that payers present, and what is known of them."""

import enum
from dataclasses import dataclass
from datetime import datetime


class BilledBy(enum.Enum):
    """Who charges for a session; every session has exactly one (R19)."""

    CSMS = "csms"
    SITE = "site"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Token:
    """What a payer presented. `shown` is what the CSMS gets to see: the uid, or a site account's alias (R20).

    `group` is the parent id (1.6) or group id (2.x) once somebody told it.
    """

    uid: str
    shown: str
    kind: str = "ISO14443"
    group: str | None = None
    min_ma: int | None = None
    billed_by: BilledBy | None = None

    def same_payer(self, other: "Token") -> bool:
        """The same card or one of its group. Identifiers differ in case from source to source (OCPP: CiString)."""
        if self.uid.casefold() == other.uid.casefold():
            return True
        return bool(self.group and other.group) and _folded(self.group) == _folded(other.group)


def _folded(text: str | None) -> str:
    return (text or "").casefold()


class TokenStatus(enum.Enum):
    """Verdict on a token; the union of the versions' statuses, in their 2.x spelling."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    CONCURRENT = "ConcurrentTx"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_EVSE = "NotAllowedTypeEVSE"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What a source knows of a token. `expires` is aware UTC; None: no end."""

    uid: str
    status: TokenStatus
    group: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class SiteAccount:
    """A token of the site itself: the third source, apart from the CSMS' list and the cache (R20)."""

    uid: str
    name: str
    alias: str | None
    billed_by: BilledBy
    min_ma: int | None = None


RANDOM_UID_PREFIX = "08"


def is_random(uid: str) -> bool:
    """A 4-byte UID that begins with 08 is drawn anew at each tap (ISO 14443-3): never remembered (R21)."""
    return len(uid) == 8 and uid.upper().startswith(RANDOM_UID_PREFIX)
