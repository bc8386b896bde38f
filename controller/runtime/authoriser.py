"""Finds out whether a payer may charge: local sources first, then the CSMS, then the offline policy."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from controller.charging.authorisation import Answer, Decision, KnownToken, decide
from controller.charging.rules import Rules
from controller.charging.session import Payer, Verdict
from controller.charging.tokens import SiteAccount, Token, TokenInfo, TokenStatus
from controller.clock import Clock
from controller.store.errors import StoreError
from controller.store.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AskCsms:
    """How one EVSE's tokens are checked upstream. `ask` answers None when there is no answer to be had."""

    csms: str
    online: Callable[[], bool]
    ask: Callable[[Token], Awaitable[TokenInfo | None]]


class Authoriser:
    """`upstream` maps an EVSE to its CSMS; an EVSE without one knows site accounts only."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        rules: Callable[[], Rules],
        accounts: Mapping[str, SiteAccount],
        upstream: Callable[[str], AskCsms | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self.accounts = accounts
        self._upstream = upstream

    def token(self, uid: str) -> Token:
        """The token of a tapped card, with what its site account says."""
        account = self.accounts.get(uid)
        if account is None:
            return Token(uid=uid, shown=uid)
        return Token(uid=uid, shown=account.alias or uid, min_ma=account.min_ma, billed_by=account.billed_by)

    async def with_group(self, token: Token, evse: str) -> Token:
        """The token with the group that local sources know, so that a companion's card can stop a session."""
        upstream = self._upstream(evse)
        if upstream is None or token.group is not None:
            return token
        known = await self._known(token, upstream)
        info = known.listed or known.cached
        return replace(token, group=info.group) if info is not None and info.group else token

    async def authorise(self, evse: str, payer: Payer) -> Verdict:
        token = payer.token
        upstream = self._upstream(evse)
        if upstream is None:
            accepted = token.uid in self.accounts
            return Verdict(self._clock.now(), token, accepted, "" if accepted else "unknown card")
        known = await self._known(token, upstream)
        decision = self._decide(token, known, online=upstream.online())
        if decision.answer is Answer.ASK:
            decision = await self._ask(token, known, upstream)
        _log.info("card …%s at %s: %s by %s", token.uid[-4:], evse, decision.answer.value, decision.source)
        if decision.group is not None:
            token = replace(token, group=decision.group)
        return Verdict(self._clock.now(), token, decision.answer is Answer.ACCEPT, decision.text)

    async def _ask(self, token: Token, known: KnownToken, upstream: AskCsms) -> Decision:
        info = await upstream.ask(token)
        if info is None:
            return self._decide(token, known, online=False)
        accepted = info.status is TokenStatus.ACCEPTED
        answer = Answer.ACCEPT if accepted else Answer.REFUSE
        return Decision(answer, "csms", "" if accepted else info.status.value, info.group)

    def _decide(self, token: Token, known: KnownToken, *, online: bool) -> Decision:
        rules = self._rules().authorisation
        return decide(token.uid, known, rules, online=online, now=self._clock.now().wall)

    async def _known(self, token: Token, upstream: AskCsms) -> KnownToken:
        account = self.accounts.get(token.uid)
        try:
            known = await self._store.lookup(upstream.csms, token.uid)
        except StoreError as error:
            _log.error("local list and cache cannot be read: %s", error)
            return KnownToken(account)
        return KnownToken(account, known.listed, known.cached, known.cache_used)
