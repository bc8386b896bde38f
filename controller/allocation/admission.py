"""Which EVSEs charge at all: each that does needs its minimum on every link of its path.

Walk the requests in order (`request.in_order`) and reserve the minimum where it fits. Within a priority those that
charge stand first until their slot is over; then those that have waited for a whole slot; then those that charge
on; then newcomers, the light before the heavy, because one EVSE on three phases can block three on one. A newcomer
whose place two others could have gives it up to them (`swaps`).

One that is due and does not fit yet *claims* its place: nobody new is admitted to what it needs, while those that
charge go on. On its links the number of slots that are not over can then only fall, so that after one more slot
its turn has come. Hence the bound: where K EVSEs of one priority, each of which fits alone, want a place that M of
them can have at a time, nobody waits for longer than (ceil(K / M) + 1) slots.

After a pause for lack of capacity an EVSE comes back only when its minimum has fitted for a while
(`Request.probation`): until then it keeps its room against those behind it, so that a flickering load does not
switch contactors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.request import Request, Standing, fits, tight
from controller.allocation.swaps import swap


@dataclass(frozen=True, slots=True)
class Admission:
    """`blocked` names the links where a minimum did not fit; empty: its own limit is below its minimum.

    `probation` holds those that fit but must still wait.
    """

    admitted: tuple[Request, ...]
    blocked: Mapping[str, tuple[int, ...]]
    probation: frozenset[str]


def admit(ordered: Sequence[Request], room_ma: Sequence[int]) -> Admission:
    left = list(room_ma)
    claimed: _Claims | None = None
    admitted: list[Request] = []
    blocked: dict[str, tuple[int, ...]] = {}
    probation: set[str] = set()
    for request in ordered:
        if claimed is None or claimed.priority != request.priority:
            claimed = _Claims(request.priority, tuple(left), {})
        if request.most_ma < request.least_ma:
            blocked[request.id] = ()
        elif claimed.keep_out(request, left) or not fits(request.links, left, request.least_ma):
            blocked[request.id] = claimed.where(request, left)
            claimed.claim(request)
        elif request.probation:
            probation.add(request.id)
        else:
            admitted.append(request)
    if blocked and claimed is not None and not claimed.claimed_ma:
        admitted = _swapped(ordered, admitted, blocked, left)
    return Admission(tuple(admitted), blocked, frozenset(probation))


def _swapped(
    ordered: Sequence[Request], admitted: Sequence[Request], blocked: dict[str, tuple[int, ...]], left: list[int]
) -> list[Request]:
    turned_away = [one for one in ordered if one.id in blocked and one.standing is Standing.WAITING]
    names = {one.id for one in admitted}
    for out, instead in swap(admitted, turned_away, left):
        names = (names - {out.id}) | {one.id for one in instead}
        for one in instead:
            del blocked[one.id]
        blocked[out.id] = tight(out.links, left, out.least_ma)
    return [one for one in ordered if one.id in names]


@dataclass(frozen=True, slots=True)
class _Claims:
    """What those that are due but do not fit yet keep free of newcomers. `at_first_ma`: the room of the class."""

    priority: int
    at_first_ma: tuple[int, ...]
    claimed_ma: dict[int, int]

    def claim(self, request: Request) -> None:
        """One that would not even fit alone claims nothing: it would wait for ever, and others with it."""
        if request.standing is not Standing.DUE or tight(request.links, self.at_first_ma, request.least_ma):
            return
        for link in request.links:
            self.claimed_ma[link] = self.claimed_ma.get(link, 0) + request.least_ma

    def keep_out(self, request: Request, left_ma: Sequence[int]) -> bool:
        return bool(self.claimed_ma) and _is_new(request) and bool(self._claimed_links(request, left_ma))

    def where(self, request: Request, left_ma: Sequence[int]) -> tuple[int, ...]:
        short = tight(request.links, left_ma, request.least_ma)
        return short or self._claimed_links(request, left_ma)

    def _claimed_links(self, request: Request, left_ma: Sequence[int]) -> tuple[int, ...]:
        claimed = self.claimed_ma
        return tuple(
            link
            for link in dict.fromkeys(request.links)
            if claimed.get(link) and left_ma[link] - claimed[link] < request.least_ma * request.links.count(link)
        )


def _is_new(request: Request) -> bool:
    return request.standing in {Standing.DUE, Standing.WAITING}
