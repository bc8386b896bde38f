"""Which outlet each stack of power modules shall serve. PURE.

An outlet's own stacks come first; what they leave over, or are not asked for, is lent to outlets that are short.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """`wants_w`: DC watts that it would deliver if it could. 0: it needs no module; 1: any module will do."""

    outlet: str
    wants_w: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A stack. `gives_w`: what it can give at each outlet that it reaches; 0: of no use there now.

    `at`: the outlet that it is connected to. `movable` False: it stays where it is.
    """

    stack: str
    home: str
    at: str | None
    gives_w: Mapping[str, int]
    modules: int = 1
    model: str = ""
    together: int = 1000
    """Most modules of its model that may deliver into one outlet."""
    movable: bool = True


@dataclass(slots=True)
class _Board:
    """Who has what while the stacks are dealt out."""

    left_w: dict[str, int]
    dealt: dict[str, str] = field(default_factory=dict)
    modules: dict[tuple[str, str], int] = field(default_factory=dict)

    def fits(self, choice: Choice, outlet: str) -> bool:
        there = self.modules.get((outlet, choice.model), 0)
        return there + choice.modules <= choice.together

    def deal(self, choice: Choice, outlet: str) -> None:
        self.dealt[choice.stack] = outlet
        self.left_w[outlet] = self.left_w.get(outlet, 0) - choice.gives_w.get(outlet, 0)
        key = outlet, choice.model
        self.modules[key] = self.modules.get(key, 0) + choice.modules


def deal(needs: Sequence[Need], choices: Sequence[Choice]) -> Mapping[str, str]:
    """The outlet for every stack: that of its need, else the one that it belongs to."""
    board = _Board({need.outlet: need.wants_w for need in needs})
    free = sorted(choices, key=lambda choice: choice.stack)
    for choice in [choice for choice in free if not choice.movable]:
        board.deal(choice, choice.at or choice.home)
    free = _own(board, [choice for choice in free if choice.movable])
    free = _lent(board, free)
    for choice in free:
        board.deal(choice, choice.home)
    return board.dealt


def _own(board: _Board, free: Sequence[Choice]) -> list[Choice]:
    """Each outlet gets of its own stacks what it needs, those first that are there already."""
    for choice in sorted(free, key=lambda choice: choice.at != choice.home):
        if (
            _short(board, choice.home)
            and choice.gives_w.get(choice.home, 0) > 0
            and board.fits(choice, choice.home)
        ):
            board.deal(choice, choice.home)
    return [choice for choice in free if choice.stack not in board.dealt]


def _lent(board: _Board, free: Sequence[Choice]) -> list[Choice]:
    """One stack at a time to whoever lacks most; who has one keeps it before another is moved."""
    free = list(free)
    while free:
        offers = [
            (choice, outlet) for choice in free for outlet in choice.gives_w if _useful(board, choice, outlet)
        ]
        if not offers:
            break
        choice, outlet = min(offers, key=lambda offer: _rank(board, *offer))
        board.deal(choice, outlet)
        free.remove(choice)
    return free


def _useful(board: _Board, choice: Choice, outlet: str) -> bool:
    return _short(board, outlet) and choice.gives_w[outlet] > 0 and board.fits(choice, outlet)


def _short(board: _Board, outlet: str) -> bool:
    return board.left_w.get(outlet, 0) > 0


def _rank(board: _Board, choice: Choice, outlet: str) -> tuple[bool, int, str, str]:
    return (choice.at != outlet, -board.left_w[outlet], outlet, choice.stack)
