"""When to send a message again, when to set it aside, and when the CSMS is sick (R27). No I/O, no clock."""

import enum
from dataclasses import dataclass, field

SICK_AFTER = 3
"""So many different messages in a row without an answer that is of use."""
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 600.0


class Cause(enum.Enum):
    """MESSAGE: the error is about the message itself. CSMS: it could be anything, also no answer at all."""

    MESSAGE = "message"
    CSMS = "csms"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed transmission. `attempts` counts all of this message, with this one."""

    seq: int
    transaction: str
    attempts: int
    cause: Cause
    why: str


@dataclass(frozen=True, slots=True)
class Terms:
    """Attempts in all, and seconds between them for each that went before (E13.FR.03, 1.6 section 9.1)."""

    attempts: int
    interval_s: float

    @property
    def pause_s(self) -> float:
        """First pause of a sick CSMS; doubled each time."""
        return max(SHORTEST_PAUSE_S, self.interval_s)


@dataclass(slots=True)
class Patience:
    """Memory of one route's failures since the last success. Times are monotonic seconds."""

    due_s: dict[str, float] = field(default_factory=dict)
    """Transactions that wait for a retry, and until when."""
    aside: dict[int, Failure] = field(default_factory=dict)
    """Messages out of attempts that may not be to blame: another one's success convicts them."""
    pause_until_s: float = 0.0
    _failing: dict[int, int] = field(default_factory=dict)
    _forgiven: dict[int, int] = field(default_factory=dict)
    _pauses: int = 0

    @property
    def sick(self) -> bool:
        return len(self._failing) >= SICK_AFTER

    def succeeded(self, seq: int) -> list[Failure]:
        """Which messages that were set aside are now known to be to blame, and must be parked."""
        self.aside.pop(seq, None)
        convicted = list(self.aside.values())
        for failure in convicted:
            self.due_s.pop(failure.transaction, None)
        self.aside.clear()
        self._failing.clear()
        self._pauses = 0
        self.pause_until_s = 0.0
        return convicted

    def failed(self, failure: Failure, terms: Terms, now_s: float) -> bool:
        """Take note; True: park the message."""
        tries = failure.attempts - self._forgiven.get(failure.seq, 0)
        if failure.cause is Cause.MESSAGE:
            self.due_s[failure.transaction] = now_s + terms.interval_s * tries
            return tries >= terms.attempts
        self._failing[failure.seq] = failure.attempts
        if self.sick:
            self._pause(terms, now_s)
        elif tries >= terms.attempts:
            self.aside[failure.seq] = failure
            self.due_s[failure.transaction] = now_s + terms.pause_s
        else:
            self.due_s[failure.transaction] = now_s + terms.interval_s * tries
        return False

    def skip(self, now_s: float) -> set[str]:
        """Transactions whose turn has not come."""
        self.due_s = {key: due_s for key, due_s in self.due_s.items() if due_s > now_s}
        return set(self.due_s)

    def next_s(self, now_s: float) -> float | None:
        """Seconds until a transaction's turn comes, None if none waits."""
        return max(0.0, min(self.due_s.values()) - now_s) if self.due_s else None

    def waits_s(self, now_s: float) -> float:
        """Seconds for which a queue with one order for all must wait: set-aside messages do not hold it up."""
        passed_over = {failure.transaction for failure in self.aside.values()}
        waits = [due_s - now_s for key, due_s in self.due_s.items() if key not in passed_over]
        return max(0.0, *waits, 0.0)

    def forget(self, transaction: str) -> None:
        self.due_s.pop(transaction, None)

    def _pause(self, terms: Terms, now_s: float) -> None:
        """Nothing is to blame but the CSMS: what failed so far does not count."""
        self._forgiven |= self._failing
        self.aside.clear()
        self.due_s.clear()
        self.pause_until_s = now_s + min(LONGEST_PAUSE_S, terms.pause_s * 2.0 ** min(self._pauses, 10))
        self._pauses += 1
