"""The proof of a charger's fall-back: what was refused is asked for again, and the page is told."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from drivers.api import Health, HealthChanged
from drivers.setups import Endpoint

Until = Callable[..., Awaitable[None]]
TIMEOUT, FAILSAFE, STANDBY = 1000, 1001, 1002


@pytest.fixture
def start(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> Callable[..., Awaitable[Any]]:
    """One outlet on TCP, found; `running.evse` is it."""

    async def build(**profile: Any) -> Any:
        tcp_station.units[1] = memory()
        running = start_bus(endpoint)
        running.evse = running.bus.add_evse(new_evse(), charger(**profile))
        await until(lambda: running.evse.health is Health.OK)
        return running

    return build


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.modbus.poller.SLOW_S", 0.1)


def told(running: Any) -> list[tuple[Health, str]]:
    return [(event.health, event.text) for event in running.of(HealthChanged) if event.device == "A1"]


@pytest.mark.parametrize("address", [TIMEOUT, FAILSAFE, STANDBY])
async def test_r01_a_write_that_is_refused_once_is_tried_a_second_time_at_once(
    start: Any, tcp_station: Any, address: int
) -> None:
    tcp_station.refusals[address] = 1
    running = await start()
    assert running.evse.fall_back.verified
    memory = tcp_station.units[1]
    assert (memory[TIMEOUT], memory[FAILSAFE], memory[STANDBY]) == (15000, 60, 4)
    assert told(running) == [(Health.OK, "answers")]


@pytest.mark.parametrize(
    ("address", "name"), [(TIMEOUT, "comm_timeout"), (FAILSAFE, "failsafe_current"), (STANDBY, "standby")]
)
@pytest.mark.usefixtures("quick_checks")
async def test_r01_what_stays_refused_is_written_again_later_and_the_page_is_told_of_both(
    start: Any, tcp_station: Any, until: Until, address: int, name: str
) -> None:
    tcp_station.refusals[address] = 4
    running = await start()
    assert running.evse.fall_back.verified is (address == STANDBY)
    await until(lambda: name in told(running)[-1][1])
    await until(lambda: told(running)[-1] == (Health.OK, "answers"))
    assert running.evse.fall_back.verified
    texts = [text for _, text in told(running)]
    assert len(texts) == len(set(texts)), "told more than once"
    assert {health for health, _ in told(running)} == {Health.OK}


@pytest.mark.usefixtures("quick_checks")
async def test_r01_what_is_refused_for_ever_is_tried_less_and_less_often(
    start: Any, tcp_station: Any, until: Until
) -> None:
    tcp_station.refusals[FAILSAFE] = 10_000
    await start()
    await until(lambda: len(tcp_station.writes(FAILSAFE)) >= 10)
    written = [number for number, asked in enumerate(tcp_station.asked) if asked in tcp_station.writes(FAILSAFE)]
    gaps = [tcp_station.asked[one:other] for one, other in pairwise(written[1::2])]  # each is tried twice
    checks = [sum(asked.address == TIMEOUT for asked in gap) - 1 for gap in gaps]  # and every try reads it too
    assert checks[1:] == [2, 4, 8]  # the first gap holds its being found, too


@pytest.mark.usefixtures("quick_checks")
async def test_r01_a_device_that_forgot_its_settings_gets_them_again(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start()
    tcp_station.units[1].update({TIMEOUT: 0, FAILSAFE: 320, STANDBY: 0})
    wanted = (15000, 60, 4)
    await until(lambda: tuple(tcp_station.units[1][at] for at in (TIMEOUT, FAILSAFE, STANDBY)) == wanted)
    await until(lambda: running.evse.fall_back.verified)


@pytest.mark.usefixtures("quick_checks")
async def test_r12_settings_that_hold_are_not_written_while_another_one_is_refused(
    start: Any, tcp_station: Any, until: Until
) -> None:
    tcp_station.refusals[STANDBY] = 10_000
    await start()
    await until(lambda: len(tcp_station.writes(STANDBY)) >= 6)
    assert (len(tcp_station.writes(TIMEOUT)), len(tcp_station.writes(FAILSAFE))) == (1, 1)


@pytest.mark.usefixtures("quick_checks")
async def test_r12_what_was_acknowledged_but_cannot_be_read_back_is_not_written_again(
    start: Any, tcp_station: Any, until: Until
) -> None:
    tcp_station.refusals[TIMEOUT] = 3
    running = await start(write_only="comm_timeout")
    await until(lambda: "comm_timeout: unit 1" in told(running)[0][1])
    await until(lambda: tcp_station.units[1][TIMEOUT] == 15000)
    await until(lambda: "comm_timeout cannot be read back" in told(running)[-1][1])
    writes = len(tcp_station.writes(TIMEOUT))
    checks = sum(asked.address == FAILSAFE for asked in tcp_station.asked)
    await until(lambda: sum(asked.address == FAILSAFE for asked in tcp_station.asked) > checks + 8)
    assert len(tcp_station.writes(TIMEOUT)) == writes
    assert not running.evse.fall_back.verified
