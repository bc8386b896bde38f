"""One newcomer for two: walking in order can let one in whose room would have been enough for two behind it.

Only newcomers of one priority change places, so that nobody who charges is ever stopped for it. The search is
bounded: it looks for simple exchanges, the heaviest first, not for the best packing.
"""

from collections.abc import Iterator, Sequence

from controller.allocation.request import Request, Standing, fits, give_back, tight

_TRIALS = 400
Exchange = tuple[Request, list[Request]]


def swap(admitted: Sequence[Request], turned_away: Sequence[Request], left_ma: list[int]) -> Iterator[Exchange]:
    """Exchanges, each carried out on `left_ma`: who goes, and who comes instead."""
    waiting = [one for one in turned_away if one.least_ma <= one.most_ma and not one.probation]
    if len(waiting) < 2:
        return
    lacking = _lacking(waiting, left_ma)
    newcomers = [
        one for one in admitted if not lacking.keys().isdisjoint(one.links) and one.standing is Standing.WAITING
    ]
    served: set[str] = set()
    trials = _TRIALS
    for out in sorted(newcomers, key=lambda one: one.phases * one.least_ma, reverse=True):
        candidates = [one for one in _candidates(out, lacking) if one.id not in served]
        if len(candidates) < 2:
            continue
        trials -= len(candidates)
        if trials < 0:
            return
        instead = _try(out, candidates, left_ma)
        if instead:
            served.update(one.id for one in instead)
            yield out, instead


def _lacking(
    waiting: Sequence[Request], left_ma: Sequence[int]
) -> dict[int, list[tuple[tuple[int, ...], Request]]]:
    """By the first link that each of them lacks: all that it lacks. Later exchanges may add to it; `_try` sees."""
    found: dict[int, list[tuple[tuple[int, ...], Request]]] = {}
    for one in waiting:
        short = tight(one.links, left_ma, one.least_ma)
        if short:
            found.setdefault(short[0], []).append((short, one))
    return found


def _candidates(out: Request, lacking: dict[int, list[tuple[tuple[int, ...], Request]]]) -> list[Request]:
    """Those that lack nothing but what this one would leave, in their order."""
    links = set(out.links)
    found = [
        one
        for link in links
        for short, one in lacking.get(link, ())
        if one.priority == out.priority and links.issuperset(short)
    ]
    return sorted(found, key=lambda one: (one.phases * one.least_ma, one.since_s, one.id))


def _try(out: Request, candidates: Sequence[Request], left_ma: list[int]) -> list[Request]:
    give_back(out.links, left_ma, out.least_ma)
    instead = [one for one in candidates if fits(one.links, left_ma, one.least_ma)]
    if len(instead) > 1:
        return instead
    for one in instead:
        give_back(one.links, left_ma, one.least_ma)
    fits(out.links, left_ma, out.least_ma)
    return []
