"""What is set aside, admission, filling and rounding in a row: the allocation of one moment, without memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.allocation.admission import Admission, admit
from controller.allocation.caps import Balance
from controller.allocation.filling import Fill, fill
from controller.allocation.request import Placed, Request, in_order, tight
from controller.allocation.rounding import Rounded, round_down
from controller.allocation.urgency import set_aside

_PASSES = 50


@dataclass(slots=True, init=False)
class Share:
    """What one EVSE gets. `tight` are the links that keep it from more, the one that bound it first.

    Not admitted: 0 mA and the links where its minimum did not fit; none, if it is its own limit or `probation`.
    Frozen for the type checker alone: each tick makes one for each EVSE, and checking at run time takes three times
    as long.
    """

    current_ma: Final[int]
    exact_ma: Final[float]
    admitted: Final[bool]
    tight: Final[tuple[int, ...]]
    probation: Final[bool]

    def __init__(
        self, current_ma: int, exact_ma: float, admitted: bool, tight: tuple[int, ...] = (), probation: bool = False
    ) -> None:
        self.current_ma = current_ma
        self.exact_ma = exact_ma
        self.admitted = admitted
        self.tight = tight
        self.probation = probation


Shares = Mapping[str, Share]


def share_out(requests: Iterable[Request], room_ma: Sequence[int], balances: Sequence[Balance] = ()) -> Shares:
    """Shares by EVSE, in the order in which they were served. Room below 0 counts as 0.

    With `balances` the sharing is repeated: what a pass has given stays given and lifts the emptiest phase, which
    makes room on the others, until nobody gets more. Each pass keeps every limit.
    """
    ordered = in_order(requests)
    first = set_aside(ordered, room_ma)
    ordered = ordered if first is ordered else in_order(first)
    shares = _share(first, ordered, room_ma)
    for _ in range(_PASSES if balances else 0):
        given = {name: share.current_ma for name, share in shares.items() if share.admitted}
        kept = [replace(one, least_ma=given[one.id]) if one.id in given else one for one in ordered]
        first = [one for one in kept if one.id in given] + [one for one in kept if one.id not in given]
        following = _share(first, kept, _balanced(room_ma, balances, kept, given))
        if all(share.current_ma == following[name].current_ma for name, share in shares.items()):
            return following
        shares = following
    return shares


def _share(for_admission: Sequence[Request], ordered: Sequence[Request], room_ma: Sequence[int]) -> Shares:
    room = [max(0, one) for one in room_ma]
    admission = admit(for_admission, room)
    served = admission.served
    if for_admission is not ordered:
        places = {request.id: place for place, request in enumerate(served.requests)}
        served = served.only([places[request.id] for request in ordered if request.id in places])
    filled = fill(served, room)
    rounded = round_down(served, filled.current_ma, room)
    given = _given(served, filled, rounded)
    if len(given) == len(ordered):
        return given
    return {request.id: given.get(request.id) or _nothing(request, admission) for request in ordered}


def _balanced(
    room_ma: Sequence[int], balances: Iterable[Balance], requests: Iterable[Request], given: Mapping[str, int]
) -> list[int]:
    room = list(room_ma)
    loads: dict[int, int] = {}
    for request in requests:
        for link in request.links:
            loads[link] = loads.get(link, 0) + given.get(request.id, 0)
    for balance in balances:
        links = range(balance.first, balance.first + 3)
        for link, one in zip(links, balance.room([loads.get(link, 0) for link in links]), strict=True):
            room[link] = one
    return room


def _given(served: Placed, filled: Fill, rounded: Rounded) -> dict[str, Share]:
    shares: dict[str, Share] = {}
    blockers: list[dict[int, tuple[int, ...]]] = [{} for _ in served.links]
    for place, request in enumerate(served.requests):
        links: tuple[int, ...] = ()
        current_ma = rounded.current_ma[place]
        if current_ma < request.most_ma:
            spot, step_ma = served.spots[place], request.step_ma
            known = blockers[spot]
            if step_ma not in known:
                known[step_ma] = tight(served.links[spot], rounded.left_ma, step_ma)
            links = _first(known[step_ma], filled.bound_by[place])
        shares[request.id] = Share(current_ma, filled.current_ma[place], True, links)
    return shares


def _first(links: tuple[int, ...], bound_by: int | None) -> tuple[int, ...]:
    if len(links) < 2 or bound_by not in links:
        return links
    return (bound_by, *[link for link in links if link != bound_by])


def _nothing(request: Request, admission: Admission) -> Share:
    where = admission.blocked.get(request.id, ())
    return Share(0, 0.0, False, where, request.id in admission.probation)
