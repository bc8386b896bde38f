"""The closed loop: time above the rating, use of the limit, speed; beside loops that work as openWB's and evcc's.

Every case is played against the simulator's chargers, EVs and meters in virtual time (`tests/closed_loop/`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.loop_peers import evcc, openwb
from tests.bench.loop_plot import plot
from tests.bench.rows import Options, Row
from tests.closed_loop.day import day
from tests.closed_loop.plant import Loop
from tests.closed_loop.steps import Eyes, StepCase, Taken, step_case, take

SIGHT = "meter each 0.25 s, up to 0.1 s old unseen; EVs dead for 5 s, charger latency 0.5 s, write 30 ms"
FRESH = Eyes(read_s=0.5)
OLD = Eyes(read_s=60.0)
MODEST = Eyes(read_s=60.0, modest=0.4)
CASES, MANY_CASES = 30, 300
DAYS, MANY_DAYS = 1, 20
PEERS_SETTLE_S = 420.0
"""All loops of the comparison begin so long before the step: evcc's visits one load point each 30 s."""
WATCHED_S = 420.0


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    loop: Callable[[], Loop]
    what: str
    reach: float


PEERS = (
    Peer("openwb", openwb, "a loop as openWB's (10 s, reads up to 3.3 s, equal shares)", 2.5),
    Peer("evcc", evcc, "a loop as evcc's (30 s, one load point a tick)", 10.0),
)


def run(options: Options) -> list[Row]:
    cases = MANY_CASES if options.thorough else CASES
    rows = [*_reaction(cases), *_use(cases), *_peers(cases, options)]
    return [*rows, *_days(MANY_DAYS if options.thorough else DAYS)]


def _played(seeds: int, eyes: Eyes, *, up: bool) -> list[Taken]:
    return [take(step_case(seed, eyes, up=up)) for seed in range(seeds)]


def _reaction(cases: int) -> list[Row]:
    rows: list[Row] = []
    for name, eyes, age, reach in (("fresh", FRESH, "0.5 s", 6.0), ("old", OLD, "60 s", 7.0)):
        taken = _played(cases, eyes, up=True)
        said = f"{cases} random base steps up to 1.4 x the rating; {SIGHT}; EV readings up to {age} old"
        above = [one.above_s for one in taken]
        pauses = sum(one.plant.book.report().pauses for one in taken)
        rows += [
            Row(f"loop-above-{name}", f"time above the rating, worst of {said}", max(above), "s", reach=reach),
            Row(f"loop-above-{name}-median", f"time above the rating, median of {said}", median(above), "s"),
            Row(
                f"loop-ratio-{name}", f"highest load of {said}", max(one.ratio for one in taken), "x In", reach=1.45
            ),
            Row(f"loop-thermal-{name}", f"(I/In)^2 - 1 while above, worst of {said}", _hottest(taken), "s"),
            Row(f"loop-pauses-{name}", f"cars paused although all minimums fit, {said}", pauses, "", reach=0.0),
        ]
    return rows


def _hottest(taken: Sequence[Taken]) -> float:
    return max(one.thermal_s for one in taken)


def _use(cases: int) -> list[Row]:
    rows: list[Row] = []
    for name, eyes, cars in (
        ("old", OLD, "cars take what they get"),
        ("modest", MODEST, "4 of 10 cars take 8-13 A"),
    ):
        for up in (True, False):
            used = [one.used for one in _played(cases, eyes, up=up) if one.used is not None]
            way = "up" if up else "down"
            said = (
                f"of {len(used)} random base steps {way}, EV readings up to 60 s old, {cars}; {SIGHT}; "
                "what flows 15 to 20 s after the step / the usable limit, on phases that cars could fill"
            )
            for kind, value in (("worst", min(used)), ("median", median(used))):
                rows.append(
                    Row(
                        f"loop-used-{name}-{way}-{kind}", f"utilisation, {kind} {said}", value, "",
                        reach=0.8, beyond=0.9, higher_is_better=True,
                    )
                )  # fmt: skip
    return rows


def _peers(cases: int, options: Options) -> list[Row]:
    ours = _compared(cases, Loop)
    worst_s, median_s = _above(ours)
    said = f"{cases} random base steps up, EV readings up to 0.5 s old, {SIGHT}"
    rows = [Row("loop-compared", f"time above the rating, worst of {said}", worst_s, "s")]
    for peer in PEERS:
        theirs_worst_s, theirs_median_s = _above(_compared(cases, peer.loop))
        rows += [
            Row(
                f"loop-against-{peer.name}", f"time above the rating, worst of {said}", worst_s, "s",
                peer=f"{peer.what}: {theirs_worst_s:.1f} s", ratio=theirs_worst_s / worst_s,
                reach=peer.reach, judged="ratio", higher_is_better=True,
            ),
            Row(
                f"loop-against-{peer.name}-median", f"time above the rating, median of {said}", median_s, "s",
                peer=f"{peer.what}: {theirs_median_s:.1f} s", ratio=theirs_median_s / median_s,
            ),
        ]  # fmt: skip
    hottest = max(range(cases), key=lambda seed: ours[seed].thermal_s)
    plot(
        options.out / "step-response.png",
        {"Ampyard": Loop, **{one.what: one.loop for one in PEERS}},
        _case(hottest),
    )
    return rows


def _case(seed: int) -> StepCase:
    return step_case(seed, FRESH, up=True, restless=False, settle_s=PEERS_SETTLE_S)


def _compared(cases: int, loop: Callable[[], Loop]) -> list[Taken]:
    return [take(_case(seed), loop=loop(), watched_s=WATCHED_S, step_s=0.1) for seed in range(cases)]


def _above(taken: Sequence[Taken]) -> tuple[float, float]:
    above = [one.above_s for one in taken]
    return max(above), median(above)


def _days(days: int) -> list[Row]:
    sites = [day(seed) for seed in range(days)]
    begun_s = time.perf_counter()
    for one in sites:
        one.plant.run(86_400)
    minutes = days * 1440 / (time.perf_counter() - begun_s)
    reports = [one.plant.book.report() for one in sites]
    delivered = sum(one.delivered_kwh for one in reports) / sum(one.possible_kwh for one in reports)
    said = f"{days} days of random trees of boards with 8 to 20 EVSEs, BDEW loads, appliances that switch"
    return [
        Row("loop-day-speed", f"simulated minutes per second, {said}", minutes, "min/s"),
        Row("loop-day-above", f"longest time above a rating, {said}", max(one.longest_s for one in reports), "s"),
        Row("loop-day-ratio", f"highest load, {said}", max(one.worst_ratio for one in reports), "x In", reach=1.45),
        Row(
            "loop-day-energy",
            f"energy delivered / what someone who sees all currents, and needs no minimum, would have, {said}",
            delivered, "", higher_is_better=True,
        ),
        Row("loop-day-pauses", f"pauses, {said}", sum(one.pauses for one in reports), ""),
    ]  # fmt: skip
