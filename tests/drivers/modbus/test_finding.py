"""A device that is being set up is lost for as many missing answers as one that is polled, not for the first."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers.api import Health, HealthChanged
from drivers.modbus.pdu import Request, read
from drivers.modbus.unit import RTU, Unit
from tests.drivers.modbus.conftest import Answers, Asked, StartBus, Station

FAILSAFE = 1001


def deaf_to(station: Station, misses: Callable[[Asked], bool], times: int) -> list[Asked]:
    """Let so many requests go unanswered; the list tells which."""
    missed: list[Asked] = []

    def twist(asked: Asked, frame: bytes) -> Answers | None:
        if len(missed) == times or not misses(asked):
            return None
        missed.append(asked)
        return []

    station.twist = twist
    return missed


def told(running: Any) -> list[Health]:
    return [event.health for event in running.of(HealthChanged) if event.device == "A1"]


@pytest.mark.parametrize("times", [1, 2])
async def test_an_answer_that_is_missing_while_a_charger_is_set_up_does_not_make_it_lost(
    start_bus: StartBus,
    charger: Any,
    new_evse: Any,
    memory: Any,
    pty_station: Any,
    line: Any,
    until: Any,
    times: int,
) -> None:
    """A quarter of a second of somebody else's is enough for that on each wire at once."""
    pty_station.units[1] = memory()
    missed = deaf_to(pty_station, lambda asked: asked.address == FAILSAFE, times)
    running = start_bus(line)
    evse = running.bus.add_evse(new_evse(), charger())
    await until(lambda: evse.health is Health.OK)
    assert len(missed) == times
    assert told(running) == [Health.OK]
    assert evse.fall_back.verified


async def test_a_charger_that_never_answers_a_write_of_its_set_up_is_lost(
    start_bus: StartBus, charger: Any, new_evse: Any, memory: Any, pty_station: Any, line: Any, until: Any
) -> None:
    """Whatever else it answers: it is asked three times in a row, and then less and less often."""
    pty_station.units[1] = memory()
    pty_station.ignore_writes.add(FAILSAFE)
    missed = deaf_to(pty_station, lambda asked: asked.address == FAILSAFE and asked.is_write, 1000)
    running = start_bus(line)
    evse = running.bus.add_evse(new_evse(), charger())
    await until(lambda: evse.health is Health.LOST)
    assert len(missed) == 3
    assert told(running) == [Health.LOST]


async def test_a_charger_that_was_never_heard_is_lost_at_once(
    start_bus: StartBus, charger: Any, new_evse: Any, pty_station: Any, line: Any, until: Any
) -> None:
    """Others on the wire do not wait for it a second and a third time."""
    running = start_bus(line)
    evse = running.bus.add_evse(new_evse(), charger())
    await until(lambda: evse.health is Health.LOST)
    assert len(pty_station.asked) == 1


def test_where_answers_of_both_register_functions_may_come_late_bits_are_asked_for() -> None:
    """Such a request can only be refused itself, and the register may be the last one that can be read."""
    unit = Unit(1, RTU)
    wanted = read(1, "input", address=29, count=1)
    for late in (wanted, read(1, "holding", address=29, count=1)):
        unit.may_come_late(late, 0.0)
    asked = [unit.another_shape(wanted) for _ in range(2)]
    assert [(one.function, one.count) for one in asked] == [(4, 2), (1, 1)]


def test_when_every_answer_may_come_late_the_request_itself_is_sent() -> None:
    """A unit that refuses whatever is asked of it must not end the wire."""
    unit = Unit(1, RTU)
    wanted = read(1, "input", address=29, count=1)
    for function in (1, 2):
        unit.may_come_late(Request(1, function, 0, 1), 0.0)
    for count in range(1, 126):
        for table in ("input", "holding"):
            unit.may_come_late(read(1, table, address=0, count=count), 0.0)
    assert {unit.another_shape(wanted) for _ in range(2)} == {wanted}
