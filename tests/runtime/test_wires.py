"""DC outlets in the plant: they live on several wires, and share power modules with each other (R9, R36)."""

import time
from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest

from controller.allocation.circuits import Rotation, SupplyPoint
from controller.charging.commands import ChooseMode, Result, StopLocally, TakeSample
from controller.charging.modes import Fixed
from controller.charging.records import TransactionEnded, TransactionUpdated
from controller.charging.tokens import BilledBy, SiteAccount
from controller.charging.view import DeviceView, EvseView
from controller.runtime.slices import BusSlice, EvseSlice, PlantSlice
from drivers.api import DeviceError, EvseReading, EvState, Fault, Health, Phases
from drivers.can.frame import SocketCan
from drivers.can.module_profile import ModuleModel, catalogue
from drivers.dc.plan import OutletPlan, StackPlan, clusters
from drivers.profile import builtin_folder
from drivers.setups import DcSetup, EvseSetup, StackSetup, SwitchSetup
from tests.runtime import bench as bench_module
from tests.runtime.bench import ALICE, ROUTE, Bench, bus_slice, evse_slice, plant_slice, profile, until

LAN, CAN, OTHER_CAN = (
    bus_slice("lan"),
    BusSlice("can0", SocketCan("can0", 125_000)),
    BusSlice("can1", SocketCan("can1", 125_000)),
)
EFFICIENCY = Fraction(9, 10)


@cache
def model() -> ModuleModel:
    return catalogue(builtin_folder())["infypower-v1.13"]


def outlet(name: str, unit: int, efficiency: Fraction = EFFICIENCY) -> EvseSlice:
    permille = int(efficiency * 1000)
    setup = DcSetup(name, "lan", unit, 60_000, efficiency, 3, 230_000, 1000, 90_000, 10.0)
    point = SupplyPoint(name, "main", Rotation.L1L2L3, 3, 1000, 90_000, 100, 0.2, dc_permille=permille)
    return EvseSlice(setup, point, profile("seccs/ampyard-secc.toml"), "lan", None, BilledBy.CSMS, ROUTE)


def stack(name: str, address: int, home: str, *also: str, bus: str = "can0") -> StackPlan:
    reached = (home, *also) if also else ()
    switches = tuple(SwitchSetup(one, "lan", 9, place, place) for place, one in enumerate(reached))
    return StackPlan(StackSetup(name, bus, (address,), home, switches), model())


def station(
    *evses: EvseSlice, stacks: tuple[StackPlan, ...], buses: tuple[BusSlice, ...] = (LAN, CAN, bus_slice())
) -> PlantSlice:
    outlets = [OutletPlan(one.setup, one.profile) for one in evses if isinstance(one.setup, DcSetup)]
    return replace(plant_slice(*evses, buses=buses, rating_a=60), clusters=clusters(outlets, stacks))


def shared() -> PlantSlice:
    """Two outlets and a charger beside them."""
    stacks = (stack("stack-1", 0, "DC1"), stack("stack-2", 1, "DC2", "DC1"))
    return station(outlet("DC1", 1), outlet("DC2", 2), evse_slice("A1"), stacks=stacks)


def apart() -> PlantSlice:
    stacks = (stack("stack-1", 0, "DC1"), stack("stack-2", 1, "DC2"))
    return station(outlet("DC1", 1), outlet("DC2", 2), stacks=stacks)


def seen(bench: Bench, name: str) -> EvseView:
    return next(one for one in bench.panorama.look().evses if one.id == name)


def device(bench: Bench, name: str) -> DeviceView:
    return next(one for one in bench.panorama.look().devices if one.id == name)


async def test_r9_a_dc_outlet_is_told_watts_and_no_more_than_its_input_leaves(bench: Bench) -> None:
    """57 A of the circuit's 60 are usable: 57 x 690 V x 0.9 = 35 397 W."""
    async with bench.run(shared()):
        dc = bench.evse("DC1")
        for name in ("DC2", "A1"):
            bench.evse(name).say(EvState.A)
        await bench.charge("DC1")
        await until(lambda: dc.held_ma > 50_000)
        assert dc.applied[-1].current_ma == 57_000
        assert dc.applied[-1].power_w == 35_397
        assert dc.applied[-1].enabled


async def test_r9_the_page_shows_power_charge_and_stacks_of_a_dc_outlet_and_nothing_such_of_another(
    bench: Bench,
) -> None:
    async with bench.run(shared()):
        for name in ("DC2", "A1"):
            bench.evse(name).say(EvState.A)
        await bench.charge("DC1")
        await until(lambda: bench.evse("DC1").held_ma > 50_000)
        drawn = Phases(40_000, 40_000, 40_000)
        bench.evse("DC1").push(EvseReading(time.monotonic(), EvState.C, True, drawn, 24_840, 1000, soc_percent=41))
        await until(lambda: (dc := seen(bench, "DC1").dc) is not None and dc.offered_w == 35_397)
        view = seen(bench, "DC1")
        assert view.dc is not None
        assert (view.power_w, view.drawn_ma, view.dc.soc_percent) == (24_840, drawn, 41)
        assert view.dc.stacks == ("stack-1",)
        bench.clusters["dc:DC1"].at["stack-2"] = "DC1"
        bench.panorama.changed()
        lent = seen(bench, "DC1").dc
        assert lent is not None
        assert lent.stacks == ("stack-1", "stack-2")
        assert seen(bench, "A1").dc is None


async def test_r9_records_of_a_dc_outlet_hold_its_dc_side_and_no_currents_of_the_input(bench: Bench) -> None:
    async with bench.run(shared()):
        for name in ("DC2", "A1"):
            bench.evse(name).say(EvState.A)
        await bench.charge("DC1")
        dc = bench.evse("DC1")
        await until(lambda: bench.owner("DC1").offered_ma == 57_000)
        charging = EvseReading(time.monotonic(), EvState.C, True, Phases(9000, 9000, 9000), 5589, 1400)
        dc.push(replace(charging, soc_percent=60))
        await bench.site.ask(TakeSample(("DC1",)))
        dc.say(EvState.B, energy_wh=1500)
        await bench.site.ask(StopLocally("DC1"))
        await bench.keep_saying(EvState.B, "Idle", "DC1")
    entries = await bench.entries()
    (sampled,) = [one.meter for one in entries if isinstance(one, TransactionUpdated) and one.meter is not None][:1]
    assert (sampled.power_w, sampled.soc_percent) == (5589, 60)
    assert sampled.offered_w == 35_397
    (ended,) = [one for one in entries if isinstance(one, TransactionEnded)]
    assert ended.meter.energy_wh == 1500
    meters = [one.meter for one in entries if one.meter is not None]
    assert [one for one in meters if one.current_ma is not None or one.offered_ma is not None] == []


async def test_r1_the_time_out_of_modules_without_can_runs_though_their_secc_is_read(bench: Bench) -> None:
    async with bench.run(shared()):
        for name in ("DC2", "A1"):
            bench.evse(name).say(EvState.A)
        await bench.charge("DC1")
        dc = bench.evse("DC1")
        await until(lambda: dc.held_ma > 50_000)
        dc.fall_back = replace(dc.fall_back, watchdog_timeout_s=0.5)
        dc.health, dc.refusal = Health.LOST, DeviceError(Fault.TIMEOUT, "its modules may still deliver")

        def bound_ma() -> int:
            dc.latest = EvseReading(time.monotonic(), EvState.C, True, Phases(0, 0, 0), 0, 1000)
            return next(one.bound_ma for one in bench.cycle.plan.evses if one.id == "DC1")

        await until(lambda: bound_ma() == 0)


async def test_r7_the_least_of_a_cards_own_charger_does_not_matter_at_a_dc_outlet(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = SiteAccount(ALICE, "somebody", None, BilledBy.FREE, min_ma=8000)
    monkeypatch.setitem(bench_module.ACCOUNTS, ALICE, account)
    async with bench.run(shared()):
        await bench.charge("DC1")
        assert (await bench.site.ask(ChooseMode("DC1", Fixed(3000)))).result is Result.DONE
        least_ma = bench.site.evses["DC1"].point.min_ma
        low = await bench.site.ask(ChooseMode("DC1", Fixed(least_ma - 1)))
        assert low.result is Result.REFUSED


async def test_health_of_stacks_and_modules_is_shown_and_a_stack_of_no_use_is_alarmed(bench: Bench) -> None:
    async with bench.run(shared()):
        cluster = bench.clusters["dc:DC1"]
        cluster.tell("stack-2", Health.OK, "serves DC2")
        cluster.tell("stack-2/1", Health.OK, "off, counts with 0 mA")
        cluster.tell("stack-9", Health.LOST, "nobody's")
        bench.panorama.changed()
        assert device(bench, "stack-2") == DeviceView("stack-2", "stack", "ok", "at DC2; serves DC2")
        assert device(bench, "stack-2/1") == DeviceView("stack-2/1", "module", "ok", "off, counts with 0 mA")
        assert not [one for one in bench.panorama.look().alarms if "stack" in one]
        cluster.tell("stack-2", Health.LOST, "the contactor to DC1 does not open")
        cluster.tell("stack-2/1", Health.LOST, "silent, counts with 100000 mA")
        bench.panorama.changed()
        assert "stack-2 cannot be used: the contactor to DC1 does not open" in bench.panorama.look().alarms
        assert "stack-2/1 does not answer: silent, counts with 100000 mA" in bench.panorama.look().alarms
        bench.apply(station(evse_slice("A1"), stacks=()))
        bench.panorama.changed()
        assert not [one for one in bench.panorama.look().alarms if "stack" in one]
        assert not [one for one in bench.panorama.look().devices if one.id.startswith("stack")]


async def test_r36_an_unchanged_cluster_goes_on_while_a_charger_beside_it_is_rebuilt(bench: Bench) -> None:
    async with bench.run(shared()):
        before = bench.clusters["dc:DC1"], bench.evse("DC1"), bench.owner("DC1")
        plan = shared()
        stiffer = EvseSetup("A1", 1, 1, 8000, 15.0, 6000, 32_000, 0)
        slower = replace(plan.evses[2], setup=stiffer)
        charger = bench.evse("A1")
        bench.apply(replace(plan, evses=(*plan.evses[:2], slower)))
        assert (bench.clusters["dc:DC1"], bench.evse("DC1"), bench.owner("DC1")) == before
        assert before[0].starts == 1
        assert bench.evse("A1") is not charger


@pytest.mark.parametrize("what", ["efficiency", "stack", "can"])
async def test_r36_only_the_cluster_that_differs_is_built_anew_and_keeps_its_account(
    bench: Bench, what: str
) -> None:
    async with bench.run(apart()):
        await until(lambda: bench.clusters["dc:DC1"].open and bench.clusters["dc:DC2"].open)
        old, other, owner = bench.clusters["dc:DC2"], bench.clusters["dc:DC1"], bench.owner("DC2")
        one, two = outlet("DC1", 1), outlet("DC2", 2)
        first, second = stack("stack-1", 0, "DC1"), stack("stack-2", 1, "DC2")
        buses: tuple[BusSlice, ...] = (LAN, CAN, bus_slice())
        if what == "efficiency":
            two = outlet("DC2", 2, Fraction(95, 100))
        elif what == "stack":
            second = stack("stack-2", 5, "DC2")
        else:
            second, buses = stack("stack-2", 1, "DC2", bus="can1"), (*buses, OTHER_CAN)
        bench.apply(station(one, two, stacks=(first, second), buses=buses))
        await until(lambda: not old.open and bench.clusters["dc:DC2"].open)
        assert bench.clusters["dc:DC2"] is not old
        assert bench.clusters["dc:DC1"] is other
        assert other.starts == 1
        assert bench.owner("DC2") is owner
        assert bench.evse("DC2") is bench.clusters["dc:DC2"].outlets["DC2"]


async def test_r36_a_new_can_bus_rebuilds_what_lives_on_it_and_nothing_else(bench: Bench) -> None:
    async with bench.run(shared()):
        old, charger, lan = bench.clusters["dc:DC1"], bench.evse("A1"), bench.buses["lan"]
        faster = BusSlice("can0", SocketCan("can7", 125_000))
        bench.apply(replace(shared(), buses=(LAN, faster, bus_slice())))
        await until(lambda: not old.open and bench.clusters["dc:DC1"].open)
        assert bench.clusters["dc:DC1"] is not old
        assert bench.clusters["dc:DC1"].buses == {"lan", "can0", "bus-1"}
        assert (bench.evse("A1"), bench.buses["lan"]) == (charger, lan)


@pytest.mark.parametrize("name", ["lan", "can0"])
async def test_r1_an_outlet_without_one_of_its_wires_counts_as_lost(bench: Bench, name: str) -> None:
    async with bench.run(shared()):
        bench.evse("DC1").say(EvState.A)
        bench.evse("A1").say(EvState.A)
        unit = bench.plant.evses["DC1"].controlled
        await until(lambda: unit.health is Health.OK)
        bench.buses[name].break_it()
        await until(lambda: unit.health is Health.LOST)
        assert bench.plant.evses["A1"].controlled.health is Health.OK
        assert unit.device.health is Health.OK, "it does not know"
