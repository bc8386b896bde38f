"""Why an EVSE gets no more: its own maximum, a link, or a limit (R37).

A reason that names a limit is a promise: without that limit this EVSE gets more. Filling alone cannot promise it
(a second link may bind within one step, a car that waits may come in), so that the question is asked again
without the limit. If the EVSE then gets no more, the reason names what binds it next as well ("dimming; board-a,
L2"). The one shortcut: an EVSE held by its own limit, while every link of its path has room for a step, gets that
step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.allocation.caps import SURPLUS
from controller.allocation.image import Limit, Reason, ReasonKind
from controller.allocation.sharing import Share, Shares, share_out
from controller.allocation.situation import Question, Situation, pose

PROBATION = "room must last"


@dataclass(slots=True)
class Explainer:
    """Reasons for one tick; questions without a limit are asked once."""

    situation: Situation
    limits: Sequence[Limit]
    question: Question
    shares: Shares
    _without: dict[Limit, tuple[Question, Shares]] = field(default_factory=dict)
    _left_ma: list[float] | None = None

    def reason(self, evse: str) -> Reason:
        found = self._reason(self.question, self.shares, evse)
        for limit in self._binding(evse):
            if self._would_raise(evse, limit):
                kind = found.kind if found.kind is ReasonKind.WAITING else ReasonKind.LIMIT
                return Reason(kind, limit.source)
            if limit.source in found.where:
                found = Reason(found.kind, self._with_next(evse, limit, found.where))
        return found

    def _would_raise(self, evse: str, limit: Limit) -> bool:
        if self.question.capped.get(evse) == limit and self._only_one(limit) and self._room_for_a_step(evse):
            return True
        return self._asked_without(limit)[1][evse].current_ma > self.shares[evse].current_ma

    def _only_one(self, limit: Limit) -> bool:
        """No other limit, and nothing of the session or the EV, holds it as well."""
        same = sum((one.scope, one.target) == (limit.scope, limit.target) for one in self.limits)
        return same == 1 and self._own_most(limit.target)

    def _own_most(self, evse: str) -> bool:
        one = next((one for one in self.situation.evses if one.point.id == evse), None)
        demand = None if one is None else one.image.demand
        return one is not None and one.memory.taper.most_ma is None and (demand is None or demand.max_ma is None)

    def _room_for_a_step(self, evse: str) -> bool:
        if not self.shares[evse].admitted:
            return False
        if self._left_ma is None:
            self._left_ma = [float(amount) for amount in self.question.room_ma]
            for name, share in self.shares.items():
                for link in self.question.requests[name].links:
                    self._left_ma[link] -= share.exact_ma
        request = self.question.requests[evse]
        return all(self._left_ma[link] >= 3 * (request.step_ma + 1) for link in request.links)

    def _asked_without(self, limit: Limit) -> tuple[Question, Shares]:
        if limit not in self._without:
            question = pose(self.situation, [one for one in self.limits if one != limit])
            shares = share_out(question.requests.values(), question.room_ma, question.balances)
            self._without[limit] = question, shares
        return self._without[limit]

    def _with_next(self, evse: str, limit: Limit, where: str) -> str:
        following = self._reason(*self._asked_without(limit), evse)
        name = following.where or following.kind.value
        return where if name in where else f"{where}; {name}"

    def _binding(self, evse: str) -> list[Limit]:
        """Limits that may be the one, the likeliest first."""
        share, question = self.shares[evse], self.question
        if share.probation:
            return []
        capped = question.capped.get(evse)
        if not share.tight:
            return [capped] if isinstance(capped, Limit) else []
        return list(dict.fromkeys(question.limited_by[link] for link in share.tight if link in question.limited_by))

    def _reason(self, question: Question, shares: Shares, evse: str) -> Reason:
        share, wiring = shares[evse], self.situation.wiring
        if share.probation:
            return Reason(ReasonKind.WAITING, PROBATION)
        if not share.tight:
            return _own(question.capped.get(evse), share)
        names = [question.name(wiring, link) for link in share.tight]
        if not share.admitted:
            return Reason(ReasonKind.WAITING, "; ".join(dict.fromkeys(names)))
        if names[0] == SURPLUS:
            return Reason(ReasonKind.SURPLUS)
        return Reason(ReasonKind.LIMIT if share.tight[0] in question.limited_by else ReasonKind.CIRCUIT, names[0])


def _own(why: Limit | str | None, share: Share) -> Reason:
    if why is None:
        return Reason(ReasonKind.OWN_MAXIMUM)
    if isinstance(why, Limit):
        return Reason(ReasonKind.LIMIT if share.admitted else ReasonKind.WAITING, why.source)
    return Reason(ReasonKind.OWN_MAXIMUM if share.admitted else ReasonKind.WAITING, why)
