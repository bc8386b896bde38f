"""What of a serial line's time is useful: bus efficiency, and what dead units cost.

Efficiency is the sum of the ideal times of what was answered (frames, the slave's own turnaround, one gap each) by
the time that passed. More than 100 % would be a violated gap, and one violation or one wrong value scores 0.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.modbus.blocks import gap_s
from drivers.setups import Line
from tests.bench.bus_rig import LineSettings, Report, Slaves, WrongValueError, serial_slaves
from tests.bench.bus_site import Model, polled
from tests.bench.calibration import quiet
from tests.bench.rows import Row

UNITS = 10
TURNAROUND_S = {9600: 0.005, 19200: 0.005, 115200: 0.002}
EFFICIENCY = (  # baud, registers, reach, beyond
    (9600, 20, 97.0, 99.5),
    (19200, 20, 97.0, 99.5),
    (115200, 20, 93.0, 97.5),
    (9600, 2, 95.0, 98.5),
    (19200, 2, 95.0, 98.5),
)
MEASURE_S = 3.0
BURSTS = 5
"""The best of so many counts: other work on a shared machine takes milliseconds at a time."""
DEAD = (2, 5, 9)
FIRST_S = 10.0
STEADY_S = 20.0


@dataclass(frozen=True, slots=True)
class Lost:
    """Percent of the line's time spent on dead units."""

    first: float
    steady: float


def run(*, measure_s: float = MEASURE_S, steady_s: float = STEADY_S) -> list[Row]:
    rows = [_efficiency(baud, count, (reach, beyond), measure_s) for baud, count, reach, beyond in EFFICIENCY]
    died, absent = _dead(steady_s, from_start=False), _dead(steady_s, from_start=True)
    rows += _dead_rows(Lost(max(died.first, absent.first), max(died.steady, absent.steady)))
    return rows


def _efficiency(baud: int, count: int, bounds: tuple[float, float], measure_s: float) -> Row:
    turnaround_s = TURNAROUND_S[baud]
    with serial_slaves(LineSettings(baud, (turnaround_s, turnaround_s))) as (slaves, line), quiet():
        try:
            reports = asyncio.run(_saturate(slaves, line, count, measure_s))
        except WrongValueError:
            percent = 0.0
        else:
            percent = _best(reports, gap_s(line))
    reach, beyond = bounds
    return Row(
        f"bus_efficiency_{baud}_r{count}",
        f"bus efficiency, {count} registers at {baud} baud",
        percent,
        "%",
        reach=reach,
        beyond=beyond,
        higher_is_better=True,
    )


def _best(reports: Sequence[Report], gap: float) -> float:
    """Percent; 0 for all of them if one burst violated the gap or left a request without its answer."""
    if any(report.violations or report.tally.answered < report.tally.requests for report in reports):
        return 0.0
    tallies = [report.tally for report in reports]
    return max(100 * tally.ideal_s / (tally.last_s + gap - tally.first_s) for tally in tallies)


async def _saturate(slaves: Slaves, line: Line, count: int, measure_s: float) -> list[Report]:
    reports = []
    async with polled([(line, [Model(range(100, 100 + count))] * UNITS)], patient=True):
        for _ in range(BURSTS):
            slaves.tell(reset=True)
            await asyncio.sleep(measure_s)
            reports.append(slaves.report())
    return reports


def _dead(steady_s: float, *, from_start: bool) -> Lost:
    with serial_slaves(LineSettings(19200, (0.004, 0.006))) as (slaves, line), quiet():
        return asyncio.run(_bury(slaves, line, steady_s, from_start=from_start))


async def _bury(slaves: Slaves, line: Line, steady_s: float, *, from_start: bool) -> Lost:
    """Three of ten units die while all are polled, or were never there."""
    if from_start:
        slaves.tell(dead=DEAD, reset=True)
    async with polled([(line, [Model()] * UNITS)], dead=DEAD if from_start else ()):
        if not from_start:
            slaves.tell(dead=DEAD, reset=True)
        await asyncio.sleep(FIRST_S)
        first = slaves.report()
        slaves.tell(reset=True)
        await asyncio.sleep(steady_s)
        steady = slaves.report()
    return Lost(_share(first, FIRST_S), _share(steady, steady_s))


def _share(report: Report, time_s: float) -> float:
    """All of it, where the gap was violated."""
    return 100.0 if report.violations else 100 * report.tally.dead_s / time_s


def _dead_rows(lost: Lost) -> list[Row]:
    what = "bus time lost with 3 of 10 units dead at 19200 baud"
    return [
        Row("bus_dead_first", f"{what}, first 10 s", lost.first, "%", reach=10.0, beyond=5.0),
        Row("bus_dead_steady", f"{what}, afterwards", lost.steady, "%", reach=3.0, beyond=1.0),
    ]
