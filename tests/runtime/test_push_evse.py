"""The seam for chargers that nobody polls (R14): a whole session, in amperes and in watts."""

from controller.charging.commands import Result, UnlockConnector
from controller.charging.records import TransactionEnded, TransactionStarted
from controller.charging.session import Running
from drivers.api import EvState
from tests.runtime.bench import ALICE, Bench, evse_slice, plant_slice, until


async def test_r14_a_charger_that_pushes_goes_through_a_whole_session(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        evse = bench.evse()
        evse.say(EvState.A)
        await until(lambda: evse.applied)
        assert (evse.applied[-1].current_ma, evse.applied[-1].enabled) == (0, False)
        await bench.charge()
        await until(lambda: evse.held_ma > 0)
        assert evse.held_ma == 32_000
        assert evse.applied[-1].enabled
        assert evse.applied[-1].power_w is None
        evse.say(EvState.C, drawn_ma=16_000, energy_wh=1500)
        evse.say(EvState.A, energy_wh=2000)
        evse.say(EvState.A, energy_wh=2000)
        await until(lambda: evse.held_ma == 0)
        await bench.keep_saying(EvState.A, "Idle")
        started, ended = await bench.entries()
        assert isinstance(started, TransactionStarted)
        assert isinstance(ended, TransactionEnded)
        assert (started.token.uid, started.meter.energy_wh, ended.meter.energy_wh) == (ALICE, 1000, 2000)
        assert started.transaction == ended.transaction


async def test_r14_an_outlet_that_takes_watts_is_told_watts(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"), rating_a=20)):
        evse = bench.evse().in_watts()
        await bench.charge()
        await until(lambda: evse.held_ma > 0)
        assert evse.applied[-1].current_ma == 19_000
        assert evse.applied[-1].power_w == 19 * 230 * 3


async def test_r14_an_unlocked_plug_is_asked_of_whoever_can(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        evse = bench.evse()
        evse.say(EvState.A)
        assert (await bench.site.ask(UnlockConnector("A1"))).result is Result.DONE
        assert evse.unlocked == 1


async def test_r14_a_lost_push_charger_counts_as_lost_at_once(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        await bench.charge()
        await until(lambda: bench.evse().held_ma > 0)
        bench.evse().lose()
        await until(lambda: bench.cycle.plan.evses[0].reason.text().startswith("unreachable"))
        assert isinstance(bench.owner().state.phase, Running)
        assert "A1 does not answer: no answer" in bench.panorama.look().alarms
