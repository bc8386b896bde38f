"""Fulfils what a CSMS wants of a station, whatever the version it speaks."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import Protocol

from controller.charging.commands import (
    Ask,
    ClearChargingProfiles,
    FindChargingProfiles,
    Outcome,
    ReadSchedule,
    Result,
    SetChargingProfile,
    StartRemotely,
    StopRemotely,
)
from controller.charging.profile_book import Installed
from controller.charging.records import Route
from controller.csms.dialect import Dialect, Registration
from controller.csms.limits import ExternalLimit
from controller.csms.link import Answer
from controller.csms.requests import (
    Asked,
    ClearProfiles,
    Composite,
    EmptyCache,
    Ids,
    InstallProfile,
    ListResult,
    ListVersion,
    Present,
    ReadVariables,
    RefusalError,
    Request,
    SendProfiles,
    SendReport,
    StopByRemoteId,
    Told,
    TransactionStatus,
    Trigger,
    UpdateList,
    Wanted,
    WriteVariables,
    Written,
)
from controller.csms.rpc import Fault, Payload
from controller.csms.schemas import Kind, known, validate
from controller.csms.table import MAX_LIST_ITEMS, MAX_LIST_LENGTH, PROFILE_COUNT
from controller.csms.variables import VariableError, Variables
from controller.store.errors import StoreError
from controller.store.store import Store

RECONNECTS = "SecurityCtrlr.BasicAuthPassword"
"""Takes effect at the next connection (A01.FR.03)."""


class Voice(Protocol):
    """What the desk has the station do."""

    @property
    def registration(self) -> Registration | None: ...

    def present(self) -> Present: ...

    def running(self, transaction: str) -> bool: ...

    def busy(self, evses: Sequence[str]) -> bool: ...

    async def say(self, wanted: Wanted, evses: Sequence[str]) -> None: ...

    async def report(self, request_id: int, data: Sequence[Payload]) -> None: ...

    def external_limits(self) -> Sequence[ExternalLimit]: ...

    async def report_profiles(self, reports: Sequence[Payload]) -> None: ...

    async def reboot_when_idle(self) -> None: ...

    async def reconnect(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DeskTools:
    """What a desk works with."""

    route: Route
    dialect: Dialect
    ids: Ids
    store: Store
    variables: Variables
    ask: Ask
    voice: Voice


class Desk:
    """`answer` is the `Answerer` of the station's link."""

    def __init__(self, tools: DeskTools) -> None:
        self._tools = tools

    async def answer(self, action: str, payload: Payload) -> Answer | None:
        """Answer one CALL; None while a rejected 1.6 station keeps silent.

        Raises:
            RefusalError: it is answered with CALLERROR.
        """
        dialect = self._tools.dialect
        if self._tools.voice.registration is Registration.REJECTED:
            self._while_rejected()
            return None
        if not known(dialect.version, action):
            raise RefusalError(Fault.NOT_IMPLEMENTED, "no such action")
        problem = validate(dialect.version, action, Kind.REQUEST, payload)
        if problem is not None:
            raise RefusalError(problem.fault, problem.text)
        try:
            return await self._fulfil(dialect.decode(action, payload, self._tools.ids))
        except StoreError as error:
            raise RefusalError(Fault.INTERNAL, "the store fails") from error

    def _while_rejected(self) -> None:
        """B03.FR.08; 1.6 section 4.2 asks for silence."""
        if self._tools.dialect.rejected_answers:
            raise RefusalError(Fault.SECURITY, "the station is rejected")

    async def _ask(self, command: StartRemotely | StopRemotely) -> Outcome:
        """B02.FR.05, 1.6 section 4.2: no remote start or stop before the station is accepted."""
        if self._tools.voice.registration is not Registration.ACCEPTED:
            return Outcome(Result.REFUSED, "not accepted by the CSMS yet")
        return await self._tools.ask(command)

    @singledispatchmethod
    async def _fulfil(self, request: Request) -> Answer:
        raise RefusalError(Fault.NOT_SUPPORTED, type(request).__name__)

    @_fulfil.register
    async def _(self, request: Told) -> Answer:
        return Answer(request.payload)

    @_fulfil.register
    async def _(self, request: Asked) -> Answer:
        command = request.command
        if isinstance(command, (StartRemotely, StopRemotely)):
            return Answer(request.answer(await self._ask(command)))
        outcome = await self._tools.ask(command)
        reboots = request.reboots and outcome.result in {Result.DONE, Result.SCHEDULED}
        return Answer(request.answer(outcome), self._tools.voice.reboot_when_idle if reboots else None)

    @_fulfil.register
    async def _(self, request: StopByRemoteId) -> Answer:
        transaction = await self._tools.store.transaction_of(self._tools.route, request.remote_id)
        if transaction is None:
            return Answer(request.answer(Outcome(Result.UNKNOWN, "no such transaction")))
        return Answer(request.answer(await self._ask(StopRemotely(transaction))))

    @_fulfil.register
    async def _(self, request: ReadVariables) -> Answer:
        return Answer(request.answer(await self._present()))

    async def _present(self) -> Present:
        present = self._tools.voice.present()
        count = await self._tools.store.charging_profile_count(self._tools.route)
        return replace(present, values={**present.values, PROFILE_COUNT: str(count)})

    @_fulfil.register
    async def _(self, request: WriteVariables) -> Answer:
        results = [await self._write(name, value) for name, value in request.assignments]
        changed = {result.name for result in results if not isinstance(result, VariableError)}
        return Answer(request.answer(results), self._tools.voice.reconnect if RECONNECTS in changed else None)

    async def _write(self, name: str, value: str) -> Written:
        try:
            return await self._tools.variables.set(name, value)
        except VariableError as error:
            return error

    @_fulfil.register
    async def _(self, request: SendReport) -> Answer:
        data = request.data(await self._present())
        return Answer(request.payload, _later(self._tools.voice.report, request.request_id, data))

    @_fulfil.register
    async def _(self, request: UpdateList) -> Answer:
        return Answer(request.answer(await self._update_list(request)))

    async def _update_list(self, request: UpdateList) -> ListResult:
        """D01.FR.18 and FR.19; a list with a token twice, or too long, changes nothing."""
        csms = self._tools.route.csms
        if not self._tools.variables.flag("LocalAuthListCtrlr.Enabled"):
            return ListResult.NOT_SUPPORTED
        uids = [info.uid for info in request.infos] + list(request.removed)
        sound = request.version > 0 and len(set(uids)) == len(uids) and not (request.full and request.removed)
        if not sound or len(uids) > (MAX_LIST_LENGTH if request.full else MAX_LIST_ITEMS):
            return ListResult.FAILED
        if not request.full and request.version <= await self._tools.store.list_version(csms):
            return ListResult.VERSION_MISMATCH
        await self._tools.store.replace_list(
            csms, request.version, request.infos, full=request.full, removed=request.removed
        )
        return ListResult.ACCEPTED

    @_fulfil.register
    async def _(self, request: ListVersion) -> Answer:
        enabled = self._tools.variables.flag("LocalAuthListCtrlr.Enabled")
        version = await self._tools.store.list_version(self._tools.route.csms) if enabled else 0
        return Answer(request.answer(version))

    @_fulfil.register
    async def _(self, request: EmptyCache) -> Answer:
        enabled = self._tools.variables.flag("AuthCacheCtrlr.Enabled")
        if enabled:
            await self._tools.store.clear_cache(self._tools.route.csms)
        return Answer(request.answer(enabled))

    @_fulfil.register
    async def _(self, request: Trigger) -> Answer:
        voice = self._tools.voice
        again = request.wanted is Wanted.BOOT and voice.registration is Registration.ACCEPTED
        nothing = request.wanted is Wanted.TRANSACTION and not voice.busy(request.evses)
        if nothing or (again and not request.boot_again):
            return Answer(request.answer(False))
        return Answer(request.answer(True), _later(voice.say, request.wanted, request.evses))

    @_fulfil.register
    async def _(self, request: TransactionStatus) -> Answer:
        store = self._tools.store
        if request.transaction is None:
            depth = await store.depth(self._tools.route)
            return Answer(request.answer(None, depth.waiting + depth.parked > 0))
        ongoing = self._tools.voice.running(request.transaction)
        return Answer(request.answer(ongoing, await store.pending_of(request.transaction) > 0))

    @_fulfil.register
    async def _(self, request: InstallProfile) -> Answer:
        route, profile = self._tools.route, request.profile
        if request.remote_id is not None:
            found = await self._tools.store.transaction_of(route, request.remote_id)
            if found is None:
                return Answer(request.answer(Outcome(Result.UNKNOWN, "no such transaction")))
            profile = replace(profile, transaction=found)
        if profile.id in self._taken():
            text = "an external limit has this id, which a CSMS cannot replace (K01.FR.05)"
            return Answer(request.answer(Outcome(Result.REFUSED, text, reason="InvalidProfile")))
        command = SetChargingProfile(route.identity, request.evse, profile)
        return Answer(request.answer(await self._tools.ask(command)))

    def _taken(self) -> frozenset[int]:
        if self._tools.dialect.external_limit is None:
            return frozenset()
        return frozenset(limit.number for limit in self._tools.voice.external_limits())

    @_fulfil.register
    async def _(self, request: ClearProfiles) -> Answer:
        command = ClearChargingProfiles(self._tools.route.identity, request.criteria)
        outcome = await self._tools.ask(command)
        if outcome.result is Result.FAILED:
            raise RefusalError(Fault.INTERNAL, "the store fails")
        return Answer(request.answer(outcome))

    @_fulfil.register
    async def _(self, request: SendProfiles) -> Answer:
        found: Sequence[Installed] = ()
        if request.criteria is not None:
            outcome = await self._tools.ask(FindChargingProfiles(self._tools.route.identity, request.criteria))
            found = outcome.found
        reports = request.reports(found, self._tools.voice.external_limits())
        return Answer(request.answer(bool(reports)), _later(self._tools.voice.report_profiles, reports))

    @_fulfil.register
    async def _(self, request: Composite) -> Answer:
        identity = self._tools.route.identity
        command = ReadSchedule(identity, request.evse, request.duration_s, request.unit)
        return Answer(request.answer(await self._tools.ask(command)))


def _later(act: Callable[..., Awaitable[None]], *arguments: object) -> Callable[[], Awaitable[None]]:
    return lambda: act(*arguments)
