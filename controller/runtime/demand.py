"""What each session wants now: its mode, as somebody chose it or as the charging rules say, as a demand."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.allocation.image import Demand
from controller.charging.charging_rules import Circumstances, RuleBook, first_match
from controller.charging.instant import Instant
from controller.charging.modes import STANDARD, Mode, Standing, demand_of
from controller.charging.session import EvseState, Running, Transaction
from controller.clock import Clock
from controller.runtime.owner import EvseOwner

BY_CHOICE = "chosen"
BY_NO_RULE = "no rule"


@dataclass(frozen=True, slots=True)
class Applied:
    """`source`: "chosen", "rule <id>" or "no rule". `note`: why the demand is less than the name promises."""

    mode: Mode
    source: str
    demand: Demand
    note: str


class Demands:
    """Nothing is kept: each look begins from the committed state. A reconfiguration replaces `book` (R36)."""

    def __init__(self, *, clock: Clock, active: Callable[[str], bool]) -> None:
        self.book = RuleBook()
        self._clock = clock
        self._active = active

    def of(self, owner: EvseOwner) -> Applied | None:
        """None: no session runs there."""
        if not isinstance(owner.state.phase, Running):
            return None
        now, transaction = self._clock.now(), owner.state.phase.transaction
        mode, source, since = self._mode(owner.state, transaction, now)
        base = Demand(
            since_s=now.mono_s - max(0.0, now.seconds_since(transaction.started)),
            min_ma=transaction.payer.token.min_ma,
        )
        standing = Standing(now, since, _delivered_wh(owner, transaction), self.book.zone)
        return Applied(mode, source, *demand_of(mode, base, standing))

    def _mode(self, state: EvseState, transaction: Transaction, now: Instant) -> tuple[Mode, str, Instant]:
        """The mode, where it comes from, and since when a deadline in it counts."""
        if transaction.chosen is not None:
            return transaction.chosen.mode, BY_CHOICE, transaction.chosen.at
        zone = self.book.zone
        local = now.wall.astimezone(zone) if now.trusted and zone is not None else None
        circumstances = Circumstances(state.evse, transaction.payer.token, local, self._active)
        rule = first_match(self.book.rules, circumstances)
        plugged = state.plug.since if state.plug is not None else transaction.started
        return (rule.mode, f"rule {rule.id}", plugged) if rule else (STANDARD, BY_NO_RULE, plugged)

    def alarms(self) -> tuple[str, ...]:
        if not self.book.needs_time or self._clock.now().trusted:
            return ()
        return (
            "the time is not certain: charging rules by time of day do not count, deadlines charge as standard",
        )


def _delivered_wh(owner: EvseOwner, transaction: Transaction) -> int:
    """A register that shows less than was proven was exchanged or reset, and says nothing."""
    shown = owner.parts.register.shown()
    register_wh = transaction.last_wh if shown is None else max(shown.energy_wh, transaction.last_wh)
    return max(0, register_wh - transaction.start_wh)
