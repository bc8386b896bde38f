"""May this token charge? One pure decision over the three sources: site account, local list, cache (R20)."""

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.charging.rules import AuthorisationRules
from controller.charging.tokens import SiteAccount, TokenInfo, TokenStatus, is_random


@dataclass(frozen=True, slots=True)
class KnownToken:
    """What the box holds about a token. `cache_used` is aware UTC of its last use."""

    account: SiteAccount | None = None
    listed: TokenInfo | None = None
    cached: TokenInfo | None = None
    cache_used: datetime | None = None


class Answer(enum.Enum):
    ACCEPT = "accept"
    REFUSE = "refuse"
    ASK = "ask"
    """Only the CSMS can tell."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`source` names what decided, for log and page; `group` is the token's group where that source knows it."""

    answer: Answer
    source: str
    text: str = ""
    group: str | None = None


def decide(uid: str, known: KnownToken, rules: AuthorisationRules, *, online: bool, now: datetime) -> Decision:
    """First word on a token. `online`: the CSMS can be asked; `now` is aware UTC.

    A list entry wins over the cache (C13.FR.01, C14.FR.01). Offline a token that is known and not Accepted, or
    no longer, is refused, whatever is allowed for unknown ones (1.6 section 3.5.4, C13.FR.02, C13.FR.04).
    """
    if known.account is not None:
        return Decision(Answer.ACCEPT, "site account")
    info, source = _local(known, rules, now)
    if online:
        if info is not None and info.status is TokenStatus.ACCEPTED and rules.pre_authorize:
            return Decision(Answer.ACCEPT, source, group=info.group)
        return Decision(Answer.ASK, "csms", group=info.group if info else None)
    if info is None:
        return _unknown_offline(uid, rules)
    if info.status is not TokenStatus.ACCEPTED:
        return Decision(Answer.REFUSE, source, info.status.value)
    if not rules.authorize_offline:
        return Decision(Answer.REFUSE, source, "no connection, and local authorisation is off")
    return Decision(Answer.ACCEPT, source, group=info.group)


def _unknown_offline(uid: str, rules: AuthorisationRules) -> Decision:
    if not rules.offline_unknown:
        return Decision(Answer.REFUSE, "unknown", "unknown card, and no connection to ask")
    if is_random(uid):
        return Decision(Answer.REFUSE, "random id", "this card changes its number at each tap")
    return Decision(Answer.ACCEPT, "unknown offline")


def _local(known: KnownToken, rules: AuthorisationRules, now: datetime) -> tuple[TokenInfo | None, str]:
    if rules.list_enabled and known.listed is not None:
        return _with_expiry(known.listed, now), "local list"
    if rules.cache_enabled and known.cached is not None:
        if _outlived(known, rules, now):
            return _expired(known.cached), "cache"
        return _with_expiry(known.cached, now), "cache"
    return None, "unknown"


def _outlived(known: KnownToken, rules: AuthorisationRules, now: datetime) -> bool:
    """The life time counts since last use, and only where the CSMS gave no expiry of its own."""
    if known.cached is None or known.cached.expires is not None or rules.cache_life_s is None:
        return False
    return known.cache_used is None or now - known.cache_used > timedelta(seconds=rules.cache_life_s)


def _with_expiry(info: TokenInfo, now: datetime) -> TokenInfo:
    return _expired(info) if info.expires is not None and info.expires <= now else info


def _expired(info: TokenInfo) -> TokenInfo:
    """What was valid counts as expired, never as unknown (1.6 section 3.5.1, C10.FR.10)."""
    return replace(info, status=TokenStatus.EXPIRED) if info.status is TokenStatus.ACCEPTED else info
