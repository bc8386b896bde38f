"""What one allocation costs, from 10 to 1,000 EVSEs, compiled and as Python: admission, filling, rounding, reasons.

Times are processor time of single calls, so that a busy neighbour is not mistaken for a slow allocator; on a quiet
machine that is the time that passes. The p99 of the latter stands beside it.
"""

from tests.bench.plots import cost_against_size
from tests.bench.progress import steps
from tests.bench.rows import Options, Row
from tests.bench.sites import Shape
from tests.bench.solver import Build, Case, builds
from tests.bench.timing import Times, quantile

_SITES = {10: 200, 50: 100, 100: 100, 500: 30, 1000: 20}
_REPEATS = {10: 10, 50: 8, 100: 5, 500: 12, 1000: 15}
_REACH_MS = {100: (1.0, 0.5), 1000: (10.0, 3.0)}


def run(options: Options) -> list[Row]:
    with builds(options.out) as found:
        times = {
            build.suffix: {evses: _times(build, evses) for evses in steps(list(_SITES), "cost")} for build in found
        }
    cost_against_size(
        options.out / "allocation-cost.png",
        {evses: (quantile(one.cpu_s, 0.5), quantile(one.cpu_s, 0.99)) for evses, one in times[""].items()},
    )
    rows = [
        row for build in found for evses, one in times[build.suffix].items() for row in _rows(build, evses, one)
    ]
    return [*rows, *(_growth(build, times[build.suffix]) for build in found)]


def _times(build: Build, evses: int) -> Times:
    cases = [Case(seed, Shape(evses, capped=seed % 3 == 0)) for seed in range(_SITES[evses])]
    return build.solve(cases, _REPEATS[evses]).times


def _rows(build: Build, evses: int, times: Times) -> list[Row]:
    reach, beyond = _REACH_MS.get(evses, (None, None))
    median, slow, wall = (
        1000 * quantile(values, share)
        for values, share in ((times.cpu_s, 0.5), (times.cpu_s, 0.99), (times.wall_s, 0.99))
    )
    what, name = f"one allocation of {evses} EVSEs, {build.note}", f"allocation_{evses}{build.suffix}"
    return [
        Row(f"{name}_p50", f"{what}, median", median, "ms", wall=True),
        Row(f"{name}_p99", f"{what}, p99", slow, "ms", reach=reach, beyond=beyond, wall=True),
        Row(f"{name}_p99_wall", f"{what}, p99 with what else the machine did", wall, "ms", wall=True),
    ]


def _growth(build: Build, times: dict[int, Times]) -> Row:
    each = {evses: quantile(one.cpu_s, 0.5) / evses for evses, one in times.items()}
    grows = each[1000] / each[10]
    what = f"median cost per EVSE at 1000 EVSEs over that at 10, {build.note}"
    return Row(f"allocation_growth{build.suffix}", what, grows, "times", reach=2.0, beyond=1.1)
