"""A car park of fifty EVSEs: ten models on five serial wires and a network, and two fast chargers on CAN.

One controller has them all: every car charges, no circuit is above its rating for longer than R4 allows, nothing
is lost or misread on the way, and each session is billed once.
"""

import asyncio
import itertools
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.site.conftest import NewSite
from tests.site.processes import SiteUnderTest, State

pytestmark = [pytest.mark.site, pytest.mark.timeout(240)]

EVSES, MODELS, RTU_BUSES = 50, 8, 5
ON_THE_GROUND = 20
FAST = ("DC1", "DC2")
CAR = {"max_a": 32, "ramp_s": 2.0}
FAST_CAR = {"max_a": 225, "ramp_s": 1.0, "battery_v": 400, "soc": 20, "capacity_wh": 90_000}
ONE_PHASE = {"0-02", "0-09", "0-14", "1-03", "1-08", "1-11", "1-15", "2-02", "2-11", "2-13", "2-15"}
"""A car of one phase at each model; their conductors are rotated differently."""
MIN_A, FAST_W = 6.0, 4000
FALL_BACK = {
    "heidelberg-energy-control": (6, 15),
    "keba-p30": (6, 30),
    "mennekes-amtron-compact-2s": (6, 10),
    "alfen-ng9xx": (6, 60),
    "webasto-next": (6, 30),
    "ampyard-secc": (None, 10),
}
"""Fail-safe current and time-out that each model with a watchdog must hold when it was found (R1)."""
USABLE, LEAST_RAISE_A = 0.95, 0.5
NEAR_A, NEAR_LIMIT_A, NEAR_BUILDING_A = 0.5, 4.0, 12.0
"""How near a reading of one car, the noise of a meter of hundreds of amperes, and what is estimated of the building
while fifty cars move, come to the truth."""
GRID_A, GRID_W, NEAR_MA = 0.5, 100, 1
"""Less than the steps in which a setpoint is taken: one that is taken is rounded to them before, and never up."""
NIGHT, FULL_HOUSE = (2, 5, 1), (73, 80, 69)
"""What the building takes on each phase; lifts, kitchen and lights come on at once."""
METER_S, CYCLE_S, BUS_S, LATENCY_S, EV_S, SLACK_S = 2.0, 1.0, 1.0, 2.0, 5.0, 3.0
REACTION_S = METER_S + CYCLE_S + BUS_S + LATENCY_S + EV_S + SLACK_S
"""R4: meters are read each second and look at their conductors as seldom; the last is a loaded machine's."""
WORST_RATIO = 1.45
OLDEST_REGISTER_S, REGISTER_WH, COARSE_WH = 30.0, 10.0, {"solax-evc-g2": 100.0, "go-e": 100.0}
"""How late a register may be on the page, and the steps that it counts in."""
LEAVERS = ("DC1", "0-01", "0-07", "0-13", "1-01", "1-07", "1-10", "1-13", "2-01", "2-10", "2-14")
"""One of each model."""
ENDED = {"finishing", "available"}
PATIENCE_S = 90.0


async def test_r04_fifty_cars_share_one_connection_and_each_is_billed_once(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("fifty")
    it_is_what_was_asked_for(await site.state())
    answer = await site.ampyard("check", str(site.config))
    assert (answer.status, "50 EVSEs, 5 circuits: sound" in answer.text) == (0, True), answer.text
    await building_takes(site, NIGHT)
    await site.start_controller()
    await site.sees(in_order, "every device answers, and there is no alarm", PATIENCE_S)
    await site.becomes(it_is_set_up, "each has its fail-safe current and offers nothing")

    async with nothing_is_lost(site):
        await everybody_plugs_in(site)
        before = await site.state()
        assert [evse["id"] for evse in before["evse"] if evse["power_w"] or evse["session_energy_wh"]] == []
        await everybody_shows_a_card(site)
        await all_of_them_charge(site)
        assert not any(itertools.chain(*over_s(await site.state()))), "nobody was above a rating on the way"
        await the_page_tells_the_truth(site)
        await the_building_takes_more(site)
        await the_page_tells_the_truth(site)
        await some_leave(site)
        await site.csms_has(lambda csms: csms["total"]["complete"] == len(LEAVERS), "who left is complete")
        await site.becomes(nothing_for_who_left, "nothing is offered any more where a session has ended")
    each_is_billed_once(site, before, await site.state())
    assert await site.controller.stop() == 0
    assert await site.ledger_is_intact()


def it_is_what_was_asked_for(state: State) -> None:
    """At least eight models on five serial wires, a network and CAN."""
    kinds = [bus["kind"] for bus in state["buses"]]
    assert len(state["evse"]) == EVSES
    assert len({evse["profile"] for evse in state["evse"]}) >= MODELS
    assert kinds.count("modbus-rtu") == RTU_BUSES
    assert {"modbus-tcp", "can"} < set(kinds)


def in_order(view: State) -> bool:
    return not view["alarms"] and all(device["health"] == "ok" for device in view["devices"])


def it_is_set_up(state: State) -> bool:
    return all(has_its_fall_back(evse) and offers_nothing(evse) for evse in state["evse"])


def has_its_fall_back(evse: State) -> bool:
    wanted = FALL_BACK.get(evse["profile"])
    return wanted is None or (evse.get("failsafe_a"), evse["watchdog_timeout_s"]) == wanted


def offers_nothing(evse: State) -> bool:
    """R15: it is locked, where the model can be, and has come to act on that."""
    return evse["offered_a"] == 0 and (not evse["enabled"] or evse["limit_a"] == 0)


def nothing_for_who_left(state: State) -> bool:
    return all(offers_nothing(evse) and not evse["power_w"] for evse in state["evse"] if evse["id"] in LEAVERS)


@asynccontextmanager
async def nothing_is_lost(site: SiteUnderTest) -> AsyncIterator[None]:
    """No device and no EVSE from here on, not even for the moment between two looks at the page."""
    said = site.controller.log.stat().st_size
    yield
    log = site.controller.log.read_text(encoding="utf-8")[said:]
    assert [line for line in log.splitlines() if ": lost" in line or line.startswith("ERROR")] == []
    view = await site.sees(in_order, "every device answers, and there is no alarm")
    assert not {evse["id"] for evse in view["evses"] if evse["fault"]}
    assert (await site.state())["dc"]["damage"] == []


async def everybody_plugs_in(site: SiteUnderTest) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number, evse in enumerate((await site.state())["evse"], start=1):
            car = FAST_CAR if evse["id"] in FAST else {**CAR, "phases": 1 if evse["id"] in ONE_PHASE else 3}
            tasks.create_task(site.post(f"evse/{number}/plug_in", **car))
    await site.sees(lambda view: all(evse["plug_id"] for evse in view["evses"]), "all are plugged")


async def everybody_shows_a_card(site: SiteUnderTest) -> dict[str, str]:
    """At each reader one after the other, and each says on the page where. Returns the card of each EVSE."""
    state = await site.state()
    cards = {evse["id"]: card_of(evse["n"]) for evse in state["evse"]}
    async with asyncio.TaskGroup() as tasks:
        for reader in state["readers"]:
            tasks.create_task(cards_at(site, reader["id"], {name: cards[name] for name in reader["evses"]}))
    return cards


def card_of(number: int) -> str:
    """The readers of the upper decks know cards of five bytes only."""
    return f"04A1B2C3D4E6{number:02X}" if number <= ON_THE_GROUND else f"0100AB01{number - ON_THE_GROUND:02X}"


async def cards_at(site: SiteUnderTest, reader: str, cards: dict[str, str]) -> None:
    for name, uid in cards.items():
        await card_at(site, reader, name, uid)


async def card_at(site: SiteUnderTest, reader: str, name: str, uid: str) -> None:
    await site.tap(reader, uid)
    view = await site.sees(lambda view: has_arrived(view, reader, name, uid), f"card {uid} at {reader}")
    for choice in choices_at(view, reader, uid):
        await post(site, "choose", choice=choice["choice"], evse=name)
    await site.sees(lambda view: shown(view, name)["transaction"] is not None, f"{name} has a session")


def has_arrived(view: State, reader: str, name: str, uid: str) -> bool:
    """It is to choose, or there is nothing to choose because this is the last one."""
    return bool(choices_at(view, reader, uid) or shown(view, name)["transaction"])


def choices_at(view: State, reader: str, uid: str) -> list[State]:
    return [one for one in view["choices"] if one["reader"] == reader and one["token"].endswith(uid[-4:])]


async def post(site: SiteUnderTest, command: str, **body: object) -> None:
    assert site._page is not None
    answer = await site._page.post(f"/api/commands/{command}", json=body)
    assert answer.status_code == 200, f"{command} {body}: {answer.text}"


def shown(view: State, name: str) -> State:
    found: State = next(one for one in view["evses"] if one["id"] == name)
    return found


def drawn_a(evse: State) -> float:
    return float(max(evse["drawn_a"]))


async def all_of_them_charge(site: SiteUnderTest) -> None:
    """Nobody goes empty, and as much is used as may be."""
    await site.becomes(lambda state: all(charges(evse) for evse in state["evse"]), "all fifty charge", PATIENCE_S)
    await site.becomes(uses_what_there_is, "the connection is used to its limit", PATIENCE_S)


def charges(evse: State) -> bool:
    return evse["power_w"] >= FAST_W if evse["id"] in FAST else drawn_a(evse) >= MIN_A - 0.2


def uses_what_there_is(state: State) -> bool:
    """The busiest phase of the connection is what binds. A raise is at least half an ampere."""
    main = state["circuits"][0]
    busiest_a: float = max(main["drawn_a"])
    usable_a: float = USABLE * main["rating_a"][0]
    return usable_a - LEAST_RAISE_A * EVSES <= busiest_a <= usable_a + NEAR_LIMIT_A


async def the_building_takes_more(site: SiteUnderTest) -> None:
    """More than the connection has to spare: there is an overload, and it is short and small."""
    await building_takes(site, FULL_HOUSE)
    await site.becomes(lambda state: state["circuits"][0]["worst_ratio"][1] > 1, "L2 is above its rating")
    await site.becomes(uses_what_there_is, "the cars make room", PATIENCE_S)
    state = await site.state()
    for circuit in state["circuits"]:
        assert max(circuit["longest_over_s"]) <= REACTION_S, circuit
        assert max(circuit["worst_ratio"]) <= WORST_RATIO, circuit
    assert all(charges(evse) for evse in state["evse"]), "and nobody had to stop"
    await asyncio.sleep(EV_S)
    assert over_s(await site.state()) == over_s(state), "never again"


async def building_takes(site: SiteUnderTest, currents_a: tuple[float, float, float]) -> None:
    l1_a, l2_a, l3_a = currents_a
    await site.post("load", circuit="main", l1_a=l1_a, l2_a=l2_a, l3_a=l3_a)


def over_s(state: State) -> list[list[float]]:
    return [circuit["over_s"] for circuit in state["circuits"]]


async def the_page_tells_the_truth(site: SiteUnderTest) -> None:
    """What the controller believes of fifty chargers and five meters is what the simulator knows."""
    rotations = {evse["id"]: evse.get("rotation", "L1L2L3") for evse in configured(site)["evses"]}
    found: list[str] = []

    async def settled() -> bool:
        before, view, after = await site.state(), await site.view(), await site.state()
        assert view is not None
        evses = zip(before["evse"], view["evses"], after["evse"], strict=True)
        circuits = zip(before["circuits"], view["circuits"], strict=True)
        found[:] = [
            *itertools.chain(*(falsities(*evse, rotations[evse[1]["id"]]) for evse in evses)),
            *itertools.chain(*(misread(*c) for c in circuits)),
        ]
        return not found

    try:
        await site.come_true(settled, "the page shows what is true")
    except AssertionError as error:
        raise AssertionError("; ".join(found)) from error


def configured(site: SiteUnderTest) -> State:
    return tomllib.loads(site.config.read_text(encoding="utf-8"))


def falsities(before: State, evse: State, after: State, rotation: str) -> Iterator[str]:
    name = evse["id"]
    if (name, "C") != (before["id"], evse["ev_state"]):
        yield f"{name}: {before['id']} {evse['ev_state']}"
    if evse["drawn_ma"] is None or not are_near(supply_a(evse["drawn_ma"], rotation), before["drawn_a"], NEAR_A):
        yield f"{name}: drawn_ma {evse['drawn_ma']} at {rotation}, not {before['drawn_a']}"
    if not any(holds_what_is_offered(evse, one) for one in (before, after)):
        truth = before.get("limit_w", before["limit_a"])
        yield f"{name}: offered_ma {evse['offered_ma']} {evse['dc']}, not {truth}"
    lag_wh = before["power_w"] * OLDEST_REGISTER_S / 3600 + 1
    if not before["energy_register_wh"] - lag_wh <= evse["energy_wh"] <= after["energy_register_wh"] + 1:
        yield f"{name}: energy_wh {evse['energy_wh']}, not {after['energy_register_wh']}"


def supply_a(drawn_ma: list[int], rotation: str) -> list[float]:
    """Of the charger's conductors, by the phases of the supply that they are wired to."""
    return [drawn_ma[rotation[1::2].index(phase)] / 1000 for phase in "123"]


def are_near(found: list[float], true: list[float], how_near: float) -> bool:
    return all(abs(one - other) <= how_near for one, other in zip(found, true, strict=True))


def holds_what_is_offered(evse: State, true: State) -> bool:
    """The charger's register; at DC the power."""
    if evse["dc"] is not None:
        below_w: float = evse["dc"]["offered_w"] - true["limit_w"]
        return abs(below_w) <= GRID_W
    below_a: float = evse["offered_ma"] / 1000 - true["limit_a"]
    return -NEAR_MA / 1000 <= below_a <= GRID_A


def misread(circuit: State, shown: State) -> Iterator[str]:
    amps, load = circuit["drawn_a"], [load_ma / 1000 for load_ma in shown["load_ma"]]
    if not shown["measured"] or not are_near(load, amps, NEAR_LIMIT_A):
        yield f"{circuit['name']}: load {load}, not {amps}"
    if circuit["parent"] is None:
        base = [base_ma / 1000 for base_ma in shown["base_ma"]]
        if not are_near(base, circuit["load_a"], NEAR_BUILDING_A):
            yield f"{circuit['name']}: building {base}, not {circuit['load_a']}"


async def some_leave(site: SiteUnderTest) -> None:
    """Half of them by their card, the others by the plug."""
    state = await site.state()
    numbers = {evse["id"]: evse["n"] for evse in state["evse"]}
    readers = {name: reader["id"] for reader in state["readers"] for name in reader["evses"]}
    for turn, name in enumerate(LEAVERS):
        if turn % 2:
            await site.unplug(numbers[name])
        else:
            await site.tap(readers[name], card_of(numbers[name]))
    await site.sees(lambda view: {shown(view, name)["status"] for name in LEAVERS} <= ENDED, "all of them are done")


def each_is_billed_once(site: SiteUnderTest, before: State, state: State) -> None:
    """In the ledger and at the CSMS, from the register before anything flowed to the one that stands now."""
    records, told = site.records(), state["csms"]["transactions"]
    starts = [one for one in records if one["kind"] == "started"]
    ends = {one["evse"]: one for one in records if one["kind"] == "ended"}
    assert sorted(one["evse"] for one in starts) == sorted(evse["id"] for evse in state["evse"])
    assert sorted(ends) == sorted(LEAVERS)
    assert {one["evse"]: one["id_token"] for one in told} == {n: card_of(n) for n in range(1, EVSES + 1)}
    assert [state["csms"]["total"][what] for what in ("transactions", "changed_repeats", "orphans")] == [
        EVSES,
        0,
        0,
    ]
    assert state["csms"]["violations"] == []
    registers = {evse["id"]: evse["energy_register_wh"] for evse in before["evse"]}
    for start in starts:
        assert abs(start["meter"]["energy_wh"] - registers[start["evse"]]) <= 1, start
    for evse in state["evse"]:
        if evse["id"] in LEAVERS:
            (start,) = [one for one in starts if one["evse"] == evse["id"]]
            (sent,) = [one for one in told if one["evse"] == evse["n"]]
            bill(evse, start, ends[evse["id"]], sent)


def bill(evse: State, start: State, end: State, sent: State) -> None:
    begun_wh, ended_wh = start["meter"]["energy_wh"], end["meter"]["energy_wh"]
    assert abs(ended_wh - evse["energy_register_wh"]) <= 1, evse
    delivered_wh = evse["session_energy_wh"]
    assert delivered_wh > REGISTER_WH
    assert abs(ended_wh - begun_wh - delivered_wh) <= COARSE_WH.get(evse["profile"], REGISTER_WH), evse
    assert (sent["meter_start_wh"], sent["meter_stop_wh"]) == (begun_wh, ended_wh)
