"""How far the allocation is from the best one there is: ground truth by HiGHS, limits by an addition of its own."""

from collections.abc import Sequence

from controller.allocation.admission import admit
from controller.allocation.filling import fill
from controller.allocation.request import in_order
from controller.allocation.sharing import share_out
from tests.bench.optimum import max_min, most_admitted
from tests.bench.progress import steps
from tests.bench.rows import Options, Row
from tests.bench.sites import Shape, Site, broken, site

SIZES = (*range(2, 22), *range(2, 22), *range(2, 22), *range(22, 62), 80, 100, 150, 200)
"""Of the sites, in turn: most are small, one in a hundred is large."""

VERY_TIGHT = 0.12


def run(options: Options) -> list[Row]:
    return [*_gaps(options), *_admissions(options), _violations(options)]


def shape(seed: int) -> Shape:
    """Of the seed: sizes in turn, a third with weighted links, a fifth with priorities, a fifth very tight."""
    return Shape(
        SIZES[seed % len(SIZES)],
        tight=VERY_TIGHT if seed % 5 == 0 else 0.5 + 0.1 * (seed % 4),
        capped=seed % 3 == 0,
        priorities=3 if seed % 5 == 1 else 1,
    )


def small(seed: int) -> Shape:
    """Sites of which tens of thousands can be checked: 2 to 12 EVSEs in any state, a third with weighted links."""
    return Shape(
        2 + seed % 11,
        tight=VERY_TIGHT if seed % 5 == 0 else 0.5 + 0.1 * (seed % 4),
        capped=seed % 3 == 0,
        priorities=1 + seed % 2,
        mixed=seed % 4 == 0,
    )


def gap_a(one: Site) -> float:
    """The largest difference between the filling and the optimum for the same admitted cars, in amperes."""
    admitted = admit(in_order(one.requests), one.room_ma).admitted
    if not admitted:
        return 0.0
    ours = fill(admitted, one.room_ma).current_ma
    best = max_min(admitted, one.room_ma)
    return max(abs(mine / 1000 - theirs) for mine, theirs in zip(ours, best, strict=True))


def admitted_share(one: Site) -> float | None:
    """Our number of charging cars over the largest possible; None: nobody can."""
    best = most_admitted(one.requests, one.room_ma)
    ours = sum(share.admitted for share in share_out(one.requests, one.room_ma).values())
    return ours / best if best else None


def _gaps(options: Options) -> list[Row]:
    count = 10_000 if options.thorough else 2000
    widest = max(gap_a(site(seed, shape(seed))) for seed in steps(range(count), "gap to the optimum"))
    what = f"largest gap of the filling to the lexicographic max-min optimum, {count} sites of 2 to 200 EVSEs"
    rows = [Row("allocation_gap", what, widest, "A", peer="HiGHS", reach=1e-6)]
    if options.thorough:
        large = max(gap_a(site(seed, Shape(1000, capped=seed % 2 == 0))) for seed in range(10))
        what = "largest gap to the optimum, 10 sites of 1000 EVSEs"
        rows.append(Row("allocation_gap_1000", what, large, "A", peer="HiGHS", reach=1e-6))
    return rows


def _admissions(options: Options) -> list[Row]:
    count = 1000 if options.thorough else 200
    rows = []
    for evses in (10, 30, 100):
        seeds = steps(range(count), f"admissions of {evses} EVSEs")
        shares = [admitted_share(site(seed, Shape(evses, tight=VERY_TIGHT))) for seed in seeds]
        rows += _admission_rows(evses, [share for share in shares if share is not None])
    return rows


def _admission_rows(evses: int, shares: Sequence[float]) -> list[Row]:
    what = f"admitted cars over the optimum, {len(shares)} very tight sites of {evses} EVSEs"
    return [
        Row(
            f"admitted_{evses}_{name}",
            f"{what}, {name}",
            value,
            "share",
            "HiGHS",
            reach=reach,
            higher_is_better=True,
        )
        for name, value, reach in (("mean", sum(shares) / len(shares), 0.99), ("worst", min(shares), 0.9))
    ]


def _violations(options: Options) -> Row:
    count = 1_000_000 if options.thorough else 20_000
    found = 0
    for seed in steps(range(count), "limits"):
        one = site(seed, shape(seed) if seed % 100 == 0 else small(seed))
        shares = share_out(one.requests, one.room_ma)
        found += bool(broken(one, {name: share.current_ma for name, share in shares.items()}))
    return Row(
        "allocation_violations", f"sites of {count} where a limit or step is broken", found, "sites", reach=0
    )
