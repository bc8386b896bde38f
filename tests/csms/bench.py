"""A station against the simulated CSMS, with the real store and clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from controller.charging.commands import Ask, Command, Outcome, Result
from controller.charging.records import (
    ChargingState,
    Entry,
    MeterValue,
    Route,
    SampleContext,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from controller.charging.tokens import BilledBy, Token
from controller.charging.view import CircuitView, EvseStatus, EvseView, LimitView, SiteView, TransactionView
from controller.clock import Clock
from controller.csms.schemas import Version
from controller.csms.slice import CsmsSlice
from controller.csms.station import Station
from controller.csms.variables import Variables
from controller.store.store import Commit, Store
from drivers.api import EvState, Phases
from sim.csms.server import Csms

PATIENCE_S = 20.0
QUICK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": 0,
    "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": 0,
    "OCPPCommCtrlr.MessageTimeout[Default]": 1,
}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


def evse_view(evse: str, **changes: Any) -> EvseView:
    view = EvseView(
        id=evse,
        status=EvseStatus.AVAILABLE,
        ev_state=EvState.A,
        offered_ma=0,
        drawn_ma=None,
        power_w=0,
        energy_wh=1000,
        reason="",
        bound_ma=0,
        circuit="main",
        operative=True,
        fault=None,
        plug_id=None,
        transaction=None,
    )
    return replace(view, **changes)


def transaction_view(transaction: str) -> TransactionView:
    return TransactionView(transaction, "····", "", 0, 0, ChargingState.CHARGING)


def site_view(*evses: EvseView) -> SiteView:
    return SiteView("s", "Site", "1.2.3", "", True, 0, evses, (), (), (), (), (), 0.0)


TOKEN = Token("04A1B2C3D4E5F6", "04A1B2C3D4E5F6", billed_by=BilledBy.CSMS)


@dataclass
class Story:
    """Entries of one transaction, as the core writes them."""

    transaction: str
    clock: Clock
    evse: str = "A1"
    token: Token = TOKEN
    seq: int = 0
    energy_wh: int = 1000

    def _next(self) -> dict[str, Any]:
        seq, self.seq = self.seq, self.seq + 1
        return {"transaction": self.transaction, "seq": seq, "evse": self.evse, "at": self.clock.now()}

    def _meter(self, context: SampleContext) -> MeterValue:
        self.energy_wh += 10
        return MeterValue(context, self.energy_wh, 3680, Phases(16000, 0, 0), 16000)

    def started(self, **changes: Any) -> TransactionStarted:
        entry = TransactionStarted(
            **self._next(),
            trigger=Trigger.AUTHORIZED,
            state=ChargingState.EV_CONNECTED,
            token=self.token,
            billed_by=BilledBy.CSMS,
            meter=self._meter(SampleContext.BEGIN),
        )
        return replace(entry, **changes)

    def updated(self) -> TransactionUpdated:
        return TransactionUpdated(
            **self._next(),
            trigger=Trigger.METER_VALUE_PERIODIC,
            state=ChargingState.CHARGING,
            meter=self._meter(SampleContext.PERIODIC),
        )

    def ended(self, **changes: Any) -> TransactionEnded:
        entry = TransactionEnded(
            **self._next(),
            trigger=Trigger.STOP_AUTHORIZED,
            state=ChargingState.EV_CONNECTED,
            reason=StopReason.LOCAL,
            meter=self._meter(SampleContext.END),
            token=self.token,
        )
        return replace(entry, **changes)


@dataclass
class Bench:
    """One station, the CSMS it talks to, and the site behind it as far as the edge sees one."""

    version: Version
    store: Store
    clock: Clock
    csms: Csms
    variables: Variables
    slice: CsmsSlice
    evses: dict[str, EvseView]
    asked: list[Command] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(Result.DONE))
    slow: asyncio.Event | None = None
    site: Ask | None = None
    """Answers instead of `outcome`."""
    limits: tuple[LimitView, ...] = ()
    circuits: tuple[CircuitView, ...] = ()
    station: Station = field(init=False)

    def __post_init__(self) -> None:
        self.station = Station(
            csms=self.slice,
            station=self.slice.stations[0],
            store=self.store,
            clock=self.clock,
            ask=self._ask,
            look=lambda: replace(site_view(*self.evses.values()), limits=self.limits, circuits=self.circuits),
            variables=self.variables,
        )

    async def _ask(self, command: Command) -> Outcome:
        self.asked.append(command)
        if self.slow is not None:
            await self.slow.wait()
        return self.outcome if self.site is None else await self.site(command)

    @property
    def route(self) -> Route:
        return Route(self.slice.id, self.slice.stations[0].identity)

    @property
    def identity(self) -> str:
        return self.slice.stations[0].identity

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.station.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def queue(self, *entries: Entry) -> None:
        await self.store.commit(Commit(entries=[(entry, self.route) for entry in entries]))

    def show(self, evse: str, **changes: Any) -> None:
        self.evses[evse] = evse_view(evse, **changes)
        self.station.site_changed()

    def calls(self, *actions: str) -> list[dict[str, Any]]:
        """CALLs of the station so far, oldest first."""
        found = [m for m in self.csms.messages(0) if m["direction"] == "in" and m["type"] == "call"]
        return [m for m in found if not actions or m["action"] in actions]

    async def accepted(self) -> None:
        """Online, and every status told."""
        expected = len(self.evses) + (self.version is Version.V16)
        await until(lambda: self.station.view().registration == "Accepted")
        await until(lambda: len(self.calls("StatusNotification")) >= expected)

    async def drained(self) -> None:
        await self.until_depth(0)

    async def until_depth(self, waiting: int, parked: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                depth = await self.store.depth(self.route)
                if (depth.waiting, depth.parked) == (waiting, parked):
                    return
                await asyncio.sleep(0.02)

    async def call(self, action: str, payload: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        return await self.csms.call(self.identity, action, dict(payload), **options)

    @property
    def violations(self) -> list[str]:
        return list(self.csms.summary()["violations"])
