"""The site at run time: device events in, commands answered, one view out.

What concerns one EVSE goes to its owner; what concerns several is done here, by one task after the other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.allocation.circuits import SupplyPoint
from controller.charging.charging_profiles import ChargingProfile
from controller.charging.commands import (
    ChooseEvse,
    ChooseMode,
    Command,
    Outcome,
    ReportVerdict,
    Reset,
    ResetKind,
    Result,
    SetAvailability,
    StartRemotely,
    StopLocally,
    StopRemotely,
    TakeSample,
    Tap,
    UnlockConnector,
)
from controller.charging.modes import Fixed, Mode
from controller.charging.records import SampleContext, StopReason, Trigger
from controller.charging.rules import Rules
from controller.charging.session import (
    AvailabilityAsked,
    EvseState,
    Idle,
    LateVerdict,
    ModeAsked,
    Payer,
    Presented,
    Running,
    SampleTaken,
    StopAsked,
    Stopping,
    Waiting,
)
from controller.charging.tokens import Token
from controller.runtime.owner import EvseOwner
from controller.runtime.registers import BillingRegister
from controller.runtime.taps import TapDesk, serves
from controller.store.errors import StoreError
from drivers.api import DeviceError, Evse, Unlocker

_log = logging.getLogger(__name__)

ANSWER_S = 10.0
"""A command that has no answer by then answers FAILED; its event stays where it is and takes effect later."""
UNLOCK_S = 10.0


@dataclass(frozen=True, slots=True)
class SiteEvse:
    owner: EvseOwner
    register: BillingRegister
    device: Evse
    point: SupplyPoint


Operation = SetAvailability | ChooseMode | Reset | UnlockConnector | TakeSample | ReportVerdict
Administer = Callable[[Command], Awaitable[Outcome]]
"""Answers what is not about an EVSE: reload, variables, parked messages."""


class LimitedStarts(Protocol):
    """Keeps the charging profile of a remote start for its session."""

    async def attach(self, evse: str, payer: Payer, profile: ChargingProfile) -> Outcome | None: ...

    def attached(self, evse: str) -> None: ...


class Site:
    """Answers commands. A reconfiguration replaces `evses` and the desk's readers as a whole."""

    def __init__(
        self,
        *,
        desk: TapDesk,
        token: Callable[[str], Token],
        rules: Callable[[], Rules],
        hindrance: Callable[[Mode], str | None],
        administer: Administer,
    ) -> None:
        self.evses: Mapping[str, SiteEvse] = {}
        self.starts: LimitedStarts | None = None
        self.desk = desk
        self._token = token
        self._rules = rules
        self._hindrance = hindrance
        self._administer = administer
        self._taps: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._changes: asyncio.Queue[tuple[EvseState, EvseState]] = asyncio.Queue()

    def tapped(self, reader: str, uid: str) -> None:
        """A reader saw a card."""
        self._taps.put_nowait((reader, uid))

    def changed(self, before: EvseState, after: EvseState) -> None:
        """An owner has published a state."""
        self._changes.put_nowait((before, after))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve_taps())
            tasks.create_task(self._serve_changes())

    async def _serve_taps(self) -> None:
        while True:
            reader, uid = await self._taps.get()
            await self.ask(Tap(reader, uid))

    async def _serve_changes(self) -> None:
        while True:
            before, after = await self._changes.get()
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self.desk.answered(before, after)
                    if after.plug is not None and before.plug is None and isinstance(after.phase, Idle):
                        await self.desk.plugged(after.evse)
            except (TimeoutError, StoreError, DeviceError) as error:
                _log.error("a waiting card could not be given to %s: %s", after.evse, error)

    async def ask(self, command: Command) -> Outcome:
        """Carry out a command; the answer comes once its consequences are durable."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer(command)
        except TimeoutError:
            return Outcome(Result.FAILED, "not done yet: the store or a device does not answer")
        except (StoreError, DeviceError) as error:
            return Outcome(Result.FAILED, str(error))

    async def _answer(self, command: Command) -> Outcome:
        match command:
            case Tap(reader, uid):
                return await self.desk.tap(reader, self._token(uid))
            case ChooseEvse():
                return await self.desk.choose(command)
            case StartRemotely():
                return await self._start(command)
            case StopRemotely(transaction):
                return await self._stop_remotely(transaction)
            case StopLocally(evse):
                return await self._stop(evse, StopReason.LOCAL, Trigger.STOP_AUTHORIZED)
            case SetAvailability() | ChooseMode() | Reset() | UnlockConnector() | TakeSample() | ReportVerdict():
                return await self._operate(command)
            case _:
                return await self._administer(command)

    async def _operate(self, command: Operation) -> Outcome:
        match command:
            case SetAvailability(evses, operative):
                return await self._set_availability(evses, operative=operative)
            case ChooseMode():
                return await self._choose_mode(command)
            case Reset(kind, evses):
                return await self._reset(kind, evses)
            case UnlockConnector(evse):
                return await self._unlock(evse)
            case TakeSample(evses):
                return await self._sample(evses)
            case ReportVerdict(transaction, info):
                owner = self._owner_of(transaction)
                if owner is not None:
                    await owner.do(LateVerdict(owner.now, transaction, info))
                return Outcome(Result.DONE if owner else Result.UNKNOWN)

    async def _start(self, command: StartRemotely) -> Outcome:
        evse = command.evse or self._only_candidate(command.evses)
        if evse is None:
            return Outcome(Result.REFUSED, "name the EVSE: not exactly one car is waiting")
        if evse not in self.evses:
            return Outcome(Result.UNKNOWN, f"no EVSE {evse!r}")
        owner = self.evses[evse].owner
        if not isinstance(owner.state.phase, Idle | Waiting):
            return Outcome(Result.REFUSED, "the EVSE is in use")
        payer = Payer(command.token, Trigger.REMOTE_START, command.remote_start_id)
        if command.profile is None:
            return await self._present(owner, payer)
        return await self._start_limited(owner, payer, command.profile)

    async def _start_limited(self, owner: EvseOwner, payer: Payer, profile: ChargingProfile) -> Outcome:
        """The profile is there before its session can begin (K05)."""
        if self.starts is None:
            return Outcome(Result.REFUSED, "a start cannot be limited here")
        evse = owner.state.evse
        try:
            refused = await self.starts.attach(evse, payer, profile)
            return refused or await self._present(owner, payer)
        finally:
            self.starts.attached(evse)

    async def _present(self, owner: EvseOwner, payer: Payer) -> Outcome:
        checked = not self._rules().authorisation.authorize_remote
        after = await owner.do(Presented(owner.now, payer, checked))
        if serves(after, payer.token):
            return Outcome(Result.DONE)
        return Outcome(Result.REFUSED, after.message or "the EVSE is in use")

    def _only_candidate(self, among: tuple[str, ...]) -> str | None:
        states = [evse.owner.state for name, evse in self.evses.items() if not among or name in among]
        waiting = [s.evse for s in states if s.operative and s.plug is not None and isinstance(s.phase, Idle)]
        return waiting[0] if len(waiting) == 1 else None

    async def _stop_remotely(self, transaction: str) -> Outcome:
        owner = self._owner_of(transaction)
        if owner is None:
            return Outcome(Result.UNKNOWN, "no such transaction is running")
        return await self._stop(owner.state.evse, StopReason.REMOTE, Trigger.REMOTE_STOP)

    async def _stop(self, evse: str, reason: StopReason, trigger: Trigger) -> Outcome:
        if evse not in self.evses:
            return Outcome(Result.UNKNOWN, f"no EVSE {evse!r}")
        owner = self.evses[evse].owner
        if isinstance(owner.state.phase, Idle):
            return Outcome(Result.REFUSED, "nothing runs there")
        await owner.do(StopAsked(owner.now, reason, trigger))
        return Outcome(Result.DONE)

    async def _set_availability(self, evses: tuple[str, ...], *, operative: bool) -> Outcome:
        if unknown := [evse for evse in evses if evse not in self.evses]:
            return Outcome(Result.UNKNOWN, f"no EVSE {unknown[0]!r}")
        owners = [self.evses[evse].owner for evse in evses]
        asked = [owner.do(AvailabilityAsked(owner.now, operative)) for owner in owners]
        after = [await done for done in asked]
        later = any(state.operative != operative for state in after)
        return Outcome(Result.SCHEDULED if later else Result.DONE)

    async def _choose_mode(self, command: ChooseMode) -> Outcome:
        if command.evse not in self.evses:
            return Outcome(Result.UNKNOWN, f"no EVSE {command.evse!r}")
        owner = self.evses[command.evse].owner
        if not isinstance(owner.state.phase, Running):
            return Outcome(Result.REFUSED, "no session is running there")
        least_ma = self.evses[command.evse].point.least_ma(owner.state.phase.transaction.payer.token.min_ma)
        if isinstance(command.mode, Fixed) and command.mode.max_ma < least_ma:
            return Outcome(Result.REFUSED, f"below {least_ma / 1000:g} A this car would not charge at all")
        if command.mode is not None and (why_not := self._hindrance(command.mode)):
            return Outcome(Result.REFUSED, why_not)
        transaction = owner.state.phase.transaction.id
        after = await owner.do(ModeAsked(owner.now, command.mode))
        if isinstance(after.phase, Running) and after.phase.transaction.id == transaction:
            return Outcome(Result.DONE)
        return Outcome(Result.REFUSED, "the session has ended")

    async def _reset(self, kind: ResetKind, evses: tuple[str, ...]) -> Outcome:
        """End what runs, or report that it must end first. The station says hello again by itself."""
        busy = [evse for evse in evses if evse in self.evses and self._busy(evse)]
        if busy and kind is ResetKind.ON_IDLE:
            return Outcome(Result.SCHEDULED, f"waits for {', '.join(busy)}")
        owners = [self.evses[evse].owner for evse in busy]
        reason = StopReason.REBOOT if kind is ResetKind.SOFT else StopReason.IMMEDIATE_RESET
        stop = (reason, Trigger.RESET_COMMAND)
        asked = [owner.do(StopAsked(owner.now, *stop)) for owner in owners]
        for done in asked:
            await done
        return Outcome(Result.DONE)

    def _busy(self, evse: str) -> bool:
        return not isinstance(self.evses[evse].owner.state.phase, Idle)

    async def _unlock(self, evse: str) -> Outcome:
        if evse not in self.evses:
            return Outcome(Result.UNKNOWN, f"no EVSE {evse!r}")
        device = self.evses[evse].device
        if not isinstance(device, Unlocker) or not device.capabilities.unlock:
            return Outcome(Result.REFUSED, "this charger's plug cannot be released from here")
        await self._end_before_unlocking(self.evses[evse])
        async with asyncio.timeout(UNLOCK_S):
            await device.unlock()
        return Outcome(Result.DONE)

    async def _end_before_unlocking(self, evse: SiteEvse) -> None:
        """A plug is released only when nothing flows through it any more."""
        owner = evse.owner
        if isinstance(owner.state.phase, Running):
            await owner.do(StopAsked(owner.now, StopReason.UNLOCK_COMMAND, Trigger.UNLOCK_COMMAND))
        if isinstance(owner.state.phase, Stopping):
            await evse.register.at_rest(owner.now.mono_s)

    async def _sample(self, evses: tuple[str, ...]) -> Outcome:
        running = [self.evses[evse] for evse in evses if evse in self.evses]
        for evse in running:
            now = evse.owner.now
            shown = evse.register.recent(now.mono_s)
            if shown is not None:
                value = shown.value(SampleContext.TRIGGER, evse.owner.offered_ma)
                await evse.owner.do(SampleTaken(now, value, Trigger.TRIGGER))
        return Outcome(Result.DONE)

    def _owner_of(self, transaction: str) -> EvseOwner | None:
        for evse in self.evses.values():
            match evse.owner.state.phase:
                case Running(found) | Stopping(found) if found.id == transaction:
                    return evse.owner
                case _:
                    continue
        return None
