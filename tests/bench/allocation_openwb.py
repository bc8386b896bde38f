"""The allocation against openWB's way of sharing (`openwb_like`), on the same sites in the same run."""

from collections.abc import Mapping, Sequence

from tests.bench import openwb_like
from tests.bench.duel import REPEATS, duel, mean, quality_rows, speed
from tests.bench.progress import steps
from tests.bench.rows import Options, Row
from tests.bench.sites import Shape, Site, broken, levels
from tests.bench.solver import Build, Case, builds
from tests.bench.timing import quantile, time_calls

_EVSES, _SITES = 40, 40
_PEER = "a loop that works as openWB's"
_ALMOST_A = 1e-9


def run(options: Options) -> list[Row]:
    """Its data structures are ready before the clock starts."""
    cases = [Case(seed, Shape(_EVSES, plain=True)) for seed in range(_SITES)]
    with builds(options.out) as found:
        theirs = [_theirs(case.site()) for case in steps(cases, "openWB's way")]
        return [row for build in found for row in _rows(build, cases, theirs)]


def _rows(build: Build, cases: Sequence[Case], theirs: Sequence[tuple[Mapping[str, float], float]]) -> list[Row]:
    duels = [duel(case, build.solve([case], REPEATS), *their) for case, their in zip(cases, theirs, strict=True)]
    name = f"openwb_{_EVSES}{build.suffix}"
    faster = Row(
        id=name,
        what=f"one allocation, mean of {_SITES} sites of {_EVSES} EVSEs in groups, {build.note}; "
        "ratio: how much faster",
        value=1000 * mean(one.our_s for one in duels),
        unit="ms",
        peer=_PEER,
        ratio=speed(duels),
        reach=20.0,
        beyond=50.0,
        judged="ratio",
        higher_is_better=True,
    )
    return [faster] if build.suffix else [faster, *quality_rows(name, _PEER, duels)]


def _theirs(one: Site) -> tuple[Mapping[str, float], float]:
    """Setpoints, and seconds."""
    plants = [openwb_like.plant(one, levels(len(one.requests))) for _ in range(REPEATS + 1)]
    waiting = iter(plants)
    times = time_calls([lambda: next(waiting).share()], REPEATS)
    current_ma = {point.name: 1000 * int((point.set_a or 0.0) + _ALMOST_A) for point in plants[0].points}
    wrong = broken(one, current_ma)
    if wrong:
        raise AssertionError(f"the stand-in for openWB breaks limits: {wrong}")
    return current_ma, quantile(times.cpu_s, 0.5)
