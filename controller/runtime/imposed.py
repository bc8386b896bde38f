"""What charging profiles mean at this moment, as limits in the book (R37)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import Layout, Limit, Scope
from controller.charging.charging_profiles import ChargingProfile, Purpose, RateUnit, Terms
from controller.charging.composite import (
    FOREVER,
    Circumstances,
    Held,
    held,
    held_by_station,
    milliseconds,
)
from controller.charging.instant import Instant
from controller.charging.profile_book import Book, Installed, payer_of, start_key, transaction_of
from controller.charging.rates import Cap, Supply
from controller.charging.records import Route
from controller.charging.session import EvseState
from controller.runtime.limits import LimitBook

WORDS = {
    Purpose.STATION_MAX: "station profile",
    Purpose.TX_DEFAULT: "default profile",
    Purpose.TX: "transaction profile",
}
THREE = 3
"""What a station's connection is taken to have."""


@dataclass(frozen=True, slots=True)
class Post:
    """A station as the profiles see it."""

    route: Route
    evses: tuple[str, ...]
    terms: Terms
    book: Book


@dataclass(frozen=True, slots=True)
class Site:
    """The present: the wiring, and what each EVSE is doing."""

    layout: Layout
    states: Mapping[str, EvseState]
    now: Instant


def circumstances(state: EvseState | None, now: Instant) -> Circumstances:
    """Where an EVSE is in time: without a transaction as if one began now (K08.FR.06)."""
    wall_ms = milliseconds(now.wall) if now.trusted else None
    if state is None:
        return Circumstances(wall_ms)
    payer, transaction = payer_of(state), transaction_of(state)
    start = "" if payer is None else start_key(payer)
    if transaction is None:
        return Circumstances(wall_ms, start=start)
    elapsed_s = now.proven_seconds_since(transaction.started)
    elapsed_ms = None if elapsed_s is None else max(0, int(elapsed_s * 1000))
    return Circumstances(wall_ms, transaction.id, start, elapsed_ms)


def obeyed(post: Post, layout: Layout) -> tuple[Installed, ...]:
    """The station's profiles as they can be obeyed.

    Amperes that were set before their EVSE became a DC outlet mean nothing there now (a new such profile is
    refused): it gets nothing until its CSMS says watts, because anything else could be more than was asked.
    """
    dc = {point.id for point in layout.evses if point.dc_permille is not None}
    return tuple(
        replace(one, profile=_nothing(one.profile)) if one.evse in dc and in_amperes(one.profile) else one
        for one in post.book.installed
    )


def in_amperes(profile: ChargingProfile) -> bool:
    return profile.schedule.unit is RateUnit.AMPERE


def _nothing(profile: ChargingProfile) -> ChargingProfile:
    periods = tuple(replace(one, limit_milli=0) for one in profile.schedule.periods)
    return replace(profile, schedule=replace(profile.schedule, periods=periods))


class Imposed:
    """The limits of one CSMS's profiles in the book. `doubt` names the stations whose schedules lack a clock."""

    def __init__(self, book: LimitBook, prompt: Callable[[], None]) -> None:
        self.doubt: tuple[str, ...] = ()
        self._book = book
        self._prompt = prompt
        self._limits: dict[tuple[str, Scope, str], Limit] = {}

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(limit.source for limit in self._limits.values())

    def update(self, posts: tuple[Post, ...], site: Site) -> float:
        """Bring the book to what holds now; for how many seconds that stays so."""
        found = [one for post in posts for one in _held(post, site)]
        limits = [limit for target, what in found for limit in _limits(target, what, site.layout)]
        self._put({(limit.source, limit.scope, limit.target): limit for limit in limits})
        self.doubt = tuple(dict.fromkeys(target.post.route.identity for target, what in found if what.doubt))
        return min((what.until_ms for _, what in found), default=FOREVER) / 1000

    def _put(self, limits: dict[tuple[str, Scope, str], Limit]) -> None:
        """At one stroke: nothing waits between the withdrawal of a source and what it says instead."""
        if limits == self._limits:
            return
        for source in self.sources:
            self._book.withdraw(source)
        for limit in limits.values():
            self._book.put(limit)
        self._limits = limits
        self._prompt()


@dataclass(frozen=True, slots=True)
class Target:
    """What profiles hold for: an EVSE, or (None) all of a station."""

    post: Post
    evse: str | None


def _held(post: Post, site: Site) -> Iterator[tuple[Target, Held]]:
    installed = obeyed(post, site.layout)
    if not installed:
        return
    wired = {point.id for point in site.layout.evses}
    for evse in post.evses:
        if evse in wired:
            now = circumstances(site.states.get(evse), site.now)
            yield Target(post, evse), held(installed, evse, now)
    yield Target(post, None), held_by_station(installed, circumstances(None, site.now))


def _limits(target: Target, what: Held, layout: Layout) -> Iterator[Limit]:
    if not what.ceilings:
        return
    scope, name = _scope(target)
    supply = Supply(layout.voltage_mv, _phases(target, layout), target.post.terms.spread_over)
    words = WORDS.get(what.ceilings[0].purpose, "profile")
    cap = Cap.of(what.ceilings, supply)
    source = f"csms {target.post.route.csms} ({words})"
    yield Limit(source, scope, name, value_ma=cap.value_ma, value_w=cap.value_w)


def _scope(target: Target) -> tuple[Scope, str]:
    """The limit of a station with one EVSE is that EVSE's."""
    if target.evse is not None:
        return Scope.EVSE, target.evse
    if len(target.post.evses) == 1:
        return Scope.EVSE, target.post.evses[0]
    return Scope.GROUP, target.post.route.identity


def _phases(target: Target, layout: Layout) -> int:
    points: dict[str, SupplyPoint] = {point.id: point for point in layout.evses}
    return THREE if target.evse is None else points[target.evse].phases
