"""Charging modes, from a rule or the page to the pilot of a simulated car."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.site.conftest import NewSite
from tests.site.processes import PATIENCE_S, SiteUnderTest, State

pytestmark = pytest.mark.site

CARDS = ("0100AB0001", "0100AB0002", "0100AB0003", "0100AB0004")
BOARD_A, MIN_A = 0.95 * 32, 6.0
"""What two cars on a board may take together: the usable share of its rating."""
NEAR_A = 0.3
NO_HURRY_WH = 15
"""So little of it in some minutes asks for no more power than anybody's deadline does."""

RULE = """
[[rules]]
id = "gentle"
when = { evses = ["A1"] }
mode = "fixed"
max_current_a = 8
"""


async def charging_at(site: SiteUnderTest, low_a: float, high_a: float, mode: str, source: str) -> State:
    """Wait until A1 is served in that mode, is offered so much, and its car draws no more."""

    def so(view: State) -> bool:
        evse = view["evses"][0]
        offered = low_a * 1000 <= evse["offered_ma"] <= high_a * 1000
        return offered and (evse["mode"], evse["mode_from"]) == (mode, source)

    view = await site.sees(so, f"A1 is offered {low_a:g} to {high_a:g} A, {mode}, {source}")
    await site.becomes(
        lambda state: 5 <= max(state["evse"][0]["drawn_a"]) <= high_a + 0.1, f"its car draws {high_a:g} A at most"
    )
    return view


async def choose(site: SiteUnderTest, mode: str, *, evse: str = "A1", **parameters: object) -> int:
    return await command(site, "mode", evse=evse, mode=mode, **parameters)


async def command(site: SiteUnderTest, name: str, **body: object) -> int:
    assert site._page is not None
    return (await site._page.post(f"/api/commands/{name}", json=body)).status_code


async def test_r36_rule_choice_crash_and_reload_each_set_the_mode_of_a_running_session(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    with_rule = site.config.read_text(encoding="utf-8") + RULE
    site.config.write_text(with_rule, encoding="utf-8")
    await site.start_controller()
    assert await choose(site, "fixed", max_current_a=10) == 409, "nobody charges yet"
    await site.plug_in(1)
    await site.tap("r1", "0100ABCDEF")
    await site.charges(1)
    await charging_at(site, 7.5, 8, "fixed 8 A", "rule gentle")

    assert await choose(site, "fixed", max_current_a=3) == 409, "below the minimum"
    assert await choose(site, "fixed", max_current_a=11) == 200
    await charging_at(site, 10.5, 11, "fixed 11 A", "chosen")
    await site.controller.kill()
    assert (await site.evse(1))["contactor"], "a crash interrupts nobody"
    await site.start_controller()
    await charging_at(site, 10.5, 11, "fixed 11 A", "chosen")

    assert await choose(site, "rules") == 200
    await charging_at(site, 7.5, 8, "fixed 8 A", "rule gentle")
    site.config.write_text(with_rule.replace("max_current_a = 8", "max_current_a = 9"), encoding="utf-8")
    answer = await site.ampyard("reload", "--config", str(site.config))
    assert answer.status == 0, answer
    await charging_at(site, 8.5, 9, "fixed 9 A", "rule gentle")
    assert (await site.evse(1))["contactor"]


async def test_a_rule_that_cannot_be_meant_is_named_by_check(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    good = site.config.read_text(encoding="utf-8") + RULE
    site.config.write_text(good, encoding="utf-8")
    assert (await site.ampyard("check", str(site.config))).status == 0
    site.config.write_text(good.replace('"A1"] }', '"A9"] }'), encoding="utf-8")
    answer = await site.ampyard("check", str(site.config))
    assert (answer.status, "rules[gentle].when.evses: there is no EVSE 'A9'" in answer.text) == (78, True)


async def test_standard_shares_equally_priority_and_the_pressing_deadline_come_first(new_site: NewSite) -> None:
    """Two boards, each too small for its two cars. Nothing else binds, and no fuse is ever above its rating."""
    site = new_site()
    await site.start_simulator("modes")
    text = site.config.read_text(encoding="utf-8")
    site.config.write_text(text.replace("[site]", '[site]\ntime_zone = "UTC"', 1), encoding="utf-8")
    await site.start_controller()
    for number, uid in enumerate(CARDS, start=1):
        await site.plug_in(number, max_a=32)
        await site.tap(f"r-{'ab'[(number - 1) // 2]}{2 - number % 2}", uid)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(standard_then_priority(site))
        tasks.create_task(two_deadlines(site))
    state = await site.state()
    for circuit in state["circuits"]:
        assert max(circuit["over_s"]) == 0, circuit
        assert max(circuit["worst_ratio"]) <= 1, circuit


async def standard_then_priority(site: SiteUnderTest) -> None:
    view = await drawing(site, {"A1": BOARD_A / 2, "A2": BOARD_A / 2}, "both draw the same")
    assert modes(view, "A1", "A2") == [("standard", "no rule")] * 2
    assert all(shown(view, name)["reason"].startswith("circuit: board-a") for name in ("A1", "A2"))

    assert await choose(site, "priority", evse="A2", priority=2) == 200
    view = await drawing(site, {"A1": MIN_A, "A2": BOARD_A - MIN_A}, "A2 is served first, A1 keeps its minimum")
    assert modes(view, "A1", "A2") == [("standard", "no rule"), ("priority 2", "chosen")]
    assert shown(view, "A1")["reason"].startswith("circuit: board-a"), "it is the fuse that holds the other down"

    assert await choose(site, "rules", evse="A2") == 200
    await drawing(site, {"A1": BOARD_A / 2, "A2": BOARD_A / 2}, "equals again")


async def two_deadlines(site: SiteUnderTest) -> None:
    """B1 needs a little very soon, B2 a little some time tomorrow."""
    view = await drawing(site, {"B1": BOARD_A / 2, "B2": BOARD_A / 2}, "both draw the same")
    assert await choose(site, "deadline", evse="B2", energy_kwh=1.0, by=clock_in(hours=20)) == 200
    promised_wh = shown(view, "B1")["transaction"]["energy_wh"] + 100
    soon = clock_in(minutes=6)
    assert await choose(site, "deadline", evse="B1", energy_kwh=promised_wh / 1000, by=soon) == 200

    view = await drawing(site, {"B1": BOARD_A - MIN_A, "B2": MIN_A}, "the pressing one is served first")
    assert shown(view, "B1")["mode"] == f"deadline {promised_wh / 1000:.10g} kWh by {soon}"
    assert shown(view, "B1")["mode_note"] == "", "its deadline counts"
    assert shown(view, "B2")["mode"].startswith("deadline 1 kWh by ")

    def delivered(view: State) -> bool:
        return bool(shown(view, "B1")["mode_note"])

    while not delivered(view):
        state = await site.state()
        got_wh, got_a = state["evse"][2]["session_energy_wh"], max(state["evse"][2]["drawn_a"])
        least_a = BOARD_A - MIN_A - NEAR_A if got_wh < promised_wh - NO_HURRY_WH else MIN_A
        assert got_a >= least_a, "it is served first as long as it is the one in a hurry"
        view = await site.sees(lambda _: True, "the page")
    assert shown(view, "B1")["mode_note"] == "standard now: that energy is delivered"
    state = await site.state()
    assert promised_wh - 2 <= state["evse"][2]["session_energy_wh"] <= promised_wh + 100
    await drawing(site, {"B1": BOARD_A / 2, "B2": BOARD_A / 2}, "standard after that")


SPEED = 5
"""Of simulator and controller in the scenario that waits for minutes; all of its times are in their seconds."""
START_AFTER_S, SMOOTHED_S, KEPT_FOR_S = 60.0, 10.0, 180.0
SUN, MORE_SUN, CLOUD, DARK = (-30, -6, -5), (-38, -10, -8), (-12, -3, -2), (2, 3, 1)
"""What the building takes on each phase. S2 takes 8 A of L2; 18 A over all phases is the least that S1 can take."""
SURPLUS_RULE = """
[[rules]]
id = "sun"
when = { evses = ["S1"] }
mode = "surplus"
"""


@pytest.mark.timeout(300)
async def test_surplus_only_starts_on_lasting_export_follows_the_sun_and_outlives_a_cloud(
    new_site: NewSite,
) -> None:
    site = new_site()
    await site.start_simulator("solar")
    await site.post("clock", scale=SPEED)
    with site.config.open("a", encoding="utf-8") as file:
        file.write(SURPLUS_RULE)
    await site.controller.start("-m", "tests.site.hurried", str(SPEED), "run", "--config", str(site.config))
    await site.up()
    await site.plug_in(1)
    await site.plug_in(2, max_a=8, phases=1)
    for number, uid in enumerate(CARDS[:2], start=1):
        assert await command(site, "tap", reader=f"r{number}", uid=uid) == 200
    await site.charges(2)
    view = await site.sees(lambda view: shown(view, "S1")["transaction"] is not None, "S1 has a session")
    assert modes(view, "S1", "S2") == [("surplus only", "rule sun"), ("standard", "no rule")]
    await s1_is(site, "waiting: surplus", 0, 0)

    begun_s = await sun_is(site, SUN)
    await s1_is(site, "waiting: room must last", 0, 0)
    await s1_is(site, "surplus", 10, 11.5)
    started_s = await last_contactor(site, closed=True)
    assert START_AFTER_S <= started_s - begun_s <= START_AFTER_S + 3 * SMOOTHED_S + 10 * SPEED
    await nothing_is_exported(site)
    await sun_is(site, CLOUD)
    await s1_is(site, "surplus", MIN_A, MIN_A)
    await asyncio.sleep(20 / SPEED)
    await s1_is(site, "surplus", MIN_A, MIN_A)
    await sun_is(site, MORE_SUN)
    await s1_is(site, "surplus", 14, 16)
    await nothing_is_exported(site)

    dark_s = await sun_is(site, DARK)
    assert await last_contactor(site, closed=True) == started_s, "the cloud did not switch it"
    await s1_is(site, "waiting: surplus", 0, 0)
    stopped_s = await last_contactor(site, closed=False)
    assert KEPT_FOR_S <= stopped_s - dark_s <= KEPT_FOR_S + 3 * SMOOTHED_S + 10 * SPEED
    switched = [event for event in await site.events() if event["kind"] == "outlet" and event["evse"] == "S2"]
    assert [event["contactor"] for event in switched[-1:]] == [True], "the other one charges on"
    assert abs(draw(await site.state(), "S2") - 8) <= NEAR_A


async def sun_is(site: SiteUnderTest, currents_a: tuple[float, float, float]) -> float:
    """Returns the time of the change."""
    await site.post("load", circuit="main", **dict(zip(("l1_a", "l2_a", "l3_a"), currents_a, strict=True)))
    return max(passed_s(event) for event in await site.events() if event["kind"] == "load")


def passed_s(event: State) -> float:
    """By the clock that the controller goes by too: a starved simulator's own leaves out what it missed."""
    return SPEED * float(event["t_s"])


async def s1_is(site: SiteUnderTest, reason: str, low_a: float, high_a: float) -> None:
    """Wait until it draws so much on each phase, and the page says why."""
    within = low_a - 0.1, high_a + 0.1
    patience_s = PATIENCE_S + KEPT_FOR_S / SPEED
    await site.becomes(lambda state: within[0] <= draw(state, "S1") <= within[1], f"S1 draws {within}", patience_s)
    await site.sees(lambda view: shown(view, "S1")["reason"] == reason, f"S1: {reason}", patience_s)


async def nothing_is_exported(site: SiteUnderTest) -> None:
    """Nor imported: all of the surplus goes into the car."""
    await site.becomes(lambda state: abs(sum(state["circuits"][0]["drawn_a"])) <= 1.5, "the car takes the surplus")


async def last_contactor(site: SiteUnderTest, *, closed: bool) -> float:
    """When the contactor of S1 was last switched so."""
    switched, was = 0.0, False
    for event in await site.events():
        if event["kind"] == "outlet" and event["evse"] == "S1":
            switched = passed_s(event) if event["contactor"] != was and event["contactor"] == closed else switched
            was = event["contactor"]
    assert switched > 0
    return switched


def shown(view: State, evse: str) -> State:
    found: State = next(one for one in view["evses"] if one["id"] == evse)
    return found


def modes(view: State, *evses: str) -> list[tuple[str, str]]:
    return [(shown(view, name)["mode"], shown(view, name)["mode_from"]) for name in evses]


def clock_in(**ahead: float) -> str:
    return f"{datetime.now(UTC) + timedelta(**ahead):%H:%M}"


def draw(state: State, evse: str) -> float:
    return max(next(map(float, one["drawn_a"]) for one in state["evse"] if one["id"] == evse))


def close_to(wanted_a: dict[str, float]) -> Callable[[State], bool]:
    return lambda state: all(abs(draw(state, evse) - amps) <= NEAR_A for evse, amps in wanted_a.items())


async def drawing(site: SiteUnderTest, wanted_a: dict[str, float], what: str) -> State:
    """Wait until the cars draw that much, and give what the page shows then."""
    await site.becomes(close_to(wanted_a), f"{what}: {wanted_a}")

    def settled(view: State) -> bool:
        return all(shown(view, evse)["reason"].split(":")[0] != "raise-delay" for evse in wanted_a)

    return await site.sees(settled, f"{what}, and no raise is under way")
