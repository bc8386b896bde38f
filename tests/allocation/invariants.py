"""What holds for every allocation (and none of what only seems to hold). Each returns what is wrong, as text.

The filling counts in floats, so that its invariants have a tolerance, far below what any device resolves. What is
sent is whole milliamperes, and `tests.bench.sites.broken` has none.
"""

from collections.abc import Mapping, Sequence

from controller.allocation.request import Request, Standing
from controller.allocation.sharing import Share
from tests.bench.sites import Site

_NEAR_MA = 1e-3

Shares = Mapping[str, Share]


def load(one: Site, amounts_ma: Mapping[str, float]) -> list[float]:
    """Per link."""
    total = [0.0] * len(one.room_ma)
    for request in one.requests:
        for link in request.links:
            total[link] += amounts_ma[request.id]
    return total


def misrounded(one: Site, shares: Shares) -> list[str]:
    """Rounding takes less than a step from the exact share; without admission there is nothing."""
    return [
        f"{request.id}: {share.current_ma} mA of {share.exact_ma}"
        for request in one.requests
        for share in [shares[request.id]]
        if (not share.admitted and share.current_ma)
        or (share.admitted and share.current_ma <= share.exact_ma - request.step_ma)
    ]


def wasteful(one: Site, shares: Shares) -> list[str]:
    """Work-conserving: nobody below the maximum can take one more step. Links that are said to be tight are."""
    used = load(one, {name: share.current_ma for name, share in shares.items()})
    left = [room - taken for room, taken in zip(one.room_ma, used, strict=True)]
    found = []
    for request in one.requests:
        share = shares[request.id]
        if not share.admitted:
            continue
        full = {link for link in request.links if left[link] < request.step_ma * request.links.count(link)}
        if share.current_ma >= request.most_ma:
            full = set()
        elif not full:
            found.append(f"{request.id}: one more step fits")
        if set(share.tight) != full:
            found.append(f"{request.id}: bound by {full}, said to be by {share.tight}")
    return found


def unfair(one: Site, shares: Shares) -> list[str]:
    """The certificate of max-min: everybody below the maximum has a full link where nobody could give way.

    There everybody else lies at the minimum, has no more per weight, or ranks higher.
    """
    admitted = [request for request in one.requests if shares[request.id].admitted]
    exact = {name: share.exact_ma for name, share in shares.items()}
    used = load(one, exact)
    found = [
        f"link {link}: {amount} mA of {room}"
        for link, (amount, room) in enumerate(zip(used, one.room_ma, strict=True))
        if amount > max(0, room) + _NEAR_MA
    ]
    for request in admitted:
        full = {link for link in request.links if used[link] >= one.room_ma[link] - 10 * _NEAR_MA}
        certified = any(
            all(_gives_nothing(other, request, exact) for other in admitted if link in other.links) for link in full
        )
        if exact[request.id] < request.most_ma - _NEAR_MA and not certified:
            found.append(f"{request.id}: {exact[request.id]} mA without a bottleneck")
    return found


def _gives_nothing(other: Request, request: Request, exact: Mapping[str, float]) -> bool:
    if other.priority != request.priority:
        return other.priority > request.priority or exact[other.id] <= other.least_ma + _NEAR_MA
    level = max(exact[request.id], request.least_ma) / request.weight
    return exact[other.id] <= other.least_ma + _NEAR_MA or exact[other.id] / other.weight <= level + _NEAR_MA


def shut_out(one: Site, shares: Shares) -> list[str]:
    """Among newcomers nobody is left out whose minimum fits beside those that were admitted."""
    if any(request.standing is not Standing.WAITING or request.probation for request in one.requests):
        return []
    least = {request.id: request.least_ma if shares[request.id].admitted else 0 for request in one.requests}
    used = load(one, least)
    return [
        f"{request.id}: its minimum fits"
        for request in one.requests
        if not shares[request.id].admitted
        and request.most_ma >= request.least_ma
        and all(
            used[link] + request.least_ma * request.links.count(link) <= one.room_ma[link] for link in request.links
        )
    ]


def profile(requests: Sequence[Request], amounts_ma: Sequence[float]) -> list[float]:
    """Shares per weight, the poorest first: what max-min makes as large as can be."""
    return sorted(amount / request.weight for request, amount in zip(requests, amounts_ma, strict=True))


def worse(after: Sequence[float], before: Sequence[float]) -> bool:
    """Lexicographically, by more than floats can be off."""
    for now, then in zip(after, before, strict=True):
        if abs(now - then) > _NEAR_MA:
            return now < then
    return False
