"""A current shared among power modules, so that at no moment more than it can be flowing. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """`bound_ma`: the most that this module may be delivering now, whatever it was told last.

    `most_ma`: what it may be asked for; 0 for one that does not obey or must not run.
    """

    address: int
    bound_ma: int
    most_ma: int


def shares(total_ma: int, members: Sequence[Member]) -> dict[int, int]:
    """What to order from each module that may be asked.

    A module is raised only by what the bounds of all others leave of the total, so that a raise waits until the
    cuts that make room for it have been confirmed, and a silent module takes its bound from the others.
    """
    usable = [member for member in members if member.most_ma > 0]
    held_ma = sum(member.bound_ma for member in members if member.most_ma <= 0)
    aims = _even(max(0, total_ma - held_ma), usable)
    slack_ma = total_ma - sum(member.bound_ma for member in members)
    orders: dict[int, int] = {}
    for member in sorted(usable, key=lambda each: aims[each.address] - each.bound_ma):
        raise_ma = min(max(0, aims[member.address] - member.bound_ma), max(0, slack_ma))
        slack_ma -= raise_ma
        orders[member.address] = min(aims[member.address], member.bound_ma + raise_ma)
    return orders


def _even(room_ma: int, usable: Sequence[Member]) -> dict[int, int]:
    """The same for each, as far as each can; whole milliamperes, rounded down."""
    aims: dict[int, int] = {}
    waiting = sorted(usable, key=lambda each: each.most_ma)
    for place, member in enumerate(waiting):
        aims[member.address] = min(member.most_ma, room_ma // (len(waiting) - place))
        room_ma -= aims[member.address]
    return aims
