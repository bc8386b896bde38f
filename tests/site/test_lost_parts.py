"""One part of a site is lost while its cars charge and the building steps to its largest load on top of it.

The simulator's currents are the judge (R4): when a circuit was above its rating, for how long, and by how much.
"""

import asyncio
import itertools
from dataclasses import dataclass

import pytest

from tests.site.conftest import RunningSite
from tests.site.processes import SiteUnderTest, State

pytestmark = [pytest.mark.site, pytest.mark.timeout(240)]

CARDS = ("0100AB0001", "0100AB0002", "0100AB0003")
EVSES = K1, H1, H2 = ("K1", "H1", "H2")
"""A box of its own, and two that share the wire."""
RATING_A, USABLE_A, FAILSAFE_A = 50.0, 0.95 * 50, 6.0
LOAD_A, LARGEST_LOAD_A = (3, 4, 2), (25, 25, 25)
WATCHDOG_S = 15.0
METER_S, CYCLE_S, BUS_S, LATENCY_S, EV_S = 1.3, 1.0, 0.5, 2.0, 5.0
"""The meter is read each second and looks at its conductors each 0.3 s; the rest is the profiles' and the EV's."""
REACTION_S = METER_S + CYCLE_S + BUS_S + LATENCY_S + EV_S
ACTED_S = 5.0
"""A lost part is acted on within this."""
SLACK_S = 3.0
"""What a loaded machine may add to the controller's own part."""
WORST_RATIO = 1.45
NEAR_A = 0.3


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulator knows at one moment."""

    state: State

    @property
    def time_s(self) -> float:
        return float(self.state["time_s"])

    @property
    def main(self) -> State:
        found: State = self.state["circuits"][0]
        return found

    def evse(self, name: str) -> State:
        found: State = self.state["evse"][EVSES.index(name)]
        return found

    def offered_a(self, name: str) -> float:
        return float(self.evse(name)["offered_a"])

    def offered_to(self, *names: str) -> float:
        return sum(self.offered_a(name) for name in names)

    def never_above(self) -> bool:
        return not any(self.main["over_s"])


async def truth(site: SiteUnderTest) -> Truth:
    return Truth(await site.state())


async def becomes(site: SiteUnderTest, wanted_a: dict[str, float], what: str) -> Truth:
    """Wait until those EVSEs offer so much, and their cars draw it."""

    def so(state: State) -> bool:
        evses = [(Truth(state).evse(name), amps) for name, amps in wanted_a.items()]
        return all(abs(amps - a) <= NEAR_A for evse, amps in evses for a in (evse["offered_a"], *evse["drawn_a"]))

    return Truth(await site.becomes(so, f"{what}: {wanted_a}"))


def alike(amps: float, *names: str) -> dict[str, float]:
    return dict.fromkeys(names or EVSES, amps)


def share(load_a: float, reserved_a: float = 0.0, *, among: int = 3) -> float:
    """What each of them has when the rest of what may be used is shared equally."""
    return (USABLE_A - load_a - reserved_a) / among


def bus_is_lost(view: State) -> bool:
    return any(device["health"] == "lost" for device in view["devices"] if device["id"] == "wire")


async def load(site: SiteUnderTest, currents_a: tuple[float, float, float]) -> None:
    await site.post("load", circuit="main", l1_a=currents_a[0], l2_a=currents_a[1], l3_a=currents_a[2])


async def all_charge(running: RunningSite) -> SiteUnderTest:
    """Three cars that follow their pilots lazily and would take more than there is."""
    site = await running("losses")
    for number, uid in enumerate(CARDS, start=1):
        await site.plug_in(number, max_a=32, ramp_s=4.0)
        await site.tap(f"r{number}", uid)
    found = await becomes(site, alike(share(max(LOAD_A))), "all charge")
    assert found.never_above()
    return site


async def transactions(site: SiteUnderTest) -> list[str]:
    view = await site.sees(lambda view: all(evse["transaction"] for evse in view["evses"]), "all have a session")
    return [evse["transaction"]["transaction"] for evse in view["evses"]]


async def offers(site: SiteUnderTest, at_least_a: float, *names: str) -> None:
    await site.becomes(lambda state: Truth(state).offered_to(*names) >= at_least_a, f"{names}: {at_least_a} A")


async def nobody_was_interrupted(site: SiteUnderTest, *names: str) -> None:
    """No contactor has opened since it closed."""
    outlets = [event for event in await site.events() if event["kind"] == "outlet"]
    for name in names or EVSES:
        states = [event["contactor"] for event in outlets if event["evse"] == name]
        assert [closed for closed, _ in itertools.groupby(states)] == [False, True], name


async def safe_again(site: SiteUnderTest, within_s: float) -> Truth:
    """Wait for the end of an overload that there was, and judge it."""
    await site.becomes(lambda state: max(Truth(state).main["drawn_a"]) <= RATING_A, "no more than the rating")
    found = await truth(site)
    assert 0 < max(found.main["longest_over_s"]) <= within_s, found.main
    assert 1 < max(found.main["worst_ratio"]) <= WORST_RATIO, found.main
    return found


async def stays_safe(site: SiteUnderTest, since: Truth, *, for_s: float = 0.0) -> None:
    """It has not been above its rating since then, nor will it be for a while."""
    await asyncio.sleep(for_s)
    assert (await truth(site)).main["over_s"] == since.main["over_s"]


async def test_r04_without_the_grid_meter_the_building_counts_its_largest_load(running: RunningSite) -> None:
    site = await all_charge(running)
    await site.post("bus/grid-wire/fault", kind="silent")
    await load(site, LARGEST_LOAD_A)
    after = await safe_again(site, ACTED_S + BUS_S + LATENCY_S + EV_S + SLACK_S)
    await becomes(site, alike(share(max(LARGEST_LOAD_A))), "all of them make room")
    view = await site.sees(lambda view: not view["circuits"][0]["measured"], "the circuit is unmeasured")
    assert any("no recent reading of meter grid" in alarm for alarm in view["alarms"]), view["alarms"]
    assert all(evse["reason"].startswith("circuit: main") for evse in view["evses"])

    await site.post("bus/grid-wire/fault", kind="none")
    await load(site, LOAD_A)
    await site.sees(lambda view: not view["alarms"], "nothing is wrong any more")
    await offers(site, USABLE_A - max(LARGEST_LOAD_A) + 5, *EVSES)
    await stays_safe(site, after)
    await nobody_was_interrupted(site)


async def test_r04_a_meter_that_does_not_follow_the_cars_counts_as_lost(running: RunningSite) -> None:
    site = await all_charge(running)
    await site.post("meter/grid", freeze=True)
    await site.post("evse/1/ev", state="suspended")
    stopped = await truth(site)
    view = await site.sees(
        lambda view: any("meter grid does not follow our EVs" in alarm for alarm in view["alarms"]), "the alarm"
    )
    assert not view["circuits"][0]["measured"]
    await site.becomes(
        lambda state: Truth(state).offered_to(*EVSES) <= USABLE_A - max(LARGEST_LOAD_A) + NEAR_A, "they make room"
    )
    sure_s = 3.0
    noticed_s = sure_s + 2 * METER_S + 2 * CYCLE_S
    assert (await truth(site)).time_s - stopped.time_s <= noticed_s + BUS_S + LATENCY_S + SLACK_S
    await asyncio.sleep(EV_S)
    await load(site, LARGEST_LOAD_A)
    await stays_safe(site, stopped, for_s=3.0)
    assert (await truth(site)).never_above(), "neither before nor after it was noticed"

    await load(site, LOAD_A)
    await site.post("meter/grid", freeze=False)
    await site.sees(lambda view: not view["alarms"], "it moves again")
    await site.post("evse/1/ev", state="ready")
    await offers(site, USABLE_A - max(LARGEST_LOAD_A) + 2, *EVSES)
    assert (await truth(site)).never_above()
    await nobody_was_interrupted(site, *EVSES[1:])


@pytest.mark.parametrize(
    ("device", "lost", "load_a"), [("H1", (H1,), 15.0), (None, (H1, H2), 10.0)], ids=["one-evse", "a-whole-bus"]
)
async def test_r01_what_cannot_be_reached_is_reserved_and_the_others_make_way(
    running: RunningSite, device: str | None, lost: tuple[str, ...], load_a: float
) -> None:
    site = await all_charge(running)
    before = await transactions(site)
    others = [name for name in EVSES if name not in lost]
    held_a = len(lost) * share(max(LOAD_A))
    await site.post("bus/wire/fault", kind="silent", device=device)
    silent = await truth(site)
    view = await site.sees(
        lambda view: all(evse["reason"] == "unreachable" for evse in view["evses"] if evse["id"] in lost),
        "the loss",
    )
    seen = await truth(site)
    assert seen.time_s - silent.time_s <= ACTED_S + SLACK_S
    assert all(evse["bound_ma"] >= held_a / len(lost) * 1000 - 500 for evse in view["evses"] if evse["id"] in lost)
    await load(site, (load_a, load_a, load_a))
    after = await safe_again(site, REACTION_S + SLACK_S)
    assert load_a + after.offered_to(*EVSES) <= RATING_A, "what they still hold is left to them"
    await becomes(site, alike(FAILSAFE_A, *lost), "their watchdogs bring them down")
    await offers(site, share(load_a, (held_a + len(lost) * FAILSAFE_A) / 2, among=1), *others)
    view = await site.sees(lambda view: bus_is_lost(view) == (device is None), "which devices are lost")
    assert {evse["bound_ma"] for evse in view["evses"] if evse["id"] in lost} == {FAILSAFE_A * 1000}

    await site.post("bus/wire/fault", kind="none")
    await site.sees(lambda view: all(evse["status"] == "charging" for evse in view["evses"]), "all are back")
    await offers(site, len(lost) * (FAILSAFE_A + 1.5), *lost)
    await stays_safe(site, after)
    assert await transactions(site) == before
    await nobody_was_interrupted(site)


async def test_r04_the_watchdogs_cover_a_dead_controller_and_it_goes_on_where_it_was(running: RunningSite) -> None:
    site = await all_charge(running)
    before = await transactions(site)
    killed = await truth(site)
    await site.controller.kill()
    await load(site, LARGEST_LOAD_A)
    fallen = await becomes(site, alike(FAILSAFE_A), "all fall back")
    outlets = [event for event in await site.events() if event["kind"] == "outlet"]
    assert max(event["sim_s"] for event in outlets) <= killed.time_s + WATCHDOG_S + ACTED_S
    assert fallen.time_s <= killed.time_s + WATCHDOG_S + ACTED_S + EV_S + SLACK_S
    after = await safe_again(site, WATCHDOG_S + ACTED_S + EV_S)

    await site.start_controller()
    await becomes(site, alike(share(max(LARGEST_LOAD_A))), "a new controller raises them to what is free")
    assert await transactions(site) == before
    await stays_safe(site, after)
    await nobody_was_interrupted(site)
    assert (await site.state())["csms"]["total"]["transactions"] == len(CARDS)
