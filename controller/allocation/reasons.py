"""Why an EVSE gets no more: its own maximum, a link, or a limit (R37).

A reason that names a limit is a promise: without that limit this EVSE gets more. Filling alone cannot promise it
(a second link may bind within one step, a car that waits may come in), so that the question is asked again
without the limit. If the EVSE then gets no more, the reason names what binds it next as well ("dimming; board-a,
L2"). The one shortcut: an EVSE held by its own limit, while every link of its path has room for a step, gets that
step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.allocation.circuits import Tree
from controller.allocation.image import Limit, Reason, ReasonKind
from controller.allocation.sharing import Share, share_out
from controller.allocation.situation import Question, Situation, pose

PROBATION = "room must last"


@dataclass(slots=True)
class Explainer:
    """Reasons for one tick; questions without a limit are asked once."""

    situation: Situation
    limits: Sequence[Limit]
    question: Question
    shares: Mapping[str, Share]
    _without: dict[Limit, tuple[Question, Mapping[str, Share]]] = field(default_factory=dict)
    _left_ma: list[float] | None = None

    def reason(self, evse: str) -> Reason:
        found = _reason(self.situation.tree, self.question, self.shares[evse], evse)
        for limit in _binding(self.question, self.shares[evse], evse):
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
        return sum((one.scope, one.target) == (limit.scope, limit.target) for one in self.limits) == 1

    def _room_for_a_step(self, evse: str) -> bool:
        if not self.shares[evse].admitted:
            return False
        if self._left_ma is None:
            self._left_ma = [float(amount) for amount in self.question.room.left_ma]
            for name, share in self.shares.items():
                for link in self.question.requests[name].links:
                    self._left_ma[link] -= share.exact_ma
        request = self.question.requests[evse]
        return all(self._left_ma[link] >= request.step_ma + 1 for link in request.links)

    def _asked_without(self, limit: Limit) -> tuple[Question, Mapping[str, Share]]:
        if limit not in self._without:
            question = pose(self.situation, [one for one in self.limits if one != limit])
            self._without[limit] = question, share_out(question.requests.values(), question.room.left_ma)
        return self._without[limit]

    def _with_next(self, evse: str, limit: Limit, where: str) -> str:
        question, shares = self._asked_without(limit)
        following = _reason(self.situation.tree, question, shares[evse], evse)
        name = following.where or following.kind.value
        return where if name in where else f"{where}; {name}"


def _reason(tree: Tree, question: Question, share: Share, evse: str) -> Reason:
    if share.probation:
        return Reason(ReasonKind.WAITING, PROBATION)
    if not share.tight:
        return _own(question, share, evse)
    names = [_name(tree, question, link) for link in share.tight]
    if not share.admitted:
        return Reason(ReasonKind.WAITING, "; ".join(dict.fromkeys(names)))
    kind = ReasonKind.LIMIT if share.tight[0] in question.room.limited_by else ReasonKind.CIRCUIT
    return Reason(kind, names[0])


def _own(question: Question, share: Share, evse: str) -> Reason:
    limit = question.capped.get(evse)
    if limit is None:
        return Reason(ReasonKind.OWN_MAXIMUM)
    return Reason(ReasonKind.LIMIT if share.admitted else ReasonKind.WAITING, limit.source)


def _name(tree: Tree, question: Question, link: int) -> str:
    limit = question.room.limited_by.get(link)
    return tree.name(link) if limit is None else limit.source


def _binding(question: Question, share: Share, evse: str) -> list[Limit]:
    """Limits that may be the one, the likeliest first."""
    if share.probation:
        return []
    if not share.tight:
        return [question.capped[evse]] if evse in question.capped else []
    limited_by = question.room.limited_by
    return list(dict.fromkeys(limited_by[link] for link in share.tight if link in limited_by))
