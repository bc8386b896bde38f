"""The book of limits from outside: one per source, scope and target; the lowest binds (R37)."""

from controller.allocation.image import Limit, Scope


class LimitBook:
    """Written by edges and commands, read by the cycle. An expired limit is dropped when it is next read."""

    def __init__(self) -> None:
        self._limits: dict[tuple[str, Scope, str], Limit] = {}

    def put(self, limit: Limit) -> None:
        """Set or replace the limit of this source on this target."""
        self._limits[(limit.source, limit.scope, limit.target)] = limit

    def withdraw(self, source: str) -> None:
        self._limits = {key: limit for key, limit in self._limits.items() if limit.source != source}

    def current(self, now_s: float) -> tuple[Limit, ...]:
        self._limits = {
            key: limit for key, limit in self._limits.items() if limit.expires_s is None or limit.expires_s > now_s
        }
        return tuple(self._limits.values())
