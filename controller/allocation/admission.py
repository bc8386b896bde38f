"""Which EVSEs charge at all: each that does needs its minimum on every link of its path.

Walk the requests in order (`request.in_order`) and reserve the minimum where it fits. Who is charging stands before
who waits, within a priority, so an EVSE loses its place only to a higher priority or when capacity is lost. After
such a pause it comes back only when its minimum has fitted for a while (`Request.probation`): until then it
keeps its room against those behind it, so that a flickering load does not switch contactors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.request import Request, tight


@dataclass(frozen=True, slots=True)
class Admission:
    """`blocked` names the links where a minimum did not fit; empty: its own limit is below its minimum.

    `probation` holds those that fit but must still wait.
    """

    admitted: tuple[Request, ...]
    blocked: Mapping[str, tuple[int, ...]]
    probation: frozenset[str]


def admit(ordered: Iterable[Request], room_ma: Sequence[int]) -> Admission:
    left = list(room_ma)
    admitted: list[Request] = []
    blocked: dict[str, tuple[int, ...]] = {}
    probation: set[str] = set()
    for request in ordered:
        where = tight(request, left, request.least_ma)
        if where or request.most_ma < request.least_ma:
            blocked[request.id] = where
            continue
        for link in request.links:
            left[link] -= request.least_ma
        if request.probation:
            probation.add(request.id)
        else:
            admitted.append(request)
    return Admission(tuple(admitted), blocked, frozenset(probation))
