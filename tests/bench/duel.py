"""One site solved by us and by somebody else: how fast (in processor time), and how good."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.optimum import most_current
from tests.bench.rows import Row
from tests.bench.sites import Site
from tests.bench.solver import Case, Solved
from tests.bench.timing import quantile

REPEATS = 9
_ALIKE = 0.01
"""Two results count as the same when utilisation and fairness differ by no more."""


@dataclass(frozen=True, slots=True)
class Quality:
    """`utilisation`: of the largest load the links could carry. `fairness`: Jain's index of share / maximum."""

    admitted: float
    utilisation: float
    fairness: float


@dataclass(frozen=True, slots=True)
class Duel:
    """Times in seconds."""

    ours: Quality
    theirs: Quality
    our_s: float
    their_s: float


def duel(case: Case, ours: Solved, their_ma: Mapping[str, float], their_s: float) -> Duel:
    """`ours` is this case alone."""
    one = case.site()
    return Duel(
        ours=_quality(one, ours.current_ma[0]),
        theirs=_quality(one, their_ma),
        our_s=quantile(ours.times.cpu_s, 0.5),
        their_s=their_s,
    )


def _quality(one: Site, current_ma: Mapping[str, float]) -> Quality:
    carried = sum(len(request.links) * current_ma[request.id] / 1000 for request in one.requests)
    parts = [current_ma[request.id] / request.most_ma for request in one.requests]
    squares = sum(part * part for part in parts)
    return Quality(
        admitted=sum(amount > 0 for amount in current_ma.values()),
        utilisation=carried / (most_current(one.requests, one.room_ma) or 1.0),
        fairness=sum(parts) ** 2 / (len(parts) * squares) if squares else 1.0,
    )


def same_result(duels: Sequence[Duel]) -> bool:
    """Equal admissions on each site; equal utilisation and fairness on average."""
    return (
        all(one.ours.admitted == one.theirs.admitted for one in duels)
        and abs(mean(one.ours.utilisation - one.theirs.utilisation for one in duels)) <= _ALIKE
        and abs(mean(one.ours.fairness - one.theirs.fairness for one in duels)) <= _ALIKE
    )


def speed(duels: Sequence[Duel]) -> float:
    """How much faster we are."""
    return sum(one.their_s for one in duels) / sum(one.our_s for one in duels)


def quality_rows(name: str, peer: str, duels: Sequence[Duel]) -> list[Row]:
    """They only inform. `ratio` is ours over theirs."""
    figures = (
        ("utilisation", "load carried over the largest possible", "share", "utilisation"),
        ("jain", "Jain's index of share over maximum", "index", "fairness"),
        ("admitted", "cars that charge", "cars", "admitted"),
    )
    rows = []
    for kind, what, unit, attribute in figures:
        ours, theirs = (
            mean(getattr(quality, attribute) for quality in qualities)
            for qualities in ([one.ours for one in duels], [one.theirs for one in duels])
        )
        rows.append(Row(f"{name}_{kind}", f"{what}, mean of the same sites", ours, unit, peer, ours / theirs))
    return rows


def mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
