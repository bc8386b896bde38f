"""What is set aside, admission, filling and rounding in a row: the allocation of one moment, without memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from controller.allocation.admission import Admission, admit
from controller.allocation.caps import Balance
from controller.allocation.filling import Fill, fill
from controller.allocation.request import Placed, Request, in_order, tight
from controller.allocation.rounding import Rounded, round_down
from controller.allocation.urgency import set_aside

_PASSES = 50


class Share(NamedTuple):
    """What one EVSE gets. `tight` are the links that keep it from more, the one that bound it first.

    Not admitted: 0 mA and the links where its minimum did not fit; none, if it is its own limit or `probation`.
    """

    current_ma: int
    exact_ma: float
    admitted: bool
    tight: tuple[int, ...] = ()
    probation: bool = False


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
    served = Placed.of(admission.admitted)
    if for_admission is not ordered:
        names = {request.id for request in served}
        served = Placed.of(request for request in ordered if request.id in names)
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


def _given(admitted: Placed, filled: Fill, rounded: Rounded) -> dict[str, Share]:
    shares: dict[str, Share] = {}
    blockers: dict[tuple[int, int], tuple[int, ...]] = {}
    each = zip(admitted, admitted.spots, rounded.current_ma, filled.current_ma, filled.bound_by, strict=True)
    for request, spot, current_ma, exact_ma, bound_by in each:
        links: tuple[int, ...] = ()
        if current_ma < request.most_ma:
            path = (spot, request.step_ma)
            if path not in blockers:
                blockers[path] = tight(request.links, rounded.left_ma, request.step_ma)
            links = _first(blockers[path], bound_by)
        shares[request.id] = Share(current_ma, exact_ma, True, links)
    return shares


def _first(links: tuple[int, ...], bound_by: int | None) -> tuple[int, ...]:
    if len(links) < 2 or bound_by not in links:
        return links
    return (bound_by, *[link for link in links if link != bound_by])


def _nothing(request: Request, admission: Admission) -> Share:
    where = admission.blocked.get(request.id, ())
    return Share(0, 0.0, False, where, request.id in admission.probation)
