"""Which mode a session has: the first rule that matches, by payer, EVSE, local time and digital input."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from controller.charging.local_time import Window
from controller.charging.modes import ByDeadline, Mode, Surplus
from controller.charging.tokens import Token


@dataclass(frozen=True, slots=True)
class When:
    """All conditions hold together; within one, any of its members does. An empty one always holds.

    `users` and `members` are token uids in folded case, `groups` folded too. `members`: the site's own tokens in
    those groups, which no CSMS needs to tell. `window` None: at any time, also while the time is not certain.
    """

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    evses: frozenset[str] = frozenset()
    window: Window | None = None
    input: str | None = None


@dataclass(frozen=True, slots=True)
class ChargingRule:
    id: str
    when: When
    mode: Mode


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules of a site in their order, and what modes can build on there.

    `zone` None: it has no local time. `export_measured`: a meter at the grid connection shows what it exports.
    """

    rules: tuple[ChargingRule, ...] = ()
    zone: tzinfo | None = None
    export_measured: bool = False

    @property
    def needs_time(self) -> bool:
        return any(rule.when.window is not None or isinstance(rule.mode, ByDeadline) for rule in self.rules)

    def hindrance(self, mode: Mode) -> str | None:
        """Why nobody can charge so at this site."""
        if isinstance(mode, ByDeadline) and self.zone is None:
            return "a deadline needs site.time_zone"
        if isinstance(mode, Surplus) and not self.export_measured:
            return "surplus needs a meter at the grid connection that shows the power of each phase"
        return None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of one session now. `local` None: nobody knows what time it is. `active` tells of a digital input."""

    evse: str
    token: Token
    local: datetime | None
    active: Callable[[str], bool]


def first_match(rules: Sequence[ChargingRule], now: Circumstances) -> ChargingRule | None:
    return next((rule for rule in rules if _matches(rule.when, now)), None)


def _matches(when: When, now: Circumstances) -> bool:
    return (
        (not when.evses or now.evse in when.evses)
        and (not when.users or now.token.uid.casefold() in when.users)
        and (not when.groups or _in_group(when, now.token))
        and (when.window is None or (now.local is not None and when.window.holds(now.local)))
        and (when.input is None or now.active(when.input))
    )


def _in_group(when: When, token: Token) -> bool:
    return token.uid.casefold() in when.members or (token.group or "").casefold() in when.groups


def never_reached(rules: Sequence[ChargingRule], evses: frozenset[str]) -> Iterator[tuple[ChargingRule, list[str]]]:
    """Rules that cannot match because earlier ones always do, with the ids of these. `evses`: all of the site."""
    for place, rule in enumerate(rules):
        wider = [one for one in rules[:place] if _covers_but_for_time(one.when, rule.when, evses)]
        hiding = _hiding(wider, rule.when.window)
        if hiding:
            yield rule, [one.id for one in hiding]


def _covers_but_for_time(wide: When, narrow: When, evses: frozenset[str]) -> bool:
    return (
        (not wide.evses or wide.evses >= (narrow.evses or evses))
        and (not wide.users or (bool(narrow.users) and wide.users >= narrow.users))
        and (not wide.groups or (bool(narrow.groups) and wide.groups >= narrow.groups))
        and (wide.input is None or wide.input == narrow.input)
    )


def _hiding(wider: Sequence[ChargingRule], window: Window | None) -> list[ChargingRule]:
    """The rules that leave no minute of the window; empty if some is left.

    Rules by time do not count while the time is uncertain: they hide none that is for any time.
    """
    always = [rule for rule in wider if rule.when.window is None]
    if always or window is None:
        return always[:1]
    left = window.week()
    hiding = []
    for rule in wider:
        taken = rule.when.window.week() if rule.when.window else 0
        if left & taken:
            hiding.append(rule)
            left &= ~taken
    return [] if left else hiding
