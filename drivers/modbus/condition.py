"""Whether a wire is open, and whether anybody answers on it."""

import math
from dataclasses import dataclass, field

from drivers.api import Health

LASTING_S = 1.0
"""A connection that its peer closes sooner was not wanted."""


@dataclass(slots=True)
class Condition:
    health: Health = Health.UNKNOWN
    answered_s: float = -math.inf
    opened_s: float = -math.inf
    reopened_s: float = -math.inf
    refusals: int = 0
    """Openings in a row that did not last, and on which nobody answered."""
    silent: set[int] = field(default_factory=set)
    """Units that missed since anybody answered."""

    def first_attempt(self, now_s: float) -> int:
        """Where the back-off begins: at once if the wire was open for long, later if it closes each time."""
        if now_s - self.opened_s > LASTING_S:
            self.refusals = 0
            return 0
        self.refusals = 0 if self.answered_s >= self.opened_s else self.refusals + 1
        return max(1, self.refusals)
