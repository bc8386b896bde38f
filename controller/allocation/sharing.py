"""Admission, filling and rounding in a row: the allocation of one moment, without memory or time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.admission import admit
from controller.allocation.filling import fill
from controller.allocation.request import Request, in_order, tight
from controller.allocation.rounding import round_down


@dataclass(frozen=True, slots=True)
class Share:
    """What one EVSE gets. `tight` are the links that keep it from more, the one that bound it first.

    Not admitted: 0 mA and the links where its minimum did not fit; none, if it is its own limit or `probation`.
    """

    current_ma: int
    exact_ma: float
    admitted: bool
    tight: tuple[int, ...] = ()
    probation: bool = False


def share_out(requests: Iterable[Request], room_ma: Sequence[int]) -> Mapping[str, Share]:
    """Shares by EVSE, in the order in which they were served. Room below 0 counts as 0."""
    room = [max(0, one) for one in room_ma]
    ordered = in_order(requests)
    admission = admit(ordered, room)
    filled = fill(admission.admitted, room)
    rounded = round_down(admission.admitted, filled.current_ma, room)
    left = list(room)
    for request, current_ma in zip(admission.admitted, rounded, strict=True):
        for link in request.links:
            left[link] -= current_ma
    shares = {
        request.id: Share(current_ma, exact_ma, admitted=True, tight=_blockers(request, current_ma, left, bound_by))
        for request, current_ma, exact_ma, bound_by in zip(
            admission.admitted, rounded, filled.current_ma, filled.bound_by, strict=True
        )
    }
    for request in ordered:
        if request.id not in shares:
            where = admission.blocked.get(request.id, ())
            shares[request.id] = Share(
                0, 0.0, admitted=False, tight=where, probation=request.id in admission.probation
            )
    return {request.id: shares[request.id] for request in ordered}


def _blockers(request: Request, current_ma: int, left: Sequence[int], bound_by: int | None) -> tuple[int, ...]:
    if current_ma >= request.most_ma:
        return ()
    links = tight(request, left, request.step_ma)
    return tuple(sorted(links, key=lambda link: (link != bound_by, link)))
