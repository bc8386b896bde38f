"""One charging station towards its CSMS: boot, heartbeat, status, authorisation, and the sender of its outbox."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from controller.charging.commands import Ask, TakeSample
from controller.charging.instant import Instant
from controller.charging.records import Route
from controller.charging.tokens import Token, TokenInfo, TokenStatus
from controller.charging.view import CsmsView, Look
from controller.clock import Clock
from controller.csms.bell import Bell
from controller.csms.desk import Desk, DeskTools
from controller.csms.dialect import BootAnswer, BootReason, Dialect, Message, Registration
from controller.csms.external import LimitReporter, LimitReporting
from controller.csms.lanes import Lane
from controller.csms.limits import ExternalLimit
from controller.csms.link import CallFailedError, Link, NotConnectedError, Speech
from controller.csms.memory import TokenMemory
from controller.csms.ocpp2.rules import RULES as OCPP201
from controller.csms.ocpp16.rules import RULES as OCPP16
from controller.csms.reporter import Reporter, Reporting
from controller.csms.requests import Ids, Present, Wanted
from controller.csms.rpc import Payload
from controller.csms.schemas import Kind, Version, validate
from controller.csms.sender import Sender, Sending
from controller.csms.slice import CsmsSlice, StationSlice
from controller.csms.variables import Variables
from controller.csms.wire import time_of, timestamp
from controller.store.errors import StoreError
from controller.store.store import Store

log = logging.getLogger(__name__)

ONLY_WATTS = {"SmartChargingCtrlr.RateUnit": "W", "ChargingScheduleAllowedChargingRateUnit": "Power"}
"""Of a station whose EVSEs are all DC outlets; at each of several kinds the profile itself is answered."""

DIALECTS: Mapping[Version, Dialect] = {Version.V16: OCPP16, Version.V201: OCPP201}
OWN_BOOT_INTERVAL_S = 60.0
"""Where the CSMS leaves it to us (B02.FR.07), or refuses the message itself."""
LONGEST_BOOT_INTERVAL_S = 86_400
HEARTBEAT = "OCPPCommCtrlr.HeartbeatInterval"
HEARTBEAT_LIMITS_S = (1, 86_400)
STEP_WORTH_KEEPING_S = 1.0


class Station:
    """Runs until cancelled. Before the CSMS accepts the boot, nothing else is sent."""

    _connected_at: Instant | None
    """When the present or last connection began."""

    def __init__(
        self,
        *,
        csms: CsmsSlice,
        station: StationSlice,
        store: Store,
        clock: Clock,
        ask: Ask,
        look: Look,
        variables: Variables,
    ) -> None:
        self.registration: Registration | None = None
        self._csms, self._slice = csms, station
        self._store, self._clock, self._ask, self._look = store, clock, ask, look
        self._variables = variables
        self._dialect = dialect = DIALECTS[csms.version]
        self._ids = Ids(station.evses)
        route = Route(csms.id, station.identity)
        self._memory = TokenMemory(csms.id, store, variables)
        self._desk = Desk(DeskTools(route, dialect, self._ids, store, variables, ask, self))
        self._link = Link(
            csms=csms,
            station=station,
            speech=Speech(dialect.subprotocol, dialect.wording),
            variables=variables,
            answer=self._desk.answer,
            moved=self._on_link,
        )
        self._sender = Sender(
            Sending(route, dialect, self._ids, store, clock, variables, self._call, ask, self._memory)
        )
        self._reporter = Reporter(
            Reporting(dialect, self._ids, look, clock, self._call, on_air=lambda: self._on_air)
        )
        self._limits = LimitReporter(
            LimitReporting(
                station.identity,
                self._ids,
                look,
                variables,
                dialect.external_limit,
                self._call,
                lambda: self._on_air,
            )
        )
        self._turn, self._status, self._heart = Bell(), Bell(), Bell()
        self._on_air = False
        self._connected_at = None
        self._lost_s: float | None = None
        self._reason: BootReason | None = None
        self._boot_not_before_s = float("-inf")
        self._reboot_wanted = False
        self._kept_sync = False
        variables.listeners.append(self._on_variable)

    # what the runtime calls

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run())
            tasks.create_task(self._sender.run())
            tasks.create_task(self._conduct())
            tasks.create_task(self._report_changes())
            tasks.create_task(self._beat())

    def site_changed(self) -> None:
        """`look` shows something new."""
        self._status.ring()
        self._reboot_if_idle()

    async def authorise(self, token: Token) -> TokenInfo | None:
        """The CSMS' word on a token; None: it cannot be asked, or did not answer."""
        if not self._on_air:
            return None
        message = self._dialect.authorize(token)
        if message is None:
            return TokenInfo(token.uid, TokenStatus.INVALID)
        try:
            payload = await self._call(message, Lane.FIRST)
        except CallFailedError as error:
            log.info("%s: not authorised: %s", self._slice.identity, error)
            return None
        info = self._dialect.token_info(payload, token.uid)
        await self._remember(token, info)
        return info

    async def send_parked_again(self) -> int:
        """Put parked messages back in their places; how many (R27)."""
        return await self._sender.send_parked_again()

    def view(self) -> CsmsView:
        depth = self._sender.depth
        return CsmsView(
            csms=self._csms.id,
            identity=self._slice.identity,
            version=self._csms.version.value,
            url=self._csms.url,
            connected=self._link.connected,
            registration=self.registration.value if self.registration else "",
            outbox_depth=depth.waiting,
            parked=depth.parked,
            last_error=self._sender.trouble or self._link.last_error,
        )

    # what the desk calls

    def present(self) -> Present:
        computed = {
            "SecurityCtrlr.Identity": self._slice.identity,
            "SecurityCtrlr.SecurityProfile": str(self._csms.security_profile),
            "ClockCtrlr.DateTime": timestamp(self._clock.now().wall),
            "NumberOfConnectors": str(len(self._slice.evses)),
        }
        views = self._reporter.views()
        evses = tuple(views.get(evse) for evse in self._slice.evses)
        if evses and all(view is not None and view.dc is not None for view in evses):
            computed |= ONLY_WATTS
        return Present({**self._variables.values, **computed}, evses, self._look().version)

    def running(self, transaction: str) -> bool:
        return self._reporter.running(transaction)

    def busy(self, evses: Sequence[str]) -> bool:
        return bool(self._reporter.busy(evses))

    async def say(self, wanted: Wanted, evses: Sequence[str]) -> None:
        """What a trigger asked for; also while the boot is pending."""
        match wanted:
            case Wanted.BOOT:
                self._boot_again(BootReason.TRIGGERED)
            case Wanted.HEARTBEAT:
                await self._heartbeat()
            case Wanted.STATUS:
                await self._reporter.say_statuses(evses)
            case Wanted.TRANSACTION:
                await self._ask(TakeSample(self._reporter.busy(evses)))
            case Wanted.METER_VALUES:
                await self._sample(evses)

    async def report(self, request_id: int, data: Sequence[Payload]) -> None:
        await self._reporter.report(request_id, data)

    def external_limits(self) -> Sequence[ExternalLimit]:
        return self._limits.present()

    async def report_profiles(self, reports: Sequence[Payload]) -> None:
        for payload in reports:
            await self._call(Message("ReportChargingProfiles", payload), Lane.REST)

    async def _sample(self, evses: Sequence[str]) -> None:
        busy = self._reporter.busy(evses) if self._dialect.queues_samples else ()
        if busy:
            await self._ask(TakeSample(busy))
        await self._reporter.say_samples([evse for evse in evses if evse not in busy])

    async def reboot_when_idle(self) -> None:
        """After a Reset of the whole station: it boots anew towards the CSMS, the site goes on (R31)."""
        self._reboot_wanted = True
        self._reboot_if_idle()

    async def reconnect(self) -> None:
        self._link.reconnect()

    # registration

    async def _call(self, message: Message, lane: Lane) -> Payload:
        return await self._link.call(message.action, message.payload, lane)

    def _on_link(self, connected: bool) -> None:
        now = self._clock.now()
        if connected:
            self._connected_at = now
        else:
            self._go_off_air()
            self._lost_s = now.mono_s
        self._turn.ring()

    def _go_off_air(self) -> None:
        self._on_air = False
        self._sender.close()

    async def _conduct(self) -> None:
        while True:
            await self._turn.wait(await self._next_step())

    async def _next_step(self) -> float | None:
        """Boot or go on air, whichever is due; for how long to wait then, None: until the bell rings."""
        if not self._link.connected:
            return None
        if self.registration is Registration.ACCEPTED:
            self._go_on_air()
            return None
        wait_s = self._boot_not_before_s - self._clock.mono()
        if wait_s > 0:
            return wait_s
        await self._boot()
        return 0

    def _boot_again(self, reason: BootReason) -> None:
        if self.registration is Registration.ACCEPTED:
            self._go_off_air()
            self.registration = None
        self._reason = reason
        self._boot_not_before_s = float("-inf")
        self._turn.ring()

    async def _boot(self) -> None:
        reason = self._reason or await self._reason_of_start()
        message = self._dialect.boot(reason, self._look().version, self._slice.identity)
        try:
            payload = await self._call(message, Lane.FIRST)
        except CallFailedError as error:
            if not isinstance(error, NotConnectedError):
                self._wait_for_boot(OWN_BOOT_INTERVAL_S)
            return
        problem = validate(self._dialect.version, message.action, Kind.RESPONSE, payload)
        answer = self._dialect.boot_answer(payload)
        if problem is not None or answer is None:
            log.warning("%s: answer to the boot makes no sense", self._slice.identity)
            self._wait_for_boot(OWN_BOOT_INTERVAL_S)
            return
        await self._registered(answer)

    async def _registered(self, answer: BootAnswer) -> None:
        if answer.registration is not self.registration:
            log.info("%s: %s by the CSMS", self._slice.identity, answer.registration.value)
        self._wait_for_boot(min(answer.interval_s, LONGEST_BOOT_INTERVAL_S) or OWN_BOOT_INTERVAL_S)
        if answer.registration is Registration.ACCEPTED:
            await self._take_time(answer.time)
            await self._take_heartbeat_interval(answer.interval_s)
            self._reporter.forget()
            self._limits.forget()
        self.registration = answer.registration

    def _wait_for_boot(self, seconds: float) -> None:
        self._boot_not_before_s = self._clock.mono() + seconds

    async def _reason_of_start(self) -> BootReason:
        """A boot of the machine that has been synchronised before had this controller running already."""
        try:
            known = self._clock.boot in await self._store.syncs()
        except StoreError:
            known = False
        self._reason = BootReason.APPLICATION_RESET if known else BootReason.POWER_UP
        return self._reason

    async def _take_heartbeat_interval(self, interval_s: int) -> None:
        """B01.FR.04."""
        low, high = HEARTBEAT_LIMITS_S
        if interval_s > 0 and interval_s != self._variables.integer(HEARTBEAT):
            try:
                await self._variables.set(HEARTBEAT, min(max(interval_s, low), high))
            except StoreError as error:
                log.warning("%s: heartbeat interval not kept: %s", self._slice.identity, error)

    def _go_on_air(self) -> None:
        """B04: after a long absence every status is told, after a short one what has changed."""
        if self._on_air or self._connected_at is None:
            return
        lost_s, self._lost_s = self._lost_s, None
        if lost_s is not None:
            away_s = self._connected_at.mono_s - lost_s
            if away_s > self._variables.integer("OCPPCommCtrlr.OfflineThreshold"):
                self._reporter.forget()
        self._on_air = True
        self._sender.open(self._connected_at)
        self._status.ring()
        self._heart.ring()

    def _reboot_if_idle(self) -> None:
        if not self._reboot_wanted or self._reporter.busy(self._slice.evses):
            return
        self._reboot_wanted = False
        self._boot_again(BootReason.REMOTE_RESET)
        self._link.reconnect()

    # time

    async def _beat(self) -> None:
        while True:
            if await self._heart.wait(self._variables.integer(HEARTBEAT)) or not self._on_air:
                continue
            try:
                await self._heartbeat()
            except CallFailedError as error:
                log.debug("%s: heartbeat: %s", self._slice.identity, error)

    async def _heartbeat(self) -> None:
        payload = await self._call(Message("Heartbeat", {}), Lane.REST)
        await self._take_time(time_of(payload.get("currentTime")))

    async def _take_time(self, at: datetime | None) -> None:
        """The sync is kept when it is news: a disk wears out by writing the same."""
        if at is None:
            return
        step_s = abs(self._clock.set_trusted(at, "csms"))
        sync = self._clock.sync
        if sync is None or (self._kept_sync and step_s < STEP_WORTH_KEEPING_S):
            return
        try:
            await self._store.add_sync(sync)
        except StoreError as error:
            log.warning("%s: time not kept: %s", self._slice.identity, error)
        else:
            self._kept_sync = True

    def _on_variable(self, name: str) -> None:
        if name == HEARTBEAT:
            self._heart.ring()

    async def _report_changes(self) -> None:
        while True:
            await self._status.wait(None)
            try:
                await self._reporter.tell_changes()
                await self._limits.tell_changes()
            except CallFailedError as error:
                log.debug("%s: status not told: %s", self._slice.identity, error)

    async def _remember(self, token: Token, info: TokenInfo | None) -> None:
        try:
            infos = await self._memory.of(token, info)
            if infos:
                await self._store.remember(self._csms.id, infos, self._clock.now().wall)
        except StoreError as error:
            log.warning("%s: token not remembered: %s", self._slice.identity, error)
