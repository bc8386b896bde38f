"""The site-level owner of taps: shared readers, open choices, taps that wait for a plug."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from controller.charging.commands import ChooseEvse, Outcome, Result
from controller.charging.instant import Instant
from controller.charging.records import StopReason, Trigger
from controller.charging.rows import Row, token_from_row, token_to_row
from controller.charging.rules import Rules
from controller.charging.session import (
    Authorising,
    EvseState,
    Idle,
    Payer,
    Presented,
    Running,
    Starting,
    StopAsked,
    Stopping,
    Waiting,
)
from controller.charging.taps import AwaitPlug, Choose, Ignore, Start, Stop, TapSeen, assign
from controller.charging.tokens import Token
from controller.charging.view import ChoiceView
from controller.clock import Clock
from controller.runtime.owner import EvseOwner
from controller.store.store import Commit, Store
from drivers.api import DeviceError, Feedback, TokenReader

_log = logging.getLogger(__name__)

STATE_KEY = "site"
ROW_VERSION = 1
SHOW_S = 2.0
WORDS_S = 20.0
"""How long the page repeats what a reader said."""


@dataclass(frozen=True, slots=True)
class ReaderFacts:
    """What a reader serves. `device` None: the charger's own reader, which shows nothing that we command."""

    evses: tuple[str, ...]
    oldest_first: bool
    device: TokenReader | None


@dataclass(frozen=True, slots=True)
class WaitingTap:
    """A tap that counts for the next plug-in at one of its reader's EVSEs."""

    reader: str
    token: Token
    until: Instant


@dataclass(frozen=True, slots=True)
class OpenChoice:
    id: str
    tap: TapSeen
    evses: tuple[str, ...]
    until: Instant


class TapDesk:
    """Assigns taps (R18). `owners` and `readers` are replaced as a whole by a reconfiguration."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        rules: Callable[[], Rules],
        with_group: Callable[[Token, str], Awaitable[Token]],
    ) -> None:
        self.owners: Mapping[str, EvseOwner] = {}
        self.readers: Mapping[str, ReaderFacts] = {}
        self._store = store
        self._clock = clock
        self._rules = rules
        self._with_group = with_group
        self._previous: dict[str, TapSeen] = {}
        self._waiting: tuple[WaitingTap, ...] = ()
        self._keeping = asyncio.Lock()
        self._choices: tuple[OpenChoice, ...] = ()
        self._tapped_at: dict[str, str] = {}
        self._words: dict[str, tuple[str, Instant]] = {}

    def load(self, row: Row | None) -> None:
        """Take over the waiting taps that an earlier run stored.

        Unreadable ones are left out: a driver taps again, while a site that does not start helps nobody.
        """
        if row is None:
            return
        try:
            self._waiting = _taps_from_row(row)
        except (KeyError, TypeError, ValueError) as error:
            _log.error("stored taps cannot be read and are forgotten: %r", error)

    async def tap(self, reader: str, token: Token) -> Outcome:
        """A card was presented at a reader, or on the page in its stead."""
        facts = self.readers.get(reader)
        if facts is None:
            return Outcome(Result.UNKNOWN, f"no reader {reader!r}")
        if facts.evses:
            token = await self._with_group(token, facts.evses[0])
        served = [self.owners[evse].state for evse in facts.evses if evse in self.owners]
        if not served:
            return Outcome(Result.REFUSED, f"reader {reader!r} serves no charging point")
        seen = TapSeen(reader, token, self._clock.now())
        previous, self._previous[reader] = self._previous.get(reader), seen
        outcome = await self._act(seen, facts, served, previous)
        self._words[reader] = (outcome.text, seen.at)
        _log.info("card …%s at reader %s: %s %s", token.uid[-4:], reader, outcome.result.value, outcome.text)
        return outcome

    async def _act(
        self, seen: TapSeen, facts: ReaderFacts, served: list[EvseState], previous: TapSeen | None
    ) -> Outcome:
        timeout_s = self._rules().connection_timeout_s
        meaning = assign(seen, served, previous=previous, timeout_s=timeout_s, oldest_first=facts.oldest_first)
        match meaning:
            case Start(evse):
                return await self._start(seen, evse)
            case Stop(evse):
                asked = StopAsked(seen.at, StopReason.LOCAL, Trigger.STOP_AUTHORIZED, seen.token)
                await self.owners[evse].do(asked)
                return Outcome(Result.DONE, f"session at {evse} ends")
            case Choose(evses):
                choice = OpenChoice(uuid4().hex[:8], seen, evses, seen.at.later(timeout_s))
                self._choices = (*self._choices, choice)
                await self.show(seen.reader, Feedback.REFUSED)
                return Outcome(Result.REFUSED, f"several cars wait: choose {', '.join(evses)} on the page")
            case AwaitPlug():
                await self._await_plug(WaitingTap(seen.reader, seen.token, seen.at.later(timeout_s)))
                await self.show(seen.reader, Feedback.WAITING)
                return Outcome(Result.DONE, "plug in within the next minutes")
            case Ignore(text):
                return Outcome(Result.REFUSED, text)

    async def _start(self, seen: TapSeen, evse: str) -> Outcome:
        self._tapped_at[evse] = seen.reader
        after = await self.owners[evse].do(Presented(seen.at, Payer(seen.token, Trigger.AUTHORIZED)))
        if serves(after, seen.token):
            return Outcome(Result.DONE, f"card is checked for {evse}")
        self._tapped_at.pop(evse, None)
        return Outcome(Result.REFUSED, after.message or "in use by another card")

    async def choose(self, command: ChooseEvse) -> Outcome:
        """Somebody said which car a tap was for."""
        choice = self._open_choice(command)
        if choice is None or command.evse not in self.owners:
            return Outcome(Result.UNKNOWN, "this choice is no longer open: present the card again")
        if not _waits_for_card(self.owners[command.evse].state):
            return Outcome(Result.REFUSED, f"{command.evse} does not wait for a card any more")
        self._choices = tuple(other for other in self._choices if other is not choice)
        return await self._start(choice.tap, command.evse)

    def _open_choice(self, command: ChooseEvse) -> OpenChoice | None:
        now = self._clock.now()
        for choice in self._choices:
            if choice.id == command.choice and command.evse in choice.evses and now.seconds_since(choice.until) < 0:
                return choice
        return None

    async def plugged(self, evse: str) -> None:
        """A car arrived: the oldest tap that waits at a reader of this EVSE is for it.

        It is forgotten before it counts: a crash between may lose a tap, but never lets it pay for a second car.
        """
        async with self._keeping:
            now = self._clock.now()
            alive = tuple(tap for tap in self._waiting if now.seconds_since(tap.until) < 0)
            owner = self.owners.get(evse)
            free = owner is not None and _waits_for_card(owner.state)
            first = next((tap for tap in alive if free and self._serves(tap.reader, evse)), None)
            alive = tuple(tap for tap in alive if tap is not first)
            if alive != self._waiting:
                await self._keep(alive)
        if first is not None and evse in self.owners:
            await self._start(TapSeen(first.reader, first.token, now), evse)

    def _serves(self, reader: str, evse: str) -> bool:
        facts = self.readers.get(reader)
        return facts is not None and evse in facts.evses

    async def _await_plug(self, tap: WaitingTap) -> None:
        """A card waits once, wherever it was presented last."""
        async with self._keeping:
            await self._keep((*(w for w in self._waiting if w.token.uid != tap.token.uid), tap))

    async def _keep(self, waiting: tuple[WaitingTap, ...]) -> None:
        row: Row = {
            "version": ROW_VERSION,
            "waiting": [
                {"reader": tap.reader, "token": token_to_row(tap.token), "until": tap.until.to_row()}
                for tap in waiting
            ],
        }
        await self._store.commit(Commit(states={STATE_KEY: row}, entries=[]))
        self._waiting = waiting

    async def answered(self, before: EvseState, after: EvseState) -> None:
        """Show the driver the verdict on the card; called once that verdict is durable."""
        if not isinstance(before.phase, Authorising) or isinstance(after.phase, Authorising):
            return
        reader = self._tapped_at.pop(after.evse, None)
        if reader is not None:
            refused = isinstance(after.phase, Idle)
            await self.show(reader, Feedback.REFUSED if refused else Feedback.ACCEPTED)

    def message_for(self, evse: str) -> str | None:
        """What the readers of this EVSE said to a driver a moment ago."""
        now = self._clock.now()
        for reader, (text, at) in self._words.items():
            if self._serves(reader, evse) and now.seconds_since(at) < WORDS_S:
                return text
        return None

    async def show(self, reader: str, feedback: Feedback) -> None:
        """A reader that cannot show it changes nothing about what was decided."""
        facts = self.readers.get(reader)
        if facts is None or facts.device is None:
            return
        try:
            async with asyncio.timeout(SHOW_S):
                await facts.device.show(feedback)
        except (DeviceError, TimeoutError) as error:
            _log.info("reader %s shows nothing: %s", reader, error)

    def choices(self) -> tuple[ChoiceView, ...]:
        """The choices still open, for the page."""
        now = self._clock.now()
        self._choices = tuple(choice for choice in self._choices if now.seconds_since(choice.until) < 0)
        return tuple(
            ChoiceView(c.id, c.tap.reader, masked(c.tap.token.uid), c.evses, int(c.until.seconds_since(now)))
            for c in self._choices
        )


def _taps_from_row(row: Row) -> tuple[WaitingTap, ...]:
    if row["version"] != ROW_VERSION or not isinstance(row["waiting"], list):
        raise ValueError(f"version {row['version']!r}")
    return tuple(
        WaitingTap(str(tap["reader"]), token_from_row(tap["token"]), Instant.from_row(tap["until"]))
        for tap in row["waiting"]
    )


def _waits_for_card(state: EvseState) -> bool:
    return state.operative and state.plug is not None and isinstance(state.phase, Idle)


def serves(state: EvseState, token: Token) -> bool:
    """Whether the EVSE is at work for this payer."""
    match state.phase:
        case Authorising(payer) | Waiting(payer) | Starting(payer):
            return payer.token.uid == token.uid
        case Running(transaction):
            return transaction.payer.token.uid == token.uid
        case Idle() | Stopping():
            return False


def masked(uid: str) -> str:
    """All but the last four characters of an identifier, for people."""
    return "…" + uid[-4:] if len(uid) > 4 else uid
