"""Times of many calls, and their quantiles."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.calibration import quiet


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of single calls. `cpu_s` leaves out what other processes took of the machine meanwhile."""

    wall_s: Sequence[float]
    cpu_s: Sequence[float]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def time_calls(calls: Sequence[Callable[[], object]], repeats: int) -> Times:
    """Each call `repeats` times, in turns, without garbage collection; the first turn only warms up."""
    wall: list[float] = []
    cpu: list[float] = []
    with quiet():
        for turn in range(repeats + 1):
            for call in calls:
                cpu_begin, begin = time.thread_time(), time.perf_counter()
                call()
                end, cpu_end = time.perf_counter(), time.thread_time()
                if turn:
                    wall.append(end - begin)
                    cpu.append(cpu_end - cpu_begin)
    return Times(wall, cpu)
