"""The allocation against openWB's way of sharing (`openwb_like`), on the same sites in the same run."""

from tests.bench import openwb_like
from tests.bench.duel import REPEATS, Duel, duel, mean, quality_rows, speed
from tests.bench.progress import steps
from tests.bench.rows import Options, Row
from tests.bench.sites import Shape, Site, broken, levels, site
from tests.bench.timing import quantile, time_calls

_EVSES, _SITES = 40, 40
_PEER = "a loop that works as openWB's"
_ALMOST_A = 1e-9


def run(_options: Options) -> list[Row]:
    """Its data structures are ready before the clock starts."""
    duels = [_fight(site(seed, Shape(_EVSES, plain=True))) for seed in steps(range(_SITES), "openWB's way")]
    faster = Row(
        id=f"openwb_{_EVSES}",
        what=f"one allocation, mean of {_SITES} sites of {_EVSES} EVSEs in groups; ratio: how much faster",
        value=1000 * mean(one.our_s for one in duels),
        unit="ms",
        peer=_PEER,
        ratio=speed(duels),
        reach=20.0,
        beyond=50.0,
        judged="ratio",
        higher_is_better=True,
    )
    return [faster, *quality_rows(f"openwb_{_EVSES}", _PEER, duels)]


def _fight(one: Site) -> Duel:
    plants = [openwb_like.plant(one, levels(len(one.requests))) for _ in range(REPEATS + 1)]
    waiting = iter(plants)
    times = time_calls([lambda: next(waiting).share()], REPEATS)
    theirs = {point.name: 1000 * int((point.set_a or 0.0) + _ALMOST_A) for point in plants[0].points}
    wrong = broken(one, theirs)
    if wrong:
        raise AssertionError(f"the stand-in for openWB breaks limits: {wrong}")
    return duel(one, theirs, quantile(times.cpu_s, 0.5))
