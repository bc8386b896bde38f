"""Which EVSEs charge at all: each that does needs its minimum on every link of its path.

Walk the requests in order (`request.in_order`) and reserve the minimum where it fits. Within a priority those that
charge stand first until their slot is over; then those that have waited for a whole slot; then those that charge
on; then newcomers, the light before the heavy, because one EVSE on three phases can block three on one. A newcomer
whose place two others could have gives it up to them (`swaps`), but for places that are claimed:

One that is due and does not fit yet *claims* its place: nobody new is admitted to what it needs, while those that
charge go on. On its links the number of slots that are not over can then only fall, so that after one more slot
its turn has come. Hence the bound: where K EVSEs of one priority, each of which fits alone, want a place that M of
them can have at a time, nobody waits for longer than (ceil(K / M) + 1) slots. That holds for sessions without a
deadline, which are due after a slot of waiting; one with a deadline is due only after `urgency.PATIENCE` slots.

After a pause for lack of capacity an EVSE comes back only when its minimum has fitted for a while
(`Request.probation`): until then it keeps its room against those behind it, so that a flickering load does not
switch contactors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.request import Placed, Request, Standing, fits, tight
from controller.allocation.swaps import swap


@dataclass(frozen=True, slots=True)
class Admission:
    """`blocked` names the links where a minimum did not fit; empty: its own limit is below its minimum.

    `probation` holds those that fit but must still wait.
    """

    served: Placed
    blocked: Mapping[str, tuple[int, ...]]
    probation: frozenset[str]

    @property
    def admitted(self) -> list[Request]:
        return self.served.requests


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

    def concerns(self, request: Request) -> bool:
        """A swap of this one could take what is claimed."""
        return request.priority <= self.priority and not self.claimed_ma.keys().isdisjoint(request.links)

    def _claimed_links(self, request: Request, left_ma: Sequence[int]) -> tuple[int, ...]:
        claimed = self.claimed_ma
        return tuple(
            link
            for link in dict.fromkeys(request.links)
            if claimed.get(link) and left_ma[link] - claimed[link] < request.least_ma * request.links.count(link)
        )


def admit(ordered: Iterable[Request], room_ma: Sequence[int]) -> Admission:
    left = list(room_ma)
    """True of scarce links. The others have room for all minimums whatever happens: nobody is counted there."""
    placed = Placed.of(ordered, left)
    scarce = _scarce(placed, left)
    claims: list[_Claims] = []
    admitted: list[int] = []
    blocked: dict[str, tuple[int, ...]] = {}
    probation: set[str] = set()
    for place, request in enumerate(placed.requests):
        if not claims or claims[-1].priority != request.priority:
            claims.append(_Claims(request.priority, tuple(left), {}))
        claimed = claims[-1]
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
    if len(blocked) > 1:
        claims = [one for one in claims if one.claimed_ma]
        admitted = _swapped(placed, admitted, blocked, left=left, claims=claims)
    served = placed if len(admitted) == len(placed.requests) else placed.only(admitted)
    return Admission(served, blocked, frozenset(probation))


def _scarce(placed: Placed, room_ma: list[int]) -> list[tuple[int, ...]]:
    """Of each spot: the links without room for the minimums of all."""
    scarce = [needed > room_ma[link] for link, needed in enumerate(placed.least_ma)]
    if True not in scarce:
        return [()] * len(placed.links)
    return [tuple([link for link in links if scarce[link]]) for links in placed.links]


def _swapped(
    placed: Placed,
    admitted: list[int],
    blocked: dict[str, tuple[int, ...]],
    *,
    left: list[int],
    claims: list[_Claims],
) -> list[int]:
    turned_away = [one for one in placed.requests if one.id in blocked and one.standing is Standing.WAITING]
    turned_away = _unclaimed(turned_away, claims)
    if len(turned_away) < 2:
        return admitted
    served = [placed.requests[place] for place in admitted]
    names = {one.id for one in served}
    for out, instead in swap(_unclaimed(served, claims), turned_away, left):
        names = (names - {out.id}) | {one.id for one in instead}
        for one in instead:
            del blocked[one.id]
        blocked[out.id] = tight(out.links, left, out.least_ma)
    return [place for place, one in enumerate(placed.requests) if one.id in names]


def _unclaimed(requests: list[Request], claims: list[_Claims]) -> list[Request]:
    """Those that load no link that somebody of their own or a higher priority claims."""
    for claimed in claims:
        requests = [request for request in requests if not claimed.concerns(request)]
    return requests


def _is_new(request: Request) -> bool:
    return request.standing in {Standing.DUE, Standing.WAITING}
