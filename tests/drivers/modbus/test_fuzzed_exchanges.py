"""A hundred thousand exchanges with hostile slaves: a right value or an error, never a wrong value.

The whole engine runs, scheduler and link, in virtual time. AMPYARD_FUZZ_EXCHANGES=1000000 runs more of them.
"""

import asyncio
import os
from random import Random

import pytest

from drivers.api import DeviceError, Fault
from drivers.modbus import pdu
from drivers.modbus.rtu import RtuLink
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.tcp import TcpLink
from drivers.modbus.unit import RTU, TCP
from drivers.setups import Endpoint, Line
from tests.drivers.modbus.adversary import UNITS, MemoryPort, MemoryTransport, Slaves
from tests.drivers.modbus.virtual_time import LoopAlarm, run_virtually

EXCHANGES = int(os.environ.get("AMPYARD_FUZZ_EXCHANGES", "100000"))
CALLERS = 6
LINE = Line("memory", 19200, "N", 1)
TEXT_LINE = Line("memory", 19200, "E", 1, 7, "ascii")
CHAR_S = 10 / 19200


class Caller:
    """Asks random things of random units, and compares what it is told with the truth."""

    def __init__(self, scheduler: Scheduler, slaves: Slaves, seed: int) -> None:
        self._scheduler, self._slaves = scheduler, slaves
        self._rng = Random(seed)
        self._place = seed
        self.right = 0
        self.wrong: list[str] = []
        self.faults: set[Fault] = set()

    async def ask(self, exchanges: int) -> None:
        while self._slaves.truth.requests < exchanges:
            request = self._request()
            urgency = self._rng.choice((Urgency.FAST, Urgency.SLOW, Urgency.PROBE))
            try:
                answer = await self._scheduler.transfer(request, urgency if request.is_read else Urgency.WRITE)
            except DeviceError as error:
                self.faults.add(error.fault)
                await asyncio.sleep(0.001)
                continue
            if self._slaves.truth.right(request.unit, request.pdu, answer.values):
                self.right += 1
            else:
                self.wrong.append(f"{request} was answered by {answer.values}")

    def _request(self) -> pdu.Request:
        rng = self._rng
        unit = rng.choice(UNITS)
        address = 100 * self._place + rng.randrange(3)
        if rng.random() < 0.2:
            words = tuple(rng.randrange(0x10000) for _ in range(rng.randint(1, 2)))
            return pdu.write(unit, 6 if len(words) == 1 else 16, address=address, words=words)
        return pdu.read(unit, rng.choice(("holding", "input")), address=address, count=rng.choice((1, 2, 2, 4, 20)))


async def bombard(scheduler: Scheduler, slaves: Slaves, exchanges: int) -> list[Caller]:
    running = asyncio.create_task(scheduler.run())
    await asyncio.sleep(0.01)
    callers = [Caller(scheduler, slaves, seed) for seed in range(CALLERS)]
    try:
        async with asyncio.TaskGroup() as tasks:
            for caller in callers:
                tasks.create_task(caller.ask(exchanges))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return callers


def judge(callers: list[Caller], exchanges: int) -> None:
    assert [wrong for caller in callers for wrong in caller.wrong] == []
    assert sum(caller.right for caller in callers) > 0.2 * exchanges, "hardly anything was answered: proves nothing"
    assert {Fault.TIMEOUT, Fault.REFUSED} <= {fault for caller in callers for fault in caller.faults}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("line", [LINE, TEXT_LINE], ids=["rtu", "ascii"])
@pytest.mark.parametrize(
    ("echoes", "fault_rate", "share"), [(False, 1.0, 0.5), (True, 1.0, 0.2), (False, 0.3, 0.1)]
)
def test_no_wrong_value_is_ever_taken_from_a_serial_line(
    line: Line, echoes: bool, fault_rate: float, share: float
) -> None:
    exchanges = int(share * EXCHANGES)

    async def main() -> list[Caller]:
        slaves = Slaves(Random(exchanges), fault_rate=fault_rate)
        link = RtuLink(
            line,
            open_port=lambda _: MemoryPort(slaves, char_s=CHAR_S, echoes=echoes, text=line is TEXT_LINE),
            new_alarm=LoopAlarm,
        )
        return await bombard(Scheduler(link, timing=RTU, on_health=lambda health, text: None), slaves, exchanges)

    judge(run_virtually(main()), exchanges)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("pipeline", [1, 4])
def test_no_wrong_value_is_ever_taken_from_a_connection(pipeline: int) -> None:
    exchanges = EXCHANGES // 10
    slaves = Slaves(Random(pipeline), fault_rate=1.0)

    async def main() -> list[Caller]:
        scheduler = Scheduler(TcpLink(Endpoint("h", 502)), timing=TCP, on_health=lambda health, text: None)
        for unit in UNITS:
            scheduler.unit(unit, pipeline=pipeline)
        return await bombard(scheduler, slaves, exchanges)

    callers = run_virtually(main(), connect=lambda protocol: MemoryTransport(slaves, protocol))
    judge(callers, exchanges)
    assert Fault.CLOSED in {fault for caller in callers for fault in caller.faults}
