"""The book of limits from outside: one per source, scope and target; the lowest binds (R37)."""

from collections.abc import Callable, Iterable

from controller.allocation.image import Limit, Scope


def _nothing(now_s: float) -> Iterable[Limit]:
    del now_s
    return ()


class LimitBook:
    """Read by the cycle. `declared` tells those of site.toml; others are put by whoever has them.

    `stopped_by` names the inputs that stop all charging now: then nothing may be energised, whatever is permitted.
    """

    def __init__(
        self,
        declared: Callable[[float], Iterable[Limit]] = _nothing,
        stopped_by: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.stopped_by = stopped_by
        self._declared = declared
        self._limits: dict[tuple[str, Scope, str], Limit] = {}

    def put(self, limit: Limit) -> None:
        """Set or replace the limit of this source on this target."""
        self._limits[(limit.source, limit.scope, limit.target)] = limit

    def withdraw(self, source: str) -> None:
        self._limits = {key: limit for key, limit in self._limits.items() if limit.source != source}

    def current(self, now_s: float) -> tuple[Limit, ...]:
        """Those in force; an expired one that was put is dropped."""
        self._limits = {
            key: limit for key, limit in self._limits.items() if limit.expires_s is None or limit.expires_s > now_s
        }
        return (*self._limits.values(), *self._declared(now_s))
