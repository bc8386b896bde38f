"""Smart charging at run time: what a CSMS asks of charging profiles, and the limits that follow in time (K01-K10).

It goes on while the CSMS is away or set aside: a limit outlives its link.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.allocation.image import Layout
from controller.charging.charging_profiles import (
    STATION,
    ChargingProfile,
    ProfileKind,
    Purpose,
    RateUnit,
    Refusal,
    Terms,
)
from controller.charging.commands import (
    ClearChargingProfiles,
    ExpectedSchedule,
    FindChargingProfiles,
    Outcome,
    ReadSchedule,
    Result,
    SetChargingProfile,
)
from controller.charging.composite import Span, composite
from controller.charging.instant import Instant
from controller.charging.profile_book import (
    Book,
    Change,
    EvseFacts,
    Installed,
    install,
    settle,
    start_key,
    transaction_of,
)
from controller.charging.rates import Grid, Reckoning
from controller.charging.records import Route
from controller.charging.session import EvseState, Payer, Running
from controller.clock import Clock
from controller.csms.bell import Bell
from controller.csms.slice import CsmsSlice, StationSlice
from controller.csms.station import DIALECTS
from controller.runtime.imposed import Imposed, Post, Site, circumstances, in_amperes, obeyed
from controller.runtime.limits import LimitBook
from controller.runtime.profile_shelf import RETRY_S, Shelf
from controller.store.errors import StoreError
from controller.store.store import Store

LOOK_S = 1.0
"""How late a stepped clock is noticed."""
STEP_S = 0.2
LONGEST_SCHEDULE_S = 7 * 86_400
MOST_BOUNDARIES = 2_000
"""In one answer: finding them keeps the control cycle waiting."""

ProfileCommand = SetChargingProfile | ClearChargingProfiles | FindChargingProfiles | ReadSchedule


@dataclass(frozen=True, slots=True)
class SmartChargingParts:
    store: Store
    clock: Clock
    limits: LimitBook
    prompt: Callable[[], None]
    layout: Callable[[], Layout]
    states: Callable[[], Mapping[str, EvseState]]


class SmartCharging:
    """Of the CSMS that is configured; profiles of another one stay stored and limit nothing (R28)."""

    def __init__(self, parts: SmartChargingParts) -> None:
        self._parts = parts
        self._bell = Bell()
        self._sessions = Bell()
        self._shelf = Shelf(parts.store, self._bell.ring)
        self._imposed = Imposed(parts.limits, parts.prompt)
        self._csms: CsmsSlice | None = None
        self._attaching: dict[str, int] = {}
        """EVSEs at which a remote start with a profile is under way, and how many."""

    def load(self, stored: Mapping[Route, Sequence[str]]) -> None:
        self._shelf.load(stored)

    def change_to(self, csms: CsmsSlice | None) -> None:
        """The wiring may have changed too."""
        self._csms = csms
        self.sessions_changed()

    def sessions_changed(self) -> None:
        """An EVSE has published a state."""
        self._bell.ring()
        self._sessions.ring()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._shelf.run())
            tasks.create_task(self._impose_on_time())
            tasks.create_task(self._settle_sessions())

    def alarms(self) -> tuple[str, ...]:
        alarms = [
            f"{identity}: the time is not certain; the lowest value of each of its charging schedules counts"
            for identity in self._imposed.doubt
        ]
        if self._shelf.damaged:
            alarms.append(
                f"{self._shelf.damaged} stored charging profiles cannot be read; the CSMS must set them again"
            )
        alarms += [
            f"{name}: its charging profile is in A and it is a DC outlet: nothing is offered until the CSMS says W"
            for name in sorted(self._dc())
            if any(one.evse == name and in_amperes(one.profile) for p in self._posts() for one in p.book.installed)
        ]
        return tuple(alarms)

    # what the site calls

    async def ask(self, command: ProfileCommand) -> Outcome:
        """Carry out a command of a station.

        Raises:
            StoreError: nothing has changed.
        """
        post = self._post(command.station)
        if post is None:
            return Outcome(Result.UNKNOWN, "no such station")
        match command:
            case SetChargingProfile():
                return await self._set(post, Installed(command.evse, command.profile))
            case ClearChargingProfiles(criteria=criteria):
                change = await self._shelf.change(post.route, lambda book: Change(book.select(criteria)))
                return Outcome(Result.DONE if isinstance(change, Change) and change else Result.UNKNOWN)
            case FindChargingProfiles(criteria=criteria):
                return Outcome(Result.DONE, found=post.book.select(criteria))
            case ReadSchedule():
                return self._read_schedule(post, command)

    async def attach(self, evse: str, payer: Payer, profile: ChargingProfile) -> Outcome | None:
        """Install the profile of a remote start; an outcome says why not (K05.FR.05). `attached` must follow."""
        post = next((post for post in self._posts() if evse in post.evses), None)
        if post is None or profile.purpose is not Purpose.TX:
            return Outcome(Result.REFUSED, "a start is limited by a TxProfile", reason="InvalidProfile")
        self._attaching[evse] = self._attaching.get(evse, 0) + 1
        bare = replace(profile, transaction=None)
        outcome = await self._set(post, Installed(evse, bare, start_key(payer)))
        return None if outcome.result is Result.DONE else outcome

    def attached(self, evse: str) -> None:
        """The start has been answered: from now on its session alone keeps its profile."""
        self._attaching[evse] = self._attaching.get(evse, 1) - 1
        self._sessions.ring()

    # the profiles

    async def _set(self, post: Post, new: Installed) -> Outcome:
        new = replace(new, profile=self._dated(new.profile, post.terms))
        result = await self._shelf.change(
            post.route, lambda book: install(book, new, post.terms, self._facts(post))
        )
        if isinstance(result, Refusal):
            return Outcome(Result.REFUSED, result.text, reason=result.reason)
        return Outcome(Result.DONE)

    def _dated(self, profile: ChargingProfile, terms: Terms) -> ChargingProfile:
        if profile.purpose is not Purpose.STATION_MAX or profile.kind is not ProfileKind.RELATIVE:
            return profile
        if not terms.dates_station or profile.schedule.start is not None:
            return profile
        schedule = replace(profile.schedule, start=self._parts.clock.now().wall)
        return replace(profile, kind=ProfileKind.ABSOLUTE, schedule=schedule)

    def _posts(self) -> tuple[Post, ...]:
        return (
            () if self._csms is None else tuple(_post(self._csms, one, self._shelf) for one in self._csms.stations)
        )

    def _post(self, identity: str) -> Post | None:
        return next((post for post in self._posts() if post.route.identity == identity), None)

    def _facts(self, post: Post) -> dict[str, EvseFacts]:
        facts = {}
        states = self._parts.states()
        for point in self._parts.layout().evses:
            if point.id in post.evses and point.id in states:
                state = states[point.id]
                running = transaction_of(state) if isinstance(state.phase, Running) else None
                phase = point.rotation.value[0] + 1 if point.phases == 1 else None
                facts[point.id] = EvseFacts(
                    point.phases, phase, running.id if running else None, dc=point.dc_permille is not None
                )
        return facts

    def _settled(self, book: Book, evses: Sequence[str]) -> Change:
        states = self._parts.states()
        changes = [
            settle(book, states[evse], attaching=self._attaching.get(evse, 0) > 0)
            for evse in evses
            if evse in states
        ]
        return Change(
            tuple(one for change in changes for one in change.removed),
            tuple(one for change in changes for one in change.added),
        )

    async def _settle_sessions(self) -> None:
        while True:
            await self._sessions.wait(None)
            for post in self._posts():
                if self._settled(post.book, post.evses):
                    await self._settle(post)

    async def _settle(self, post: Post) -> None:
        """As long as the store fails the profile of a session that has gone limits nobody, and is tried again."""
        try:
            await self._shelf.change(post.route, lambda book: self._settled(book, post.evses))
        except StoreError:
            await asyncio.sleep(RETRY_S)
            self._sessions.ring()

    # what follows from them

    async def _impose_on_time(self) -> None:
        while True:
            seen = self._parts.clock.now()
            await self._wait(seen.mono_s + self._impose(seen), seen)

    def _impose(self, now: Instant) -> float:
        return self._imposed.update(self._posts(), Site(self._parts.layout(), self._parts.states(), now))

    async def _wait(self, until_s: float, seen: Instant) -> None:
        """Until then, or something has changed; a clock that is stepped moves all boundaries."""
        if not any(post.book.installed for post in self._posts()):
            await self._bell.wait(None)
            return
        while (left_s := until_s - self._parts.clock.mono()) > 0:
            if await self._bell.wait(min(left_s, LOOK_S)) or _stepped(seen, self._parts.clock.now()):
                return

    def _read_schedule(self, post: Post, command: ReadSchedule) -> Outcome:
        if not 0 < command.duration_s <= LONGEST_SCHEDULE_S:
            text = f"the duration is not from 1 to {LONGEST_SCHEDULE_S} s"
            return Outcome(Result.REFUSED, text, reason="ValueOutOfRange")
        dc = command.evse in self._dc()
        if dc and command.unit is RateUnit.AMPERE:
            text = f"{command.evse} is a DC outlet: its schedule is in W"
            return Outcome(Result.REFUSED, text, reason="UnsupportedParam")
        evses = post.evses if command.evse == STATION else (command.evse,)
        now = self._parts.clock.now()
        start = now.later(-now.wall.microsecond / 1_000_000)
        spans = self._spans(post, evses, start, command.duration_s)
        if spans is None:
            return Outcome(Result.REFUSED, "the schedule is too fine", reason="TooManyElements")
        limits = [one for one in self._parts.limits.current(now.mono_s) if one.source not in self._imposed.sources]
        unit = command.unit or (RateUnit.WATT if dc else RateUnit.AMPERE)
        reckoning = Reckoning(Grid.of(self._parts.layout(), limits), post.terms.spread_over, unit)
        if command.evse == STATION:
            rates = reckoning.of_station(spans)
        else:
            rates = reckoning.of_evse(spans[command.evse], command.evse)
        if not rates:
            return Outcome(Result.UNKNOWN, "no such EVSE", reason="UnknownEvse")
        wall = start.wall.replace(microsecond=0)
        return Outcome(Result.DONE, schedule=ExpectedSchedule(wall, command.duration_s, unit, rates))

    def _dc(self) -> frozenset[str]:
        return frozenset(point.id for point in self._parts.layout().evses if point.dc_permille is not None)

    def _spans(
        self, post: Post, evses: Sequence[str], start: Instant, duration_s: int
    ) -> dict[str, tuple[Span, ...]] | None:
        states, found = self._parts.states(), {}
        installed = obeyed(post, self._parts.layout())
        most = max(2, MOST_BOUNDARIES // max(1, len(evses)))
        for evse in evses:
            now = circumstances(states.get(evse), start)
            spans = composite(installed, evse, now, until_ms=duration_s * 1000, most=most)
            if spans is None:
                return None
            found[evse] = spans
        return found


def _post(csms: CsmsSlice, station: StationSlice, shelf: Shelf) -> Post:
    route = Route(csms.id, station.identity)
    return Post(route, station.evses, DIALECTS[csms.version].terms, shelf.book(route))


def _stepped(seen: Instant, now: Instant) -> bool:
    """The clock has become certain, or the wall clock has moved against the monotonic one."""
    drift_s = (now.wall - seen.wall).total_seconds() - (now.mono_s - seen.mono_s)
    return now.trusted != seen.trusted or abs(drift_s) > STEP_S
