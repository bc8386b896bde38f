"""The smart charging of a site behind the bench's station: two EVSEs, and what the allocation gets to see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from controller.allocation.circuits import Circuit, Rotation, SupplyPoint
from controller.allocation.image import Layout, Limit
from controller.charging.commands import (
    ClearChargingProfiles,
    Command,
    FindChargingProfiles,
    Outcome,
    ReadSchedule,
    Result,
    SetChargingProfile,
)
from controller.charging.instant import Instant
from controller.charging.records import ChargingState, Trigger
from controller.charging.session import EvseState, Idle, Payer, Running, Transaction
from controller.charging.tokens import BilledBy
from controller.runtime.limits import LimitBook
from controller.runtime.smart_charging import SmartCharging, SmartChargingParts
from drivers.api import Phases
from tests.csms.bench import TOKEN, Bench

KEY = "11111111-2222-3333-4444-555555555555"


def point(evse: str, phases: int = 3) -> SupplyPoint:
    return SupplyPoint(evse, "main", Rotation.L1L2L3, phases, 6000, 32_000, 1000, 0.2)


MAIN = Circuit("main", None, Phases(63_000, 63_000, 63_000), 1000, Phases(0, 0, 0))
LAYOUT = Layout((MAIN,), (point("A1"), point("A2")), 230_000, {}, {"CP-7": frozenset({"A1", "A2"})})


def transaction(key: str, since: Instant, remote_start_id: int | None = None) -> Transaction:
    payer = Payer(TOKEN, Trigger.REMOTE_START, remote_start_id)
    return Transaction(key, payer, BilledBy.CSMS, 1, since, 0, 0, since, since, since, ChargingState.CHARGING)


class SmartSite:
    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.states = {evse: EvseState(evse) for evse in ("A1", "A2")}
        self.book = LimitBook()
        self.smart = SmartCharging(
            SmartChargingParts(
                bench.store, bench.clock, self.book, lambda: None, lambda: LAYOUT, lambda: dict(self.states)
            )
        )
        bench.site = self._ask

    async def _ask(self, command: Command) -> Outcome:
        match command:
            case SetChargingProfile() | ClearChargingProfiles() | FindChargingProfiles() | ReadSchedule():
                return await self.smart.ask(command)
            case _:
                return Outcome(Result.DONE)

    def runs(self, evse: str, key: str = KEY) -> None:
        now = self._bench.clock.now()
        self.states[evse] = EvseState(evse, Running(transaction(key, now)))
        self.smart.sessions_changed()

    def ends(self, evse: str) -> None:
        self.states[evse] = EvseState(evse, Idle())
        self.smart.sessions_changed()

    @property
    def limits(self) -> dict[tuple[str, str], tuple[int | None, int | None]]:
        """What the allocation sees: (source, target) to mA and W."""
        found: tuple[Limit, ...] = self.book.current(self._bench.clock.mono())
        return {(one.source, one.target): (one.value_ma, one.value_w) for one in found}


@asynccontextmanager
async def smart_site(bench: Bench) -> AsyncIterator[SmartSite]:
    """A new process on the bench's store, with its station online."""
    site = SmartSite(bench)
    site.smart.load(await bench.store.charging_profiles())
    site.smart.change_to(bench.slice)
    task = asyncio.create_task(site.smart.run())
    try:
        async with bench.running():
            await bench.accepted()
            yield site
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def reason(answer: dict[str, Any]) -> str:
    """Status, and why."""
    info = answer.get("statusInfo") or {}
    return "/".join(filter(None, [answer["status"], info.get("reasonCode")]))
