"""kill -9 at every commit of a session with two cars: nothing lost, nothing twice, nothing given away.

Odd and even commits are campaigns of their own only so that they can run beside each other.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from tests.site.conftest import NewSite
from tests.site.processes import SiteUnderTest, State

pytestmark = [pytest.mark.site, pytest.mark.campaign, pytest.mark.timeout(280)]

LANES = 4
"""Simulators at work at the same time; most of a session is waiting."""
SCALE = 10
CAR = {"max_a": 6, "phases": 1, "ramp_s": 0.5, "delay_s": 0.3}
"""At `SCALE` it draws 14 kW of real time, which the EVSE can deliver: R17 compares the register with the clock."""
LOOK_S = 0.25
SESSION_S = 60.0
TAP_AGAIN_S = 6.0
"""Longer than the time in which a second tap is the same gesture (R18)."""
READERS = ("r1", "r2")
MOST_COMMITS = 200
"""Far more than a session has: the campaign must end by itself."""

Reached = Callable[[State], Awaitable[bool]]


@dataclass
class Session:
    """Two cars, one card each, one death. `before_wh` are the billing registers when they came."""

    site: SiteUnderTest
    uids: tuple[str, str]
    deaths: int = 0
    started_but_cold: bool = False
    """It died between the commit that starts a transaction and the write that lets energy flow."""
    before_wh: list[float] = field(default_factory=list)
    tapped_s: list[float] = field(default_factory=lambda: [0.0, 0.0])

    async def play(self, deadly: str) -> None:
        self.before_wh = await self._registers_wh()
        await self.site.launch(AMPYARD_KILL_AT_COMMIT=deadly)
        await self._until(self._read, "the EVSEs are read")
        for number in (1, 2):
            await self.site.plug_in(number, **CAR)
        await self._until(self._both_charge, "both charge")
        for number in (1, 2):
            await self.site.unplug(number)
        await self._until(self._delivered, "both are at the CSMS and the outbox is empty")
        await self._stop()

    async def _stop(self) -> None:
        """It may die once more in the commit of the last acknowledgement, after the CSMS has all."""
        status = await self.site.controller.stop()
        if status != 0:
            assert status == -9
            await self._died()
            await self._until(self._delivered, "the outbox is empty again")
            assert await self.site.controller.stop() == 0

    async def _registers_wh(self) -> list[float]:
        return [evse["energy_register_wh"] for evse in (await self.site.state())["evse"]]

    async def _until(self, reached: Reached, what: str) -> None:
        """Go on until it is so, and bring the controller back to life on the way."""
        deadline_s = time.monotonic() + SESSION_S
        while True:
            if not self.site.controller.alive:
                await self._died()
            view = await self.site.view()
            if view is not None and await reached(view):
                return
            assert time.monotonic() < deadline_s, f"not within {SESSION_S:g} s: {what}: {view}"
            await asyncio.sleep(LOOK_S)

    async def _died(self) -> None:
        assert await self.site.controller.ended() == -9
        self.deaths += 1
        started = {
            r["evse"] for r in self.site.records() if r["kind"] == "started" and r["token"]["uid"] in self.uids
        }
        live = {evse["id"] for evse in (await self.site.state())["evse"] if evse["enabled"] or evse["contactor"]}
        assert live <= started, f"{live} energised, {started} durably started"
        self.started_but_cold = self.started_but_cold or bool(started - live)
        await self.site.launch()

    async def _read(self, view: State) -> bool:
        return all(evse["ev_state"] is not None for evse in view["evses"])

    async def _both_charge(self, view: State) -> bool:
        """As drivers do: hold the card to the reader again when nothing happens."""
        for place, evse in enumerate(view["evses"]):
            waited_s = time.monotonic() - self.tapped_s[place]
            if evse["status"] in {"plugged", "available"} and waited_s > TAP_AGAIN_S:
                self.tapped_s[place] = time.monotonic()
                await self.site.tap(READERS[place], self.uids[place])
        return all(evse["status"] == "charging" for evse in view["evses"])

    async def _delivered(self, view: State) -> bool:
        if any(evse["transaction"] for evse in view["evses"]) or view["csms"][0]["outbox_depth"]:
            return False
        return all(t["complete"] for t in self._mine(await self.site.state()))

    def _mine(self, state: State) -> list[State]:
        return [t for t in state["csms"]["transactions"] if t["id_token"] in self.uids]

    async def judge(self) -> None:
        mine = self._mine(await self.site.state())
        assert sorted(t["id_token"] for t in mine) == sorted(self.uids), "each session exactly once"
        after_wh = await self._registers_wh()
        for transaction in mine:
            place = self.uids.index(transaction["id_token"])
            assert transaction["reason"] == "EVDisconnected"
            assert abs(transaction["meter_start_wh"] - self.before_wh[place]) <= 1, transaction
            assert abs(transaction["meter_stop_wh"] - after_wh[place]) <= 1, (transaction, after_wh)
        assert await self.site.ledger_is_intact()


@dataclass
class Campaign:
    """Each commit number is one session; it ends with the first session that has fewer commits."""

    where: str
    numbers: Iterator[int]
    deadly: list[int] = field(default_factory=list)
    cold: int = 0
    over: bool = False

    async def lane(self, site: SiteUnderTest, lane: int, scenario: str) -> None:
        await site.start_simulator(scenario)
        await site.post("clock", scale=SCALE)
        while not self.over:
            number = next(self.numbers)
            assert number < MOST_COMMITS
            await self._session(site, lane, number)
        csms = (await site.state())["csms"]
        assert csms["violations"] == []
        assert [csms["total"][what] for what in ("changed_repeats", "out_of_order", "orphans")] == [0, 0, 0]

    async def _session(self, site: SiteUnderTest, lane: int, number: int) -> None:
        session = Session(site, (f"0100{lane:02X}{number:04X}", f"04A1B2{lane:04X}{number:04X}"))
        try:
            await session.play(f"{number}:{self.where}")
            await session.judge()
        except AssertionError as error:
            error.add_note(f"killed at commit {number}, {self.where} it; lane {site.folder}")
            raise
        self.cold += session.started_but_cold
        if session.deaths:
            self.deadly.append(number)
        else:
            self.over = True


@pytest.mark.parametrize("first", [1, 2], ids=["odd", "even"])
@pytest.mark.parametrize(
    ("scenario", "where"),
    [("small", "after"), ("small16", "before")],
    ids=["2.0.1-after-commit", "1.6-before-commit"],
)
async def test_r25_the_register_at_the_csms_matches_whenever_the_controller_is_killed(
    new_site: NewSite, scenario: str, where: str, first: int
) -> None:
    campaign = Campaign(where, count(first, 2))
    async with asyncio.TaskGroup() as tasks:
        for lane in range(LANES):
            tasks.create_task(campaign.lane(new_site(), lane, scenario))
    last = max(campaign.deadly)
    print(f"died at {sorted(campaign.deadly)}, {campaign.cold} times before the first write to a charger")
    assert sorted(campaign.deadly) == list(range(first, last + 1, 2)), "every second commit was one's last"
    assert last > 20
    assert campaign.cold > 0, "nobody died between the start's commit and the write to the charger"
