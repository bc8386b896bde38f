"""DC outlets (R9) from the card to the battery, with power modules that are lent and taken back."""

import time

import pytest

from tests.site.conftest import NewSite
from tests.site.processes import SiteUnderTest, State

pytestmark = pytest.mark.site

FIRST, SECOND = "0100ABCDEF", "0100ABCDF0"
CAR = {"max_a": 225, "ramp_s": 1.0, "battery_v": 400, "soc": 20, "capacity_wh": 90_000}
"""90 kW: more than the 60 kW of the outlet's own stack."""
OFF_WITHIN_S = 4.0
"""Of the test's clock: 1 s without the SECC's pulse, one frame on the CAN bus, and a busy machine."""
LIMIT_A = 70
LIMITS = """
[[limits]]
id = "landlord"
source = "rest"
circuit = "main"
unit = "a"
when_lost = "release"
expires_s = 600
"""


def outlet(state: State, name: str) -> State:
    found: State = next(one for one in state["evse"] if one["id"] == name)
    return found


def stacks_of(state: State, name: str) -> set[str]:
    """Stacks whose contactor to that outlet is closed."""
    return {stack["id"] for stack in state["dc"]["stacks"] if stack["outlet"] == name}


def modules_on(state: State, stacks: set[str]) -> list[str]:
    return [one["id"] for one in state["dc"]["modules"] if one["on"] and one["id"].partition(".")[0] in stacks]


async def limit(site: SiteUnderTest, value: float | None) -> None:
    assert site._page is not None
    method = "DELETE" if value is None else "PUT"
    body = None if value is None else {"value": value}
    answer = await site._page.request(method, "/api/limits/landlord", json=body)
    assert answer.status_code == 200, answer.text


async def starts(site: SiteUnderTest, number: int, uid: str, at_least_w: float) -> None:
    await site.post(f"evse/{number}/plug_in", **CAR)
    await site.tap("door", uid)
    await site.becomes(
        lambda state: state["evse"][number - 1]["power_w"] >= at_least_w, f"outlet {number} delivers {at_least_w} W"
    )


async def test_r9_two_dc_sessions_share_supply_and_modules_and_each_is_billed_once(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("dc")
    with site.config.open("a", encoding="utf-8") as file:
        file.write(LIMITS)
    await site.start_controller()
    before_wh = outlet(await site.state(), "DC1")["energy_register_wh"]

    await starts(site, 1, FIRST, 50_000)
    await site.becomes(
        lambda state: outlet(state, "DC1")["power_w"] >= 80_000 and len(stacks_of(state, "DC1")) >= 2,
        "DC1 is lent a stack and delivers more than its own could",
    )
    await power_follows_a_limit(site)
    await the_lender_gets_its_modules_back(site)
    await a_frozen_secc_switches_its_modules_off(site)

    await site.tap("door", FIRST)
    await site.sees(lambda view: shown(view, "DC1")["status"] == "finishing", "the card ends DC1's session")
    await site.csms_has(lambda csms: csms["total"]["complete"] >= 1, "DC1's transaction is complete")
    state = await site.state()
    assert_billed_once(site, state, before_wh, outlet(state, "DC1")["energy_register_wh"])
    assert state["dc"]["damage"] == []
    assert state["csms"]["violations"] == []
    for circuit in state["circuits"]:
        assert max(circuit["worst_ratio"]) <= 1, circuit


async def test_r1_a_vehicle_whose_modules_cannot_be_reached_charges_on_until_they_stop_and_tears_nothing_off(
    new_site: NewSite,
) -> None:
    """Told 0 A while much more flows, it would take that for a fault and open its contactors under load."""
    site = new_site()
    await site.start_simulator("dc")
    await site.start_controller()
    await starts(site, 1, FIRST, 50_000)
    await site.post("bus/can0/fault", kind="bus_off")
    view = await site.sees(
        lambda view: shown(view, "DC1")["offered_ma"] == 0, "the outlet counts as out of control"
    )
    assert outlet(await site.state(), "DC1")["limit_a"] > 100
    state = await site.becomes(lambda state: outlet(state, "DC1")["power_w"] < 100, "its modules' time-out ends it")
    assert outlet(state, "DC1")["ev"]["state"] == "ready", view
    assert state["dc"]["damage"] == []
    await site.becomes(lambda state: outlet(state, "DC1")["limit_a"] == 0, "then it is told that nothing flows")
    await site.post("bus/can0/fault", kind="none")
    state = await site.becomes(lambda state: outlet(state, "DC1")["power_w"] > 20_000, "it charges again")
    assert state["dc"]["damage"] == []


async def power_follows_a_limit(site: SiteUnderTest) -> None:
    """The circuit counts what the rectifiers draw, not what comes out of them."""
    await limit(site, LIMIT_A)
    state = await site.becomes(
        lambda state: 0 < max(state["circuits"][0]["drawn_a"]) <= LIMIT_A + 0.5, f"all together draw {LIMIT_A} A"
    )
    most_w = 0.94 * 690 * LIMIT_A
    assert 0.5 * most_w < outlet(state, "DC1")["power_w"] < most_w
    view = await site.sees(lambda view: shown(view, "DC1")["dc"]["offered_w"] < most_w, "DC1 is offered less")
    assert 0 < shown(view, "DC1")["offered_ma"] < LIMIT_A * 1000
    assert shown(view, "DC1")["dc"]["soc_percent"] >= 20
    await limit(site, None)


async def the_lender_gets_its_modules_back(site: SiteUnderTest) -> None:
    await starts(site, 2, SECOND, 20_000)
    state = await site.becomes(
        lambda state: {"stack-2", "stack-3"} <= stacks_of(state, "DC2"), "DC2 has all that belongs to it"
    )
    assert stacks_of(state, "DC1") == {"stack-1"}
    view = await site.sees(lambda view: set(shown(view, "DC1")["dc"]["stacks"]) == {"stack-1"}, "the page says so")
    assert {one["id"] for one in view["devices"] if one["kind"] == "stack"} == {"stack-1", "stack-2", "stack-3"}
    await site.becomes(
        lambda state: all(outlet(state, name)["power_w"] > 20_000 for name in ("DC1", "DC2")), "both charge"
    )


async def a_frozen_secc_switches_its_modules_off(site: SiteUnderTest) -> None:
    """Its Modbus stack goes on answering; only the counter of its logic stands still."""
    frozen_s = time.monotonic()
    await site.post("secc/2", stale=True)
    await site.becomes(
        lambda state: not modules_on(state, {"stack-2", "stack-3"}) and outlet(state, "DC2")["power_w"] < 100,
        "the modules of the frozen SECC are off",
    )
    assert time.monotonic() - frozen_s < OFF_WITHIN_S
    state = await site.state()
    assert outlet(state, "DC1")["power_w"] > 20_000, "the other outlet charges on"
    await site.post("secc/2", stale=False)


def shown(view: State, evse: str) -> State:
    found: State = next(one for one in view["evses"] if one["id"] == evse)
    return found


def assert_billed_once(site: SiteUnderTest, state: State, before_wh: float, after_wh: float) -> None:
    """On the site and at the CSMS: one transaction, from register to register."""
    records = [one for one in site.records() if one["evse"] == "DC1"]
    (ended,) = [one for one in records if one["kind"] == "ended"]
    (started,) = [one for one in records if one["kind"] == "started"]
    assert (started["meter"]["energy_wh"], ended["meter"]["energy_wh"]) == (round(before_wh), round(after_wh))
    assert ended["meter"]["energy_wh"] - started["meter"]["energy_wh"] > 100
    (told,) = [one for one in state["csms"]["transactions"] if one["evse"] == 1]
    assert (told["id_token"], told["meter_start_wh"]) == (FIRST, started["meter"]["energy_wh"])
    assert told["meter_stop_wh"] == ended["meter"]["energy_wh"]
