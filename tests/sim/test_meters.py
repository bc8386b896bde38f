"""What a meter makes of the truth."""

from typing import Any

import pytest

from sim.registers import RefusedError
from tests.sim.sites import Row, evse, meter, pass_time, scenario, still_world

RTU = {"bus-m": "modbus-rtu"}


def site(load_a: float, **changes: Any) -> Row:
    grid = meter("m", "eastron-sdm630-v2", circuit="main", **changes)
    return scenario(evse(), grid, kinds=RTU, circuits=[{"id": "main", "rating_a": 63, "load_a": load_a}])


async def test_r8_export_shows_in_power_and_not_in_current() -> None:
    async with still_world(site(-5)) as world:
        pass_time(world, 0.2)
        found = world.meters["m"]
        assert found.register_value("active_power_l2") == pytest.approx(-1150)
        assert found.register_value("current_l2") == pytest.approx(5)


async def test_import_and_export_count_apart() -> None:
    async with still_world(site(10)) as world:
        circuit = world.wiring.circuits["main"]
        pass_time(world, 360)
        circuit.load_a = [-10.0, -10.0, -10.0]
        pass_time(world, 180)
        found = world.meters["m"]
        # 6900 W for 6 and for 3 minutes
        assert found.energy_wh == pytest.approx(1000 + 690, abs=1)
        assert found.register_value("energy_export_total") == pytest.approx(345, abs=1)


async def test_meter_looks_only_now_and_then() -> None:
    async with still_world(site(10, refresh_s=1.0)) as world:
        found = world.meters["m"]
        pass_time(world, 1.2)
        world.wiring.circuits["main"].load_a = [20.0, 20.0, 20.0]
        pass_time(world, 0.5)
        assert found.register_value("current_l1") == pytest.approx(10)
        pass_time(world, 0.6)
        assert found.register_value("current_l1") == pytest.approx(20)


async def test_frozen_meter_repeats_itself() -> None:
    async with still_world(site(10)) as world:
        found = world.meters["m"]
        pass_time(world, 0.5)
        found.frozen = True
        world.wiring.circuits["main"].load_a = [20.0, 20.0, 20.0]
        pass_time(world, 30)
        assert found.register_value("current_l1") == pytest.approx(10)
        found.frozen = False
        pass_time(world, 0.2)
        assert found.register_value("current_l1") == pytest.approx(20)


async def test_noise_jitters_around_the_truth() -> None:
    async with still_world(site(10, noise=0.01)) as world:
        found = []
        for _ in range(200):
            pass_time(world, 0.15)
            found.append(world.meters["m"].look.current_a[0])
        assert len(set(found)) > 100
        assert sum(found) / len(found) == pytest.approx(10, rel=0.01)


async def test_transformer_ratio_and_reversed_wiring_are_seen_on_the_wire() -> None:
    async with still_world(site(10, ct_ratio=5, reversed=True)) as world:
        pass_time(world, 0.2)
        assert world.meters["m"].register_value("active_power_l1") == pytest.approx(-460)
        assert world.meters["m"].register_value("current_l1") == pytest.approx(2)


async def test_meters_take_no_writes_and_no_unknown_registers() -> None:
    async with still_world(site(1)) as world:
        with pytest.raises(RefusedError) as write:
            world.meters["m"].write(16, 20, [1])
        with pytest.raises(RefusedError) as read:
            world.meters["m"].read("input", 400, 2)
        assert (write.value.code, read.value.code) == (2, 2)
