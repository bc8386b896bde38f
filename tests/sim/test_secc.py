"""The communication controller of a DC outlet: its sequence, its registers, and everything that ends a session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from sim.dc.plant import DcStation
from sim.dc.secc import Phase, Secc
from sim.dc.vehicle import DcEv
from sim.physics import Mood
from sim.registers import RefusedError
from sim.world import World
from tests.sim.dc_sites import ENABLE, HEARTBEAT, TIMEOUT, Supplier, allow, lock, one_outlet, plug
from tests.sim.sites import pass_time, still_world

STATUS, STAGE, REQUEST, INSULATION, CONTACTORS, ALIVE, TARGET_V = range(7)
TARGET_A, VOLTS, AMPERES, ENERGY = 7, 8, 9, 10


@dataclass
class Site:
    world: World
    station: DcStation
    supplier: Supplier

    @property
    def secc(self) -> Secc:
        return self.station.controller

    @property
    def phase(self) -> Phase:
        return self.station.controller.phase

    @property
    def amperes(self) -> float:
        return self.station.outlet.amperes

    @property
    def closed(self) -> bool:
        return self.station.outlet.contactors.closed

    @property
    def damage(self) -> list[str]:
        return [str(record["what"]) for record in self.world.dc.damage.records]

    def run(self, seconds: float) -> None:
        self.supplier.run(seconds)

    def registers(self, count: int = 12) -> list[int]:
        return self.station.device.read("holding", 0, count)

    def register(self, address: int) -> int:
        return self.station.device.read("holding", address, 1)[0]

    def charges(self) -> DcEv:
        car = plug(self.station)
        allow(self.station)
        self.run(6)
        assert self.amperes == pytest.approx(100, abs=1)
        return car


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    async with still_world(one_outlet()) as world:
        station = world.dc.stations[0]
        yield Site(world, station, Supplier(world, station))


async def test_it_goes_from_plug_to_charging_step_by_step() -> None:
    async with a_site() as site:
        assert site.registers(6)[:5] == [0, 0, 0, 0, 0]
        plug(site.station)
        site.run(2)
        assert site.registers(6)[:5] == [1, 0, 0, 0, 0], "B, and it waits for the release"
        allow(site.station)
        site.run(0.3)
        # C, cable check, request, testing, open; 447 V (the battery's when full) and 2 A
        assert site.registers(8)[:5] == [2, 1, 1, 1, 0]
        assert site.registers(8)[6:] == [4470, 20]
        site.run(2.1)
        assert site.registers(8)[:5] == [2, 2, 1, 2, 0], "pre-charge with good insulation"
        assert site.registers(8)[6:] == [4000, 20]
        site.run(1)
        assert site.registers(5) == [2, 3, 1, 2, 1]
        site.run(3)
        assert site.register(AMPERES) == pytest.approx(1000, abs=10)
        assert site.register(VOLTS) == pytest.approx(4050, abs=10)
        assert not site.damage


async def test_no_insulation_test_without_voltage() -> None:
    async with a_site() as site:
        plug(site.station)
        allow(site.station)
        pass_time(site.world, 39)
        assert site.phase is Phase.CABLE_CHECK
        pass_time(site.world, 3)
        assert (site.secc.error, site.register(STATUS)) == ("cable_check_voltage", 5)


async def test_contactors_close_only_at_the_voltage_of_the_battery() -> None:
    async with a_site() as site:
        plug(site.station)
        allow(site.station)
        site.run(2.4)
        assert site.phase is Phase.PRE_CHARGE
        site.supplier.obeys = False
        for source in site.world.dc.stacks["stack-1"].sources:
            source.stage.set_v = 425.0
        site.run(6)
        assert (site.phase, site.closed) == (Phase.PRE_CHARGE, False)
        site.run(6)
        assert (site.secc.error, site.closed) == ("pre_charge_voltage", False)


async def test_the_limits_that_are_written_hold() -> None:
    async with a_site() as site:
        plug(site.station)
        allow(site.station, kilowatts=20)
        site.run(6)
        assert site.amperes == pytest.approx(50, abs=1)
        allow(site.station, kilowatts=40, amperes=30)
        site.run(1.5)
        assert site.amperes == pytest.approx(30, abs=1)
        allow(site.station, kilowatts=0)
        site.run(1.5)
        assert (site.amperes, site.phase) == (0, Phase.CHARGING)


async def test_what_was_never_allowed_is_not_asked_for() -> None:
    async with a_site() as site:
        plug(site.station)
        site.station.device.write(16, ENABLE, [1])
        site.run(1)
        assert (site.registers(8)[TARGET_V], site.station.outlet.volts) == (0, 0)


async def test_a_lock_ends_the_session_without_an_arc() -> None:
    async with a_site() as site:
        site.charges()
        lock(site.station)
        site.run(1)
        assert (site.phase, site.closed, site.register(STATUS)) == (Phase.IDLE, False, 1)
        assert not site.damage
        allow(site.station)
        site.run(6)
        assert site.amperes == pytest.approx(100, abs=1)


async def test_modules_that_do_not_stop_cost_the_contactors_of_the_ev() -> None:
    async with a_site() as site:
        site.charges()
        site.supplier.obeys = False
        for source in site.world.dc.stacks["stack-1"].sources:
            source.stage.timeout_s = None
        lock(site.station)
        site.run(1)
        assert (site.phase, site.closed) == (Phase.STOPPING, True)
        site.run(4)
        assert not site.closed
        assert site.damage == ["vehicle_opened_under_load"]


async def test_energy_counts_dc_at_the_outlet() -> None:
    async with a_site() as site:
        site.charges()
        before_wh = site.station.outlet.energy_wh
        site.run(36)
        # 405 V x 100 A for a hundredth of an hour
        assert site.station.outlet.energy_wh - before_wh == pytest.approx(405, rel=0.01)
        high, low = site.station.device.read("holding", ENERGY, 2)
        assert (high << 16) + low == int(site.station.outlet.energy_wh)


async def test_bad_insulation_ends_it_before_any_contactor_closes() -> None:
    async with a_site() as site:
        site.secc.insulation_fails = True
        plug(site.station)
        allow(site.station)
        shown = set()
        for _ in range(60):
            site.run(0.1)
            shown.add(site.register(INSULATION))
        assert shown == {1, 3}
        assert (site.secc.error, site.closed, site.register(REQUEST)) == ("insulation", False, 0)


async def test_insulation_that_fails_while_charging_ends_the_session() -> None:
    async with a_site() as site:
        site.charges()
        site.secc.insulation_fails = True
        site.run(1.5)
        assert (site.secc.error, site.closed, site.register(STATUS)) == ("insulation", False, 5)
        assert not site.damage


async def test_after_an_error_it_waits_for_a_new_release_or_another_plug() -> None:
    async with a_site() as site:
        site.secc.insulation_fails = True
        plug(site.station)
        allow(site.station)
        site.run(6)
        site.secc.insulation_fails = False
        allow(site.station)
        site.run(3)
        assert site.register(STATUS) == 5
        lock(site.station)
        allow(site.station)
        site.run(6)
        assert site.amperes == pytest.approx(100, abs=1)


async def test_contactors_that_do_not_close_are_an_error() -> None:
    async with a_site() as site:
        site.station.outlet.contactors.stuck = True
        plug(site.station)
        allow(site.station)
        site.run(6)
        assert (site.secc.error, site.amperes) == ("contactor_not_closed", 0)


async def test_a_welded_contactor_is_an_error_that_no_release_clears() -> None:
    async with a_site() as site:
        car = site.charges()
        site.station.outlet.contactors.weld(True)
        lock(site.station)
        site.run(6)
        assert (site.secc.error, site.register(CONTACTORS)) == ("contactor_welded", 1)
        assert not car.closed
        allow(site.station)
        site.run(3)
        assert site.register(STATUS) == 5
        assert not site.damage


async def test_a_counter_that_stands_still_is_the_only_sign_of_a_stale_secc() -> None:
    async with a_site() as site:
        site.charges()
        counted = site.register(ALIVE)
        site.run(1)
        assert site.register(ALIVE) - counted == pytest.approx(10, abs=1)
        site.secc.frozen = True
        counted = site.register(ALIVE)
        site.run(2)
        assert site.register(ALIVE) == counted
        assert site.amperes == pytest.approx(100, abs=1)


async def test_one_that_hangs_answers_with_what_was_and_obeys_nothing() -> None:
    async with a_site() as site:
        car = site.charges()
        shown = site.registers(25)
        site.station.device.hang()
        lock(site.station)
        site.run(1)
        assert site.registers(25) == shown
        assert site.closed
        site.run(4)
        assert (car.mood, car.stopped_by, car.closed) == (Mood.FAULT, "silence", False)
        assert site.damage == ["vehicle_opened_under_load"], "nobody stopped the modules"
        assert site.registers(25) == shown


async def test_modules_that_stop_in_time_spare_the_contactors_of_the_ev() -> None:
    async with a_site() as site:
        car = site.charges()
        site.station.device.hang()
        site.run(2.3)
        site.supplier.obeys = False
        for source in site.world.dc.stacks["stack-1"].sources:
            source.stage.on = False
        site.run(2)
        assert (car.closed, site.damage) == (False, [])


async def test_a_sudden_stop_of_the_ev_withdraws_the_request_at_once() -> None:
    async with a_site() as site:
        car = site.charges()
        car.fail("user")
        site.run(0.1)
        assert site.register(REQUEST) == 0
        site.run(1.5)
        assert (site.closed, car.closed, site.register(STATUS), site.damage) == (False, False, 5, [])


async def test_a_sudden_stop_breaks_the_current_that_nobody_stops() -> None:
    async with a_site() as site:
        car = site.charges()
        site.supplier.obeys = False
        car.fail("user")
        site.run(0.9)
        assert (car.closed, site.damage) == (True, [])
        site.run(0.5)
        assert not car.closed
        assert site.damage[0] == "vehicle_opened_under_load"


async def test_it_can_ask_for_more_than_it_may() -> None:
    async with a_site() as site:
        plug(site.station, max_a=300.0)
        allow(site.station, kilowatts=20)
        site.secc.forced_a = 250.0
        site.run(5)
        assert site.register(TARGET_A) == 2500
        site.secc.forced_a = None
        site.run(1)
        assert site.register(TARGET_A) == pytest.approx(500, abs=10)


async def test_a_full_battery_ends_the_session() -> None:
    async with a_site() as site:
        car = site.charges()
        car.soc = 1.0
        site.run(1)
        assert (site.phase, site.closed, site.register(STATUS)) == (Phase.IDLE, False, 1)
        site.run(5)
        assert site.phase is Phase.IDLE


async def test_silence_of_the_site_controller_ends_the_session() -> None:
    async with a_site() as site:
        site.charges()
        site.station.device.write(16, TIMEOUT, [5])
        site.station.device.write(16, HEARTBEAT, [1])
        site.run(4.5)
        assert site.amperes == pytest.approx(100, abs=1)
        site.registers()
        site.run(1.5)
        assert (site.secc.error, site.amperes, site.register(ENABLE)) == ("communication", 0, 0), (
            "reading is no proof"
        )
        site.run(2)
        assert not site.closed
        allow(site.station)
        site.station.device.write(16, TIMEOUT, [0])
        site.run(30)
        assert site.amperes == pytest.approx(100, abs=1), "0 is no time-out"


async def test_only_what_the_map_allows_is_written() -> None:
    async with a_site() as site:
        for function, address, words in ((16, STATUS, [1]), (6, ENABLE, [1]), (16, ENABLE, [2]), (16, 48, [1])):
            with pytest.raises(RefusedError):
                site.station.device.write(function, address, words)


async def test_a_black_out_ends_everything_without_an_arc() -> None:
    async with a_site() as site:
        site.charges()
        site.world.set_power(False)
        pass_time(site.world, 1)
        assert (site.amperes, site.closed, site.secc.up, site.damage) == (0, False, False, [])
        assert site.world.wiring.circuits["main"].drawn_a == [0, 0, 0]
        site.world.set_power(True)
        pass_time(site.world, 5)
        assert site.secc.up
        assert site.register(ENABLE) == 0, "locked again"
        assert site.registers(8)[TARGET_V:] == [0, 0]


async def test_a_rebooting_secc_drops_its_contactors_whatever_flows() -> None:
    async with a_site() as site:
        site.charges()
        site.world.reboot(site.station)
        assert not site.station.device.answers
        assert site.damage == ["opened_under_load"]


async def test_its_tag_shows_a_card_for_a_while() -> None:
    async with a_site() as site:
        site.station.device.show_tag("04A1B2C3", 2.0)
        words = site.station.device.read("holding", 14, 10)
        assert b"".join(word.to_bytes(2, "big") for word in words).rstrip(b"\0") == b"04A1B2C3"
        site.run(2.5)
        assert site.station.device.read("holding", 14, 10) == [0] * 10


async def test_mains_and_meters_carry_what_the_modules_take() -> None:
    async with a_site() as site:
        site.charges()
        drawn_a = site.world.wiring.circuits["main"].drawn_a
        # 405 V x 100 A in two modules of 30 kW: each loses 60 + 0.02 x 20250 + 0.03 x 20250 x 0.675 W.
        lost_w = 2 * (60 + 405 + 410)
        assert drawn_a == pytest.approx([(40_500 + lost_w) / 690] * 3, rel=0.01)
        assert site.station.outlet.drawn_a == pytest.approx(drawn_a)
