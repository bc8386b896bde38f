"""Deadline mode: who is pressed for time, and what is set aside for whom before the rest is shared.

A driver said how much energy the car needs and when he leaves. What he says is a poor forecast: half of the drivers
leave before half of the time that they stated, two in five before a fifth of it, one in four stays longer, and
most ask for more than the car will take.
Two rules that look right are therefore wrong. Giving each car just the current that it needs until its deadline
puts off what can be done now, for somebody who is then gone. And giving everybody the minimum first spends a tight
board on 6 A here and 6 A there, of which a car on one phase leaves the other two idle. Hence:

1. **How pressed.** The power that a session needs, remaining energy / time left, is worked out as if a fifth of the
   time were left (`FORESIGHT`), and capped at what EVSE and EV can take. Between equals the power that it needs by
   the driver's own word decides. Both count in octaves of 500 W: `urgency` does not move with every watt-hour, and
   who charges is moved up by two of the lower octaves, so that two equals do not take turns.
2. **One after the other** (`set_aside`). In the order of urgency each session has all that it can take set aside,
   as far as the links have it, rather than a minimum for everybody; who finds less than its minimum waits. A car
   at full power is gone or full sooner, and no link idles for it: the filling hands out the rest as it always does.
3. **A deadline takes from deadlines only.** Before any of this, those in their slot and those that are due keep
   their minimum, and a session without a deadline keeps what it would have if nobody had one. While somebody who
   is due does not fit, nothing is set aside for newcomers.
4. **Nobody waits for ever.** A session with a deadline is due after `PATIENCE` slots without current. A start is
   worth a slot: nobody makes way for urgency more often than once in each.

Overdue, or with a deadline that is no number: like a session without one (`NO_DEADLINE`). With its energy
delivered: last in the order (`SATISFIED`), as it has had what was promised, but it charges on where there is room.

All numbers are integers, and none depends on other sessions: the order of two sessions does not change when a third
comes or goes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from controller.allocation.admission import admit
from controller.allocation.filling import fill
from controller.allocation.image import Deadline
from controller.allocation.request import Placed, Request, Standing, fits, give_back, in_order, tight
from controller.allocation.rounding import round_down

FORESIGHT = 5
"""So many times sooner than stated it might be over."""
PATIENCE = 4
"""After so many slots without current a session with a deadline is due; one without, after a single slot."""
SATISFIED = -1
"""The urgency of a session that has had the energy it asked for."""
NO_DEADLINE = 0

_OCTAVE_W = 500
_OCTAVES = 16
_CHARGING = 2
_SOONEST_S = 60
_LATEST_S = 10_000_000
_HIGHEST_W = 10_000_000


@dataclass(frozen=True, slots=True)
class Offer:
    """The most that an EVSE and its EV can take: current per phase, on so many phases."""

    most_ma: int
    phases: int
    voltage_mv: int

    @property
    def power_w(self) -> int:
        return max(0, self.most_ma) * self.phases * self.voltage_mv // 1_000_000


def urgency(deadline: Deadline | None, offer: Offer, now_s: float, *, charging: bool) -> int:
    """Higher is served first; above 0: all that it can take is set aside for it, as far as there is room.

    `charging`: it was admitted in the last tick.
    """
    if deadline is None or not deadline.departs_s > now_s:
        return NO_DEADLINE
    if deadline.energy_wh <= 0:
        return SATISFIED
    need_w = _need_w(deadline, now_s)
    soon = _octave(min(FORESIGHT * need_w, offer.power_w))
    stated = _octave(min(need_w, offer.power_w))
    return 1 + _OCTAVES * soon + min(stated + _CHARGING * charging, _OCTAVES - 1)


def is_over(waited_s: float, slot_s: float, deadline_urgency: int) -> bool:
    """A session that waits for so long is due."""
    return waited_s >= (slot_s if deadline_urgency == NO_DEADLINE else PATIENCE * slot_s)


def set_aside(ordered: Sequence[Request], room_ma: Sequence[int]) -> Sequence[Request]:
    """The requests with what is set aside for them as their minimum, those that have something first.

    `ordered` is `request.in_order`. Admission in the order that comes back, filling and rounding then do what they
    always do: what is set aside fits together. Without a deadline anywhere nothing changes.
    """
    if all(one.urgency == NO_DEADLINE for one in ordered):
        return ordered
    room = [max(0, amount) for amount in room_ma]
    aside = _Aside(list(room))
    equal_ma = _without_deadlines(ordered, room)
    for one in ordered:
        aside.keep(one, _kept_ma(one, equal_ma.get(one.id, 0)))
    held_up = {one.priority for one in ordered if one.id not in equal_ma and _claims(one, room)}
    late = [one for one in ordered if one.urgency != NO_DEADLINE or _is_idle(one)]
    for one in sorted(late, key=lambda one: (-one.priority, _is_idle(one), -one.urgency)):
        if one.priority not in held_up or not _is_new(one):
            aside.press(one)
    return aside.served_first(ordered)


def _need_w(deadline: Deadline, now_s: float) -> int:
    left_s = int(min(_LATEST_S, max(_SOONEST_S, math.ceil(min(deadline.departs_s - now_s, _LATEST_S)))))
    return min(deadline.energy_wh * 3600 // left_s, _HIGHEST_W)


def _octave(power_w: int) -> int:
    """0 below 500 W, then one more each time that it doubles."""
    return (power_w // _OCTAVE_W).bit_length()


def _without_deadlines(ordered: Iterable[Request], room_ma: Sequence[int]) -> dict[str, int]:
    """What each session would have, if it has anything or holds its place, were there no deadlines at all."""
    admission = admit(in_order(replace(one, urgency=NO_DEADLINE) for one in ordered), room_ma)
    left = list(room_ma)
    holding = {one.id: one.least_ma for one in ordered if one.id in admission.probation}
    for one in ordered:
        give_back(one.links, left, -holding.get(one.id, 0))
    placed = Placed.of(admission.admitted, left) if holding else admission.served
    rounded = round_down(placed, fill(placed, left).current_ma, left)
    return holding | {one.id: amount for one, amount in zip(placed, rounded.current_ma, strict=True)}


def _kept_ma(one: Request, equal_ma: int) -> int:
    """What comes before any urgency; 0: nothing."""
    if not equal_ma or _is_idle(one):
        return 0
    if one.urgency == NO_DEADLINE:
        return equal_ma
    return one.least_ma if one.standing in {Standing.SERVING, Standing.DUE} else 0


def _is_idle(one: Request) -> bool:
    return one.standing is Standing.IDLE


def _is_new(one: Request) -> bool:
    return one.standing in {Standing.DUE, Standing.WAITING}


def _claims(one: Request, room_ma: Sequence[int]) -> bool:
    """It is due, and would fit alone."""
    able = one.standing is Standing.DUE and one.most_ma >= one.least_ma
    return able and not tight(one.links, room_ma, one.least_ma)


@dataclass(slots=True)
class _Aside:
    """`left_ma` is what is not set aside yet, per link; `given_ma` by EVSE."""

    left_ma: list[int]
    given_ma: dict[str, int] = field(default_factory=dict)

    def keep(self, one: Request, amount_ma: int) -> None:
        if amount_ma and fits(one.links, self.left_ma, amount_ma):
            self.given_ma[one.id] = amount_ma

    def press(self, one: Request) -> None:
        """Its minimum, and if it is pressed all that it can take, on its grid, as far as there is room."""
        if one.id not in self.given_ma and one.most_ma >= one.least_ma:
            self.keep(one, one.least_ma)
        calm = one.urgency == SATISFIED or one.probation or _is_idle(one)
        if calm or one.id not in self.given_ma:
            return
        wanted_ma = one.most_ma - self.given_ma[one.id]
        spare_ma = min((self.left_ma[link] // one.links.count(link) for link in one.links), default=wanted_ma)
        more_ma = min(spare_ma, wanted_ma) // one.step_ma * one.step_ma
        if more_ma > 0 and fits(one.links, self.left_ma, more_ma):
            self.given_ma[one.id] += more_ma

    def served_first(self, ordered: Iterable[Request]) -> list[Request]:
        found = [self._served(one) if one.id in self.given_ma else one for one in ordered]
        return sorted(found, key=lambda one: one.id not in self.given_ma)

    def _served(self, one: Request) -> Request:
        return replace(one, least_ma=self.given_ma[one.id], standing=Standing.SERVING)
