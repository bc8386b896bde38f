"""DC outlets over real sockets: an SECC by Modbus TCP, power modules by socketcand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from drivers.api import DeviceError, Fault, Health
from sim.can.modules import SimUuGreen
from sim.can.source import Stage
from tests.drivers.can.rig import until
from tests.drivers.dc.rig import (
    CABLE_CHECK,
    HUAWEI,
    INFY,
    PRE_CHARGE,
    SCU,
    UU,
    Site,
    model,
    outlet_plan,
    ready,
    site,
    stack_plan,
)

NO_CHANGE: Mapping[str, float] = {}
FIRST = {INFY: 0, UU: 1, SCU: 1, HUAWEI: 1}


@asynccontextmanager
async def one_outlet(
    profile_id: str = UU,
    *,
    count: int = 2,
    timeout_s: float | None = None,
    max_power_w: int = 60_000,
    timing: Mapping[str, float] = NO_CHANGE,
) -> AsyncIterator[Site]:
    of = model(profile_id, **timing)
    addresses = range(FIRST[profile_id], FIRST[profile_id] + count)
    stack = stack_plan(1, addresses, 1, of=of)
    plan = outlet_plan(1, max_power_w=max_power_w)
    async with site([plan], [stack], profile_id=profile_id, timeout_s=timeout_s) as found:
        await ready(found)
        yield found


@asynccontextmanager
async def charging(
    profile_id: str = UU, *, timeout_s: float | None = None, switches_off_s: float | None = None
) -> AsyncIterator[Site]:
    timing = {} if switches_off_s is None else {"switches_off_s": switches_off_s}
    async with one_outlet(profile_id, timeout_s=timeout_s, timing=timing) as found:
        found.secc().charge(volts=400, amperes=100)
        await found.allow(50)
        await found.delivers(100)
        yield found


@pytest.mark.parametrize("profile_id", [INFY, UU, SCU, HUAWEI])
async def test_r9_a_session_goes_through_its_stages_and_each_delivers_what_it_may(profile_id: str) -> None:
    async with one_outlet(profile_id) as found:
        secc = found.secc()
        secc.set(status=1)
        await found.allow(30)
        assert secc.get("enable") == 1
        assert found.all_amperes == 0
        secc.charge(volts=400, amperes=100)
        secc.set(stage=CABLE_CHECK, insulation=1, contactors=0)
        await found.delivers(2)
        secc.set(stage=PRE_CHARGE, insulation=2)
        await asyncio.sleep(0.5)
        await found.delivers(2)
        secc.set(stage=3, contactors=1)
        await found.delivers(75)  # 30 kW at 400 V
        await found.allow(60)
        await found.delivers(100)  # what the SECC asks for
        secc.set(target_current=400)
        await found.delivers(40)
        secc.set(request=0)
        await found.delivers(0)
        await found.allow(0, enabled=False)
        assert secc.get("enable") == 0
        assert found.error() is None


STOPS: dict[str, Callable[[Site], object]] = {
    "mute": lambda found: setattr(found.secc(), "mute", True),
    "frozen": lambda found: setattr(found.secc(), "frozen", True),
    "closed": lambda found: asyncio.ensure_future(found.server.stop()),
    "request off": lambda found: found.secc().set(request=0),
    "no stage": lambda found: found.secc().set(stage=0),
    "contactors open": lambda found: found.secc().set(contactors=0),
    "insulation bad": lambda found: found.secc().set(insulation=0),
    "insulation tested again": lambda found: found.secc().set(insulation=1),
    "target absurd": lambda found: found.secc().set(target_voltage=60_000),
    "target beyond the modules": lambda found: found.secc().set(target_voltage=12_000),
    "task ended": lambda found: found.task.cancel(),
    "unplugged by force": lambda found: found.secc().set(stage=0, request=0, contactors=0, status=5),
}


@pytest.mark.parametrize("way", STOPS)
async def test_r9_however_the_demand_ends_nothing_flows_soon_after(way: str) -> None:
    async with charging() as found:
        STOPS[way](found)
        began_s = asyncio.get_running_loop().time()
        await found.delivers(0)
        took_s = asyncio.get_running_loop().time() - began_s
        assert took_s < 4.0, "stale after 1 s, and a loaded machine"
        for _ in range(20):
            await asyncio.sleep(0.02)
            assert found.all_amperes == 0


@pytest.mark.parametrize(
    ("way", "text"),
    [
        ("frozen", "counter has stood still"),
        ("contactors open", "contactors are open in stage charging"),
        ("insulation bad", "insulation is bad in stage charging"),
        ("target absurd", "no believable voltage"),
        ("target beyond the modules", "asks for 1200 V, the modules give 150 to 1000 V"),
    ],
)
async def test_a_demand_that_is_not_met_says_why(way: str, text: str) -> None:
    async with charging() as found:
        STOPS[way](found)
        await until(lambda: text in (found.error() or ""), text)


async def test_r9_a_setpoint_that_is_not_renewed_ends_the_output_and_starves_the_seccs_watchdog() -> None:
    async with one_outlet() as found:
        found.secc().charge()
        await found.allow(50, for_s=2.5)
        await found.delivers(100)
        await found.delivers(0)
        await until(lambda: "expired" in (found.error() or ""))
        await until(lambda: found.secc().get("limit_power") == 0)
        await asyncio.sleep(0.6)
        written = len(found.secc().writes)
        await asyncio.sleep(2.0)
        assert len(found.secc().writes) == written, "a fed watchdog would never end the session"
        await found.allow(50)
        await found.delivers(100)


async def test_r9_a_counter_that_never_moved_proves_nothing() -> None:
    async with one_outlet() as found:
        found.secc().frozen = True
        found.secc().charge()
        await asyncio.sleep(1.2)
        await found.allow(50)
        await asyncio.sleep(1.5)
        assert found.all_amperes == 0
        found.secc().frozen = False
        await found.delivers(100)


async def test_a_cut_is_cut_at_the_modules_at_once_and_acknowledged_when_they_prove_it() -> None:
    async with charging() as found:
        began_s = asyncio.get_running_loop().time()
        cut = asyncio.create_task(found.allow(8))
        await found.delivers(20)
        assert asyncio.get_running_loop().time() - began_s < 2.0
        await cut
        assert found.cluster.stacks()[0].bound_ma == 20_000
        assert found.secc().get("limit_power") == 800
        assert found.secc().get("limit_voltage") == 10_000
        await found.allow(0)
        assert found.all_amperes == 0
        assert found.secc().get("enable") == 1, "paused, and not locked"


async def test_a_cut_holds_at_the_modules_though_the_secc_takes_no_write() -> None:
    async with charging() as found:
        found.secc().deaf = True
        with pytest.raises(DeviceError):
            await found.allow(8)
        await found.delivers(20)


async def test_the_power_of_the_outlet_and_the_ac_current_bound_it_too() -> None:
    async with one_outlet(max_power_w=20_000) as found:
        found.secc().charge()
        await found.allow(60)
        await found.delivers(50)
        await found.allow(60, ac_ma=10_000)  # 3 * 230 V * 10 A * 0.94 = 6486 W
        await found.delivers(16.2)
        assert found.secc().get("limit_power") == 648


async def test_what_is_read_is_ac_at_the_mains_and_dc_at_the_outlet() -> None:
    async with charging() as found:
        found.secc().set(energy_import_total=1, soc=55)
        found.secc().words[11] = 2
        await found.cluster.outlets["DC1"].read_now()
        await until(lambda: (found.readings()[-1].reading.power_w or 0) > 34_900)
        reading = found.readings()[-1].reading
        assert reading.power_w == 35_000
        assert reading.current_ma is not None
        # The modules measure some volts more than the outlet: 355 V.
        assert 53_960 <= reading.current_ma.l1 < 56_500
        assert reading.energy_wh == 65_538
        assert reading.soc_percent == 55
        assert reading.state is not None
        assert reading.state.value == "C"


async def test_the_secc_is_told_what_the_modules_deliver_and_its_watchdog_is_set() -> None:
    async with charging() as found:
        assert found.secc().get("comm_timeout") == 5
        await until(lambda: abs(found.secc().get("delivered_current") - 1000) < 5)
        assert 3500 <= found.secc().get("delivered_voltage") < 3600
        assert (47, 1) in found.secc().writes


async def test_a_secc_that_was_restarted_is_released_again_only_by_a_renewed_setpoint() -> None:
    async with charging() as found:
        found.secc().set(enable=0)
        await found.delivers(0)
        found.secc().set(limit_power=0)
        await found.allow(50)
        assert found.secc().get("enable") == 1
        assert found.secc().get("limit_power") == 5000
        await found.delivers(100)


async def test_r1_a_lost_secc_is_told_and_takes_no_setpoint_until_it_is_back() -> None:
    async with charging() as found:
        outlet = found.cluster.outlets["DC1"]
        found.secc().mute = True
        await until(lambda: outlet.health is Health.LOST)
        with pytest.raises(DeviceError) as error:
            await found.allow(50)
        assert error.value.fault is Fault.TIMEOUT
        found.secc().mute = False
        await until(lambda: outlet.health is Health.OK)
        await asyncio.sleep(0.5)
        assert found.all_amperes == 0, "nothing is known of what it was released for"
        await found.allow(50)
        await found.delivers(100)


async def test_r1_a_lost_can_bus_ends_in_the_modules_own_time_out_and_is_told() -> None:
    async with charging(INFY, timeout_s=1.0, switches_off_s=1.5) as found:
        outlet = found.cluster.outlets["DC1"]
        assert outlet.fall_back.watchdog_timeout_s == 4.9, (
            "0.4 s until it is silent, 3 s in which it may still hear us, its own 1.5 s"
        )
        assert outlet.fall_back.verified
        assert outlet.fall_back.failsafe_ma == 0
        port = found.can_server.port
        await found.can_server.stop()
        await until(lambda: outlet.health is Health.LOST)
        assert "CAN bus can0" in found.said("DC1")[-1].text
        await found.delivers(0)
        await until(lambda: found.cluster.stacks()[0].bound_ma == 0, "their time-out has passed")
        await found.can_server.start(port)
        await until(lambda: outlet.health is Health.OK)
        await found.delivers(100)


async def test_r1_without_a_known_time_out_a_lost_module_counts_for_ever() -> None:
    async with charging() as found:
        outlet = found.cluster.outlets["DC1"]
        assert outlet.fall_back.watchdog_timeout_s is None
        assert not outlet.fall_back.verified
        found.modules["stack-1"][0].dead = True
        await until(lambda: "stack-1/1" in "".join(one.device for one in found.events if hasattr(one, "device")))
        await until(lambda: found.cluster.stacks()[0].current_ma is None, "one of them is silent")
        await found.delivers(100)  # 50 A that nobody controls any more, and 50 A of the other
        with pytest.raises(DeviceError, match="may still deliver"):
            await found.allow(4)
        assert found.modules["stack-1"][1].amperes == 0
        reading = found.cluster.outlets["DC1"].latest
        assert reading is not None
        assert reading.current_ma is not None
        assert reading.current_ma.l1 > 61_000, "40 kW may go to the silent one"


async def test_r2_a_module_that_never_answers_keeps_the_others_off_only_until_it_is_certainly_off() -> None:
    of = model(INFY, switches_off_s=1.0)
    async with site([outlet_plan(1)], [stack_plan(1, (0, 1), 1, of=of)], profile_id=INFY) as found:
        found.modules["stack-1"][0].dead = True
        outlet = found.cluster.outlets["DC1"]
        await until(lambda: outlet.latest is not None)
        assert not outlet.fall_back.verified
        await ready(found)
        await until(lambda: outlet.fall_back.verified)
        found.secc().charge(volts=400, amperes=30)
        await found.allow(50)
        await found.delivers(30)


async def test_a_module_without_a_known_time_out_counts_until_somebody_has_looked() -> None:
    async with charging() as found:
        with pytest.raises(DeviceError, match="answers"):
            found.cluster.forget("stack-1", 1)
        with pytest.raises(KeyError):
            found.cluster.forget("stack-1", 9)
        found.modules["stack-1"][0].dead = True
        found.modules["stack-1"][0].stage.on = False
        found.secc().set(target_current=700)
        await until(lambda: found.cluster.stacks()[0].current_ma is None, "one of them is silent")
        await found.delivers(20)
        found.cluster.forget("stack-1", 1)
        await found.delivers(70)
        said = found.said("stack-1/1")[-1]
        assert (said.health, "somebody" in said.text) == (Health.UNKNOWN, True)
        assert found.cluster.stacks()[0].modules[0].address == 2
        found.modules["stack-1"][0].dead = False
        await until(lambda: len(found.cluster.stacks()[0].modules) == 2, "it was found again")


async def test_r9_when_the_service_stops_the_modules_are_ordered_off_before_their_wire_closes() -> None:
    """All tasks are cancelled at once, and these modules have no time-out of their own."""
    async with charging() as found:
        await found.stop()
        await found.delivers(0, within_s=3.0)


async def test_a_service_that_stops_does_not_wait_for_a_lost_bus() -> None:
    async with charging(INFY, timeout_s=1.0, switches_off_s=1.5) as found:
        await found.can_server.stop()
        await until(lambda: found.can.health is Health.LOST)
        async with asyncio.timeout(10):
            await found.stop()


async def test_two_modules_with_one_address_are_not_used_and_count_twice() -> None:
    async with charging() as found:
        twin = SimUuGreen(found.sim_wire, 1, Stage(found.ways["stack-1"], rated_a=100.0))
        twin.serial = 0x0AB
        await until(lambda: "conflict" in {view.state.value for view in found.cluster.stacks()[0].modules})
        await until(lambda: abs(twin.amperes) + found.modules["stack-1"][0].amperes == 0, "both are off")
        assert found.amperes() == 0, "each of them may deliver what was ordered from one"
        found.secc().set(target_current=1500)
        await found.allow(60)
        await until(lambda: abs(found.modules["stack-1"][1].amperes - 50) < 1, "the other one has what is left")
        twin.leave()


async def test_modules_with_a_fault_are_not_used_and_named() -> None:
    async with charging(INFY) as found:
        for module in found.modules["stack-1"]:
            module.fault = True
        await until(lambda: "no power module can deliver at 400 V" in (found.error() or ""))
        assert "stack-1/0: fault" in (found.error() or "")
        assert found.all_amperes == 0


async def test_a_newer_setpoint_replaces_one_that_is_under_way() -> None:
    async with one_outlet() as found:
        found.secc().charge()
        first = asyncio.create_task(found.allow(50))
        await asyncio.sleep(0)
        await found.allow(20)
        with pytest.raises(DeviceError, match="superseded"):
            await first
        await found.delivers(50)


async def test_an_expired_setpoint_and_one_for_a_stopped_outlet_are_refused() -> None:
    async with one_outlet() as found:
        with pytest.raises(DeviceError, match="has expired"):
            await found.allow(50, for_s=-1)
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)
        with pytest.raises(DeviceError, match="not running"):
            await found.allow(50)
        assert found.modbus.figures().devices == ()
        assert found.can.figures().devices == ()


async def test_both_wires_show_their_figures() -> None:
    async with charging() as found:
        assert found.modbus.figures().devices == ("DC1",)
        first = found.can.figures()
        assert first.devices == ("stack-1",)
        assert first.transactions > 0
        await asyncio.sleep(0.5)
        second = found.can.figures()
        frames = second.transactions - first.transactions
        assert frames > 0
        # An extended frame with 8 bytes takes 131 to 160 bits, at 125 kbit/s.
        assert 131 / 125_000 * frames < second.busy_s - first.busy_s <= 160 / 125_000 * frames + 1e-9
        assert second.errors == 0


async def test_r1_with_its_can_bus_lost_the_secc_is_told_what_flows_until_the_modules_have_switched_off() -> None:
    """Told 0 A while 100 A flow, the vehicle would open its contactors under that load."""
    async with charging(INFY, timeout_s=1.5, switches_off_s=2.0) as found:
        outlet, secc = found.cluster.outlets["DC1"], found.secc()
        await until(lambda: secc.get("delivered_current") > 950)
        await found.can_server.stop()
        await until(lambda: outlet.health is Health.LOST)
        cut = asyncio.create_task(found.allow(0))  # what a site allows an outlet that it cannot control
        await asyncio.sleep(0.3)
        looks = 0
        while found.all_amperes > 99:
            looks += 1
            assert secc.get("limit_current") >= 990
            assert secc.get("limit_power") >= 3400
            assert secc.get("delivered_current") > 950
            assert secc.get("enable") == 1
            assert found.cluster.stacks()[0].bound_ma >= 100_000
            assert input_ma(found) > 53_000, "35 kW at the outlet, at least"
            await asyncio.sleep(0.05)
        assert looks > 3
        await until(lambda: found.cluster.stacks()[0].bound_ma == 0, "their time-out has passed")
        await until(lambda: secc.get("limit_current") == secc.get("limit_power") == 0)
        await until(lambda: secc.get("delivered_current") == 0)
        assert secc.get("enable") == 1, "paused"
        await asyncio.gather(cut, return_exceptions=True)
        await found.allow(0)


def input_ma(found: Site) -> int:
    latest = found.cluster.outlets["DC1"].latest
    return 0 if latest is None or latest.current_ma is None else latest.current_ma.l1


async def test_r9_what_never_switches_off_by_itself_is_ended_by_the_secc() -> None:
    async with charging() as found:
        outlet, secc, port = found.cluster.outlets["DC1"], found.secc(), found.can_server.port
        await found.can_server.stop()
        await until(lambda: outlet.health is Health.LOST)
        with pytest.raises(DeviceError, match="may still deliver"):
            await found.allow(0)
        await until(lambda: secc.get("enable") == 0)
        assert secc.get("limit_current") >= 990, "it flows until the SECC has ended it"
        await until(lambda: "the SECC was told to end the session" in (found.error() or ""))
        assert "stack-1/1: silent" in (found.error() or "")
        with pytest.raises(DeviceError, match="may still deliver"):
            await found.allow(10)
        assert secc.get("enable") == 0, "a new session would run away too"
        await found.can_server.start(port)
        await until(lambda: outlet.health is Health.OK)
        await ready(found)
        await found.allow(50)
        assert secc.get("enable") == 1
        await found.delivers(100)


async def test_what_a_silent_module_delivers_goes_on_as_long_as_it_is_no_more_than_is_wanted() -> None:
    async with charging() as found:
        await until(lambda: abs(found.secc().get("delivered_current") - 1000) < 5)
        found.modules["stack-1"][0].dead = True
        await until(lambda: found.cluster.stacks()[0].current_ma is None, "one of them is silent")
        await asyncio.sleep(3.5)
        assert found.secc().get("enable") == 1
        assert abs(found.secc().get("delivered_current") - 1000) < 5, "what it measured last"
        found.secc().set(target_current=300)
        await until(lambda: found.secc().get("enable") == 0, "50 A flow, and 30 A are asked for")
