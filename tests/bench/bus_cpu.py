"""CPU time of one transaction: our engine, pymodbus' asyncio client, and a loop in C with libmodbus.

All read 20 registers of one slave process that answers at once, in turn and several times: the ratios inside one
round count, because the speed of a shared machine drifts. On the serial line none of the three keeps the silence
between frames here (ours by an argument of its link), so that nobody sleeps.
"""

import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient

from drivers.modbus import pdu
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.setups import Endpoint, Line
from tests.bench.bus_rig import LineSettings, WrongValueError, engine, serial_slaves, tcp_slaves
from tests.bench.bus_slave import word
from tests.bench.rows import Row

ROUNDS = 7
READS = 1500
COUNT, ADDRESS, UNIT = 20, 100, 1
FAST_LINE = LineSettings(4_000_000, throttled=False)
EXPECTED = tuple(word(UNIT, ADDRESS + place) for place in range(COUNT))
C_SOURCE = Path(__file__).with_name("libmodbus_loop.c")
COMPILE_S = 60.0

Measure = Callable[[], float]
"""One burst; CPU microseconds of a transaction."""


def run() -> list[Row]:
    rows: list[Row] = []
    with libmodbus() as program:
        with serial_slaves(FAST_LINE) as (_, line):
            rows += _rows("rtu", _interleaved(_contenders(line, program)))
        with tcp_slaves(1) as endpoints:
            rows += _rows("tcp", _interleaved(_contenders(endpoints[0], program)))
    return rows


def _rows(wire: str, found: Mapping[str, Sequence[float]]) -> list[Row]:
    ours = statistics.median(found["ours"])
    rows = []
    for peer, reach, beyond in (("pymodbus", 0.7, 0.4), ("libmodbus", 6.0, 3.5)):
        if peer not in found:
            continue
        ratio = statistics.median(our / their for our, their in zip(found["ours"], found[peer], strict=True))
        rows.append(
            Row(
                f"bus_cpu_{wire}_{peer}",
                f"CPU of a transaction on {wire.upper()}, 20 registers, saturated, against {peer}",
                ours,
                "us",
                peer=peer,
                ratio=ratio,
                reach=reach,
                beyond=beyond,
                judged="ratio",
            )
        )
    return rows


def _contenders(wire: Line | Endpoint, program: Path | None) -> dict[str, Measure]:
    found: dict[str, Measure] = {
        "ours": lambda: asyncio.run(_ours(wire)),
        "pymodbus": lambda: asyncio.run(_pymodbus(wire)),
    }
    if program is not None:
        found["libmodbus"] = lambda: _libmodbus(program, wire)
    return found


def _interleaved(contenders: Mapping[str, Measure]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, measure in contenders.items():
            found[name].append(measure())
    return found


async def _burst(read: Callable[[], Awaitable[Sequence[int]]]) -> float:
    for _ in range(50):
        await read()
    begin_s = time.process_time()
    for _ in range(READS):
        if tuple(await read()) != EXPECTED:
            raise WrongValueError(f"unit {UNIT}")
    return 1e6 * (time.process_time() - begin_s) / READS


async def _ours(wire: Line | Endpoint) -> float:
    async with engine(wire, gap_s=0.0, patient=True) as scheduler:
        return await _burst(lambda: _read(scheduler))


async def _read(scheduler: Scheduler) -> Sequence[int]:
    request = pdu.read(UNIT, "holding", address=ADDRESS, count=COUNT)
    return (await scheduler.transfer(request, Urgency.FAST)).values


async def _pymodbus(wire: Line | Endpoint) -> float:
    client: ModbusBaseClient
    if isinstance(wire, Line):
        client = AsyncModbusSerialClient(wire.port, baudrate=115200)
    else:
        client = AsyncModbusTcpClient(wire.host, port=wire.port)
    await client.connect()
    try:
        return await _burst(lambda: _read_pymodbus(client))
    finally:
        client.close()


async def _read_pymodbus(client: ModbusBaseClient) -> Sequence[int]:
    answer = await client.read_holding_registers(ADDRESS, count=COUNT, device_id=UNIT)
    return list(answer.registers)


def _libmodbus(program: Path, wire: Line | Endpoint) -> float:
    address = ["rtu", wire.port] if isinstance(wire, Line) else ["tcp", str(wire.port)]
    done = subprocess.run([program, *address, str(READS)], check=True, capture_output=True, text=True)
    return float(done.stdout)


@contextmanager
def libmodbus() -> Iterator[Path | None]:
    """The loop in C, where a compiler and libmodbus-dev are there; else says what is missing."""
    compiler, flags = shutil.which("cc"), _flags()
    if compiler is None or flags is None:
        _left_out("a C compiler" if compiler is None else "the package libmodbus-dev")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "libmodbus_loop"
        command = [compiler, "-O2", "-o", str(program), str(C_SOURCE), *flags]
        built = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S)
        if built.returncode != 0:
            _left_out(f"what compiles: {built.stderr.strip()}")
        yield program if built.returncode == 0 else None


def _left_out(missing: str) -> None:
    sys.stderr.write(f"The comparison with libmodbus is left out, it needs {missing}.\n")


def _flags() -> list[str] | None:
    if shutil.which("pkg-config") is None:
        return ["-I/usr/include/modbus", "-lmodbus"]
    asked = subprocess.run(["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True)
    return asked.stdout.split() if asked.returncode == 0 else None
