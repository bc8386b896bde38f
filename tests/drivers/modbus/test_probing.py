"""Probes at commissioning: which reading of its device profile a device fits, if any."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.api import DeviceError, Fault, Health, HealthChanged, MeterRead, Phases, Setpoint
from drivers.profile import DeviceProfile, load
from drivers.setups import Endpoint

Until = Callable[..., Awaitable[None]]
LIMIT = 20
VOLTAGE = """
[[probe]]
register = "voltage_l1"
says = "high word first"
low = 80
high = 300

[[probe.otherwise]]
says = "low word first"
modbus = { word_order = "little" }
"""
SCALE = """
[[probe]]
register = "current_limit"
says = "in 0.1 A"
low = 6
high = 32

[[probe.otherwise]]
says = "in 0.01 A"
registers.current_limit = { scale = 0.01 }
"""
GRID = {0: 230.0, 6: 10.5, 8: -2.0, 10: 0.0, 12: 2415.0, 14: -460.0, 16: 0.0, 18: 1955.0, 20: 12.5, 22: 1.0}


def floats(*, low_word_first: bool) -> dict[int, int]:
    memory = {}
    for address, value in GRID.items():
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        memory[address], memory[address + 1] = (low, high) if low_word_first else (high, low)
    return memory


@pytest.fixture
def probed_meter(meter_profile: DeviceProfile, tmp_path: Path) -> Callable[[str], DeviceProfile]:
    def build(probe: str = VOLTAGE) -> DeviceProfile:
        path = tmp_path / "test-meter.toml"
        path.write_text(path.read_text() + probe)
        return load(path)

    return build


def told(running: Any, device: str) -> list[str]:
    return [event.text for event in running.of(HealthChanged) if event.device == device]


@pytest.mark.parametrize(("swapped", "says"), [(False, "high word first"), (True, "low word first")])
async def test_a_meter_is_read_in_the_word_order_that_its_voltage_shows(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until,
    swapped: bool, says: str,
) -> None:  # fmt: skip
    tcp_station.units[5] = floats(low_word_first=swapped)
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter())
    await until(lambda: meter.latest is not None)
    assert meter.latest.current_ma == Phases(10_500, -2_000, 0)
    assert meter.latest.signed
    assert told(running, "grid") == [f"answers; voltage_l1: {says}"]


async def test_a_meter_that_fits_no_reading_is_lost_with_all_of_them_named_until_it_fits_one(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until
) -> None:
    tcp_station.units[5] = floats(low_word_first=False) | {0: 0, 1: 0}
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter())
    await until(lambda: meter.health is Health.LOST)
    text = told(running, "grid")[-1]
    assert 'voltage_l1 reads 0 as "high word first", 0 as "low word first": not as expected' in text
    assert running.of(MeterRead) == []
    tcp_station.units[5] |= floats(low_word_first=True)
    await until(lambda: meter.health is Health.OK)
    assert told(running, "grid")[-1] == "answers; voltage_l1: low word first"


async def test_what_is_refused_is_no_reading_and_the_other_function_is_tried(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until
) -> None:
    probe = VOLTAGE.replace('modbus = { word_order = "little" }', 'tables = { input = "holding" }')
    tcp_station.units[5] = floats(low_word_first=False)

    def twist(asked: Any, good: bytes) -> list[tuple[float, bytes]] | None:
        if asked.function != 4:
            return None
        body = bytes([asked.unit, 0x84, 1])
        return [(0.0, good[:4] + struct.pack(">H", len(body)) + body)]

    tcp_station.twist = twist
    running = start_bus(endpoint)
    meter = running.bus.add_meter(
        new_meter(), probed_meter(probe.replace("high = 300", "high = 300\neither = true"))
    )
    await until(lambda: meter.latest is not None)
    assert told(running, "grid")[-1] == "answers; voltage_l1: low word first"
    assert meter.latest.power_w == 1955


async def test_where_either_will_do_the_second_is_not_asked_once_the_first_fits(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until
) -> None:
    probe = VOLTAGE.replace('modbus = { word_order = "little" }', 'tables = { input = "holding" }')
    tcp_station.units[5] = floats(low_word_first=False)
    tcp_station.twist = lambda asked, good: [] if asked.function == 3 else None
    running = start_bus(endpoint)
    meter = running.bus.add_meter(
        new_meter(), probed_meter(probe.replace("high = 300", "high = 300\neither = true"))
    )
    await until(lambda: meter.latest is not None)
    assert told(running, "grid") == ["answers; voltage_l1: high word first"]


async def test_where_two_readings_fit_nothing_is_guessed(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until
) -> None:
    same_either_way = {0: 0x4366, 1: 0x4366}  # 230.4 V
    tcp_station.units[5] = floats(low_word_first=False) | same_either_way
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter())
    await until(lambda: meter.health is Health.LOST)
    assert "both are possible, so nothing can be decided" in told(running, "grid")[-1]


async def test_a_reading_that_is_known_by_name_only_is_named_and_not_used(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until
) -> None:
    tcp_station.units[5] = floats(low_word_first=True)
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter(VOLTAGE + "usable = false\n"))
    await until(lambda: meter.health is Health.LOST)
    assert 'this device is "low word first", for which there is no map' in told(running, "grid")[-1]


@pytest.fixture
async def start(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any
) -> Callable[..., Any]:
    def build(probe: str, **first: int) -> Any:
        tcp_station.units[1] = memory() | {int(key[1:]): raw for key, raw in first.items()}
        running = start_bus(endpoint)
        running.evse = running.bus.add_evse(new_evse(), charger(more=probe))
        return running

    return build


@pytest.mark.parametrize(("held", "raw"), [(130, 100), (1300, 1000)])
async def test_a_setpoint_is_written_in_the_scale_that_the_charger_shows(
    start: Any, tcp_station: Any, until: Until, held: int, raw: int
) -> None:
    running = start(SCALE, a20=held)
    await until(lambda: running.evse.health is Health.OK)
    await running.evse.apply(Setpoint(10_000, True, time.monotonic() + 5))
    assert [asked.values for asked in tcp_station.writes(LIMIT)] == [[raw]]


async def test_nothing_is_written_to_a_charger_that_fits_no_reading(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = start(SCALE, a20=0)
    await until(lambda: running.evse.health is Health.LOST)
    assert tcp_station.writes() == []
    with pytest.raises(DeviceError) as refused:
        await running.evse.apply(Setpoint(10_000, True, time.monotonic() + 5))
    assert refused.value.fault is Fault.TIMEOUT
    assert 'current_limit reads 0 as "in 0.1 A", 0 as "in 0.01 A"' in told(running, "A1")[-1]
    with pytest.raises(DeviceError) as refused:
        await running.evse.apply(Setpoint(0, False, time.monotonic() + 5))
    assert refused.value.fault is Fault.TIMEOUT
    assert tcp_station.writes() == [], "nor is a lock: whose register that is nobody knows"


async def test_nothing_is_written_in_the_place_of_a_charger_that_was_exchanged_for_something_else(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = start(SCALE, a20=130)
    await until(lambda: running.evse.health is Health.OK)
    await running.evse.apply(Setpoint(10_000, True, time.monotonic() + 1.5))
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    written = len(tcp_station.writes())
    tcp_station.units[1][LIMIT] = 0
    tcp_station.silent.clear()
    await until(lambda: any("not as expected" in text for text in told(running, "A1")))
    before = len(tcp_station.writes())
    assert before - written <= 3, "the fail-safe current, while it was silent"
    with pytest.raises(DeviceError):
        await running.evse.apply(Setpoint(0, False, time.monotonic() + 5))
    await asyncio.sleep(2.5)  # the setpoint has run out
    assert len(tcp_station.writes()) == before


async def test_a_charger_that_was_replaced_while_it_was_away_is_probed_again(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = start(SCALE, a20=130)
    await until(lambda: running.evse.health is Health.OK)
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    tcp_station.units[1][LIMIT] = 1300
    tcp_station.silent.clear()
    await until(lambda: running.evse.health is Health.OK)
    await running.evse.apply(Setpoint(10_000, True, time.monotonic() + 5))
    assert tcp_station.units[1][LIMIT] == 1000
    assert any("in 0.01 A" in text for text in told(running, "A1"))


async def test_a_device_that_is_busy_is_not_another_model(start: Any, tcp_station: Any, until: Until) -> None:
    tcp_station.exceptions[1, LIMIT] = 6
    running = start(SCALE, a20=130)
    await until(lambda: running.evse.health is Health.LOST)
    assert "reads" not in told(running, "A1")[-1]
    tcp_station.exceptions.clear()
    await until(lambda: running.evse.health is Health.OK)


BY_FUNCTION = VOLTAGE.replace('modbus = { word_order = "little" }', 'tables = { input = "holding" }').replace(
    '"low word first"', '"function 3"'
)
EITHER = BY_FUNCTION.replace("high = 300", "high = 300\neither = true")


@pytest.fixture
def deaf(tcp_station: Any) -> Callable[..., list[int]]:
    """Let the station be silent on a function, as often as is said; returns the functions that it was asked by."""

    def build(function: int, times: int = 10**6) -> list[int]:
        left, heard = [times], list[int]()

        def twist(asked: Any, good: bytes) -> list[tuple[float, bytes]] | None:
            heard.append(asked.function)
            if asked.function != function or left[0] == 0:
                return None
            left[0] -= 1
            return []

        tcp_station.units[5] = floats(low_word_first=False)
        tcp_station.twist = twist
        return heard

    return build


@pytest.mark.parametrize("probe", [EITHER, BY_FUNCTION], ids=["either", "one of them"])
async def test_a_meter_that_is_silent_on_a_function_is_read_by_the_other_one(
    start_bus: Any, endpoint: Endpoint, new_meter: Any, probed_meter: Any, until: Until, deaf: Any, probe: str
) -> None:
    heard = deaf(4)
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter(probe))
    await until(lambda: meter.latest is not None)
    assert meter.latest.power_w == 1955
    assert probe is BY_FUNCTION or heard.count(4) == 3, "touched, probed and asked again; and then never more"
    assert told(running, "grid") == ["answers; voltage_l1: function 3"], "never told as lost"


async def test_one_lost_answer_does_not_choose_the_other_function(
    start_bus: Any, endpoint: Endpoint, new_meter: Any, probed_meter: Any, until: Until, deaf: Any
) -> None:
    deaf(4, times=2)  # the first touch, and the probe
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter(EITHER))
    await until(lambda: meter.latest is not None)
    assert told(running, "grid")[-1] == "answers; voltage_l1: high word first"


async def test_a_meter_that_is_silent_altogether_is_lost_and_not_another_model(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until
) -> None:
    tcp_station.units[5] = floats(low_word_first=False)
    tcp_station.silent.add(5)
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter(EITHER))
    await until(lambda: meter.health is Health.LOST)
    assert "no answer" in told(running, "grid")[-1]
    assert running.of(MeterRead) == []
    assert {asked.function for asked in tcp_station.asked} == {3, 4}


async def test_what_answers_by_the_other_function_is_not_believed_unless_it_is_as_expected(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until, deaf: Any
) -> None:
    deaf(4)
    tcp_station.units[5] |= {0: 0, 1: 0}
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter(EITHER))
    await until(lambda: meter.health is Health.LOST)
    text = told(running, "grid")[-1]
    assert 'voltage_l1 reads nothing (no answer) as "high word first", 0 as "function 3": not as expected' in text
    assert running.of(MeterRead) == []


async def test_a_refusal_is_named_with_its_exception(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, new_meter: Any, probed_meter: Any, until: Until
) -> None:
    tcp_station.units[5] = floats(low_word_first=False)
    tcp_station.exceptions[5, 0] = 2
    running = start_bus(endpoint)
    meter = running.bus.add_meter(new_meter(), probed_meter())
    await until(lambda: meter.health is Health.LOST)
    assert "voltage_l1 reads nothing (exception 2, illegal address) as" in told(running, "grid")[-1]
