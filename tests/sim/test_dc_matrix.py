"""Stacks that are lent: power goes where a contactor is closed, and what must not be done is recorded."""

import pytest

from sim.dc.plant import DcPlant
from sim.registers import RefusedError
from sim.world import World
from tests.sim.dc_sites import Supplier, allow, close, matrix, plug, way, with_charger
from tests.sim.sites import pass_time, still_world


def damage(world: World) -> list[tuple[object, object]]:
    return [(record["what"], record["where"]) for record in world.dc.damage.records]


def reaches(plant: DcPlant, name: str) -> list[str]:
    return [outlet.name for outlet in plant.stacks[name].outlets]


async def test_a_stack_reaches_an_outlet_only_through_its_contactor() -> None:
    async with still_world(matrix()) as world:
        station = world.dc.stations[0]
        one = world.dc.stacks["stack-1"]
        plug(station)
        allow(station)
        supplier = Supplier(world, station, one)
        supplier.run(4)
        assert (station.outlet.volts, one.sources[0].stage.volts) == (0, 447), "the modules see their own terminals"
        close(station, one)
        supplier.run(6)
        assert station.outlet.amperes == pytest.approx(100, abs=1)
        assert world.dc.stations[1].outlet.volts == 0


async def test_a_lent_stack_adds_its_current_and_loads_the_mains_of_its_owner() -> None:
    async with still_world(matrix()) as world:
        station = world.dc.stations[0]
        stacks = list(world.dc.stacks.values())
        close(station, *stacks)
        pass_time(world, 0.5)
        plug(station, max_a=180.0)
        allow(station, kilowatts=60)
        Supplier(world, station).run(8)
        assert station.outlet.power_w == pytest.approx(60_000, rel=0.02)
        assert stacks[1].amperes == pytest.approx(station.outlet.amperes / 2)
        assert station.outlet.drawn_a[0] == pytest.approx(world.wiring.circuits["main"].drawn_a[0])
        assert not damage(world)


async def test_two_closed_contactors_of_one_stack_are_damage_and_feed_nobody() -> None:
    async with still_world(matrix()) as world:
        first, second = world.dc.stations
        one = world.dc.stacks["stack-1"]
        close(first, one)
        plug(first)
        allow(first)
        supplier = Supplier(world, first, one)
        supplier.run(6)
        close(second, one)
        supplier.run(0.5)
        assert damage(world) == [("outlets_joined", "stack-1")]
        assert first.outlet.amperes == 0
        supplier.run(1)
        assert len(damage(world)) == 1, "once, as long as it lasts"


async def test_a_matrix_contactor_that_opens_under_load_is_damage() -> None:
    async with still_world(matrix()) as world:
        station = world.dc.stations[0]
        one = world.dc.stacks["stack-1"]
        close(station, one)
        plug(station)
        allow(station)
        supplier = Supplier(world, station, one)
        supplier.run(6)
        way(one, station).commanded = False
        supplier.run(0.3)
        assert damage(world) == [("opened_under_load", "stack-1/DC1")]
        assert station.outlet.amperes == 0


async def test_the_panel_commands_by_coils_and_shows_auxiliary_contacts() -> None:
    async with still_world(matrix()) as world:
        panel = world.dc.panels["lan", 9]
        panel.write(5, 1, [1])
        assert panel.read("coil", 0, 4) == [0, 1, 0, 0]
        assert panel.read("discrete", 0, 4) == [0, 0, 0, 0], "a contactor needs its time"
        pass_time(world, 0.3)
        assert panel.read("discrete", 0, 4) == [0, 1, 0, 0]
        assert reaches(world.dc, "stack-1") == ["DC2"]
        panel.write(15, 0, [0, 0, 1, 0])
        pass_time(world, 0.3)
        assert panel.read("discrete", 0, 8) == [0, 0, 1, 0, 0, 0, 0, 0]


async def test_a_welded_contactor_shows_closed_and_a_stuck_one_open() -> None:
    async with still_world(matrix()) as world:
        panel = world.dc.panels["lan", 9]
        to_first, to_second = world.dc.stacks["stack-1"].contactors
        panel.write(5, 0, [1])
        pass_time(world, 0.3)
        to_first.welded, to_second.stuck = True, True
        panel.write(15, 0, [0, 1])
        pass_time(world, 1)
        assert panel.read("discrete", 0, 2) == [1, 0]
        assert not damage(world)


async def test_the_panel_refuses_what_it_has_not() -> None:
    async with still_world(matrix()) as world:
        panel = world.dc.panels["lan", 9]
        assert panel.read("coil", 0, 8) == [0] * 8, "channels that nothing is wired to"
        for table, address, count in (("coil", 0, 9), ("discrete", 8, 1), ("holding", 0, 1)):
            with pytest.raises(RefusedError):
                panel.read(table, address, count)
        with pytest.raises(RefusedError):
            panel.write(6, 0, [1])


async def test_a_black_out_drops_the_contactors_without_an_arc() -> None:
    async with still_world(matrix()) as world:
        station = world.dc.stations[0]
        one = world.dc.stacks["stack-1"]
        close(station, one)
        plug(station)
        allow(station)
        Supplier(world, station, one).run(6)
        world.set_power(False)
        assert (reaches(world.dc, "stack-1"), world.dc.panels["lan", 9].answers, damage(world)) == ([], False, [])
        world.set_power(True)
        pass_time(world, 1)
        assert world.dc.panels["lan", 9].read("coil", 0, 4) == [0] * 4
        assert [module.stage.on for module in world.dc.modules.values()] == [False] * 4


async def test_numbers_follow_the_scenario_whatever_the_kind_of_outlet() -> None:
    async with still_world(with_charger()) as world:
        assert [station.spec.id for station in world.numbered] == ["A1", "DC1", "A2"]
        assert [station.spec.id for station in world.stations] == ["A1", "A2"]
