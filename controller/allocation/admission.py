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

from controller.allocation.request import Placed, Request, Standing, fits, tight
from controller.allocation.swaps import swap


@dataclass(frozen=True, slots=True)
class Admission:
    """`blocked` names the links where a minimum did not fit; empty: its own limit is below its minimum.

    `probation` holds those that fit but must still wait.
    """

    admitted: Sequence[Request]
    blocked: Mapping[str, tuple[int, ...]]
    probation: frozenset[str]


def admit(ordered: Sequence[Request], room_ma: Sequence[int]) -> Admission:
    placed = Placed.of(ordered)
    scarce = _scarce(placed, room_ma)
    left = list(room_ma)
    """True of scarce links. The others have room for all minimums whatever happens: nobody is counted there."""
    claimed: _Claims | None = None
    admitted: list[int] = []
    blocked: dict[str, tuple[int, ...]] = {}
    probation: set[str] = set()
    for place, request in enumerate(placed):
        if claimed is None or claimed.priority != request.priority:
            claimed = _Claims(request.priority, tuple(left), {})
        links = scarce[placed.spots[place]]
        if request.most_ma < request.least_ma:
            blocked[request.id] = ()
        elif links and (claimed.keep_out(request, left) or not fits(links, left, request.least_ma)):
            blocked[request.id] = claimed.where(request, left)
            claimed.claim(request)
        elif request.probation:
            probation.add(request.id)
        else:
            admitted.append(place)
    if blocked and claimed is not None and not claimed.claimed_ma:
        admitted = _swapped(placed, admitted, blocked, left)
    served = placed if len(admitted) == len(placed) else placed.only(admitted)
    return Admission(served, blocked, frozenset(probation))


def _scarce(placed: Placed, room_ma: Sequence[int]) -> list[list[int]]:
    """Of each spot: the links without room for the minimums of all."""
    needed_ma = placed.load_ma([one.least_ma for one in placed], len(room_ma))
    scarce = [needed > room for needed, room in zip(needed_ma, room_ma, strict=True)]
    if not any(scarce):
        return [[]] * len(placed.links)
    return [[link for link in links if scarce[link]] for links in placed.links]


def _swapped(
    placed: Placed, admitted: list[int], blocked: dict[str, tuple[int, ...]], left: list[int]
) -> list[int]:
    turned_away = [one for one in placed if one.id in blocked and one.standing is Standing.WAITING]
    if len(turned_away) < 2:
        return admitted
    served = [placed[place] for place in admitted]
    names = {one.id for one in served}
    for out, instead in swap(served, turned_away, left):
        names = (names - {out.id}) | {one.id for one in instead}
        for one in instead:
            del blocked[one.id]
        blocked[out.id] = tight(out.links, left, out.least_ma)
    return [place for place, one in enumerate(placed) if one.id in names]


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
