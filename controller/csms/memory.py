"""Which words of the CSMS on a token are kept in its authorisation cache."""

from controller.charging.tokens import Token, TokenInfo, is_random
from controller.csms.variables import Variables
from controller.store.store import Store


class TokenMemory:
    """Of one CSMS. What may not be kept: random ids (R21), site accounts (R20), and tokens of the local list."""

    def __init__(self, csms: str, store: Store, variables: Variables) -> None:
        self._csms = csms
        self._store = store
        self._variables = variables

    async def of(self, token: Token, info: TokenInfo | None) -> tuple[TokenInfo, ...]:
        """`info` if it may be kept."""
        if info is None or not self._variables.flag("AuthCacheCtrlr.Enabled"):
            return ()
        if is_random(token.uid) or token.shown.upper() != token.uid.upper():
            return ()
        known = await self._store.lookup(self._csms, token.uid)
        return () if known.listed is not None else (info,)
