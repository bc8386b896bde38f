"""What the tick remembers between calls. Only the allocation looks inside.

All of it is lost at a restart: every default is the conservative one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.allocation.wiring import Wiring
from drivers.api import MeterReading, Phases


class Sample(NamedTuple):
    """Currents per supply phase at a moment."""

    t_s: float
    current_ma: Phases


class Answers(NamedTuple):
    """`unreachable_s`: the last tick at which it was: only a later confirmation says what it holds.

    `stuck_s`: since when it has not taken a lower setpoint.
    """

    unreachable_s: float | None = None
    stuck_s: float | None = None


class Held(NamedTuple):
    """A bound and since when it has been in force."""

    since_s: float
    bound_ma: int


class Settling(NamedTuple):
    """The bounds of the last seconds, oldest first: a cut needs time to reach the EV.

    `counted_ma` is the largest that may still be drawn; `cut_s`: when the bound last fell.
    """

    held: tuple[Held, ...] = ()
    counted_ma: int = 0
    cut_s: float | None = None

    @property
    def bound_ma(self) -> int | None:
        """The one in force; None before the first tick."""
        return self.held[-1].bound_ma if self.held else None


class Drawing(NamedTuple):
    """The last measured currents, oldest first, and the lowest setpoint in force since the newest."""

    samples: tuple[Sample, ...] = ()
    lowest_ma: int = 0


class Overdrawing(NamedTuple):
    """`since_s`: when it entered its stage, by the reading that showed it."""

    stage: int = 0
    since_s: float | None = None


class PhaseUse(NamedTuple):
    """`fewer_s`: since when it has measured fewer phases than count. `used`: the first so many; None: all."""

    used: int | None = None
    fewer_s: float | None = None
    plug_counter: int | None = None


class TaperCut(NamedTuple):
    """What an EV drew, and might have drawn, when it was planned with less."""

    t_s: float
    drawn_ma: int
    bound_ma: int


class Taper(NamedTuple):
    """`most_ma` is what the EV was seen to take, and a little; None: it may want all.

    `below_s`: since when it has drawn less than it may; `peak_ma`: the most it drew since then. `permille`: so much
    of any current that it may draw it does draw. `cut`: of its last change of `most_ma`, until the effect is seen.
    """

    most_ma: int | None = None
    below_s: float | None = None
    peak_ma: int = 0
    permille: int = 1000
    cut: TaperCut | None = None


class Turn(NamedTuple):
    """`since_s`: when it was admitted, or when it began to wait. `paused`: for lack of capacity.

    `fits_s`: since when its minimum has fitted again.
    """

    admitted: bool = False
    since_s: float | None = None
    paused: bool = False
    fits_s: float | None = None


_NO_ANSWERS = Answers()
_NO_SETTLING = Settling()
_NO_DRAWING = Drawing()
_NO_OVERDRAWING = Overdrawing()
_NO_PHASE_USE = PhaseUse()
_NO_TAPER = Taper()
_NO_TURN = Turn()


class Shed(NamedTuple):
    """Locked to spare a breaker; `where` names the phase of the circuit."""

    until_s: float
    where: str


@dataclass(frozen=True, slots=True)
class EvseMemory:
    """`set_ma` is the last setpoint planned."""

    set_ma: int = 0
    raised_s: float | None = None
    answers: Answers = _NO_ANSWERS
    settling: Settling = _NO_SETTLING
    drawing: Drawing = _NO_DRAWING
    overdrawing: Overdrawing = _NO_OVERDRAWING
    phase_use: PhaseUse = _NO_PHASE_USE
    taper: Taper = _NO_TAPER
    turn: Turn = _NO_TURN
    shed: Shed | None = None

    def is_shed(self, now_s: float) -> bool:
        return self.shed is not None and now_s < self.shed.until_s


class Metered(NamedTuple):
    """The last two samples of a meter, oldest first, and what shows whether it is frozen.

    `least_ma` and `most_ma` are bounds of what the EVs drew when its values last changed; `disagrees_s`: since when
    they draw so differently that it should have changed; `moves_again`: it did at last, and counts from the next
    reading on.
    """

    samples: tuple[Sample, ...]
    newest: MeterReading
    least_ma: Phases
    most_ma: Phases
    disagrees_s: float | None = None
    moves_again: bool = False


class Surplus(NamedTuple):
    """What would be exported without the cars that wait for it, over all phases, smoothed; `t_s`: of the reading.

    `short_s`: since when it has been too little for those that charge with it.
    """

    room_ma: float
    t_s: float
    short_s: float | None = None


Worn = tuple[float, float, float]
"""The part of a breaker's thermal budget that is spent, for each phase of its circuit."""


@dataclass(frozen=True, slots=True)
class Memory:
    """By id of the EVSE, the circuit or the meter; `at_s` is the time of the last tick."""

    wiring: Wiring | None = None
    evses: Mapping[str, EvseMemory] = field(default_factory=dict)
    base_ma: Mapping[str, Phases] = field(default_factory=dict)
    ours_ma: Mapping[str, Phases] = field(default_factory=dict)
    """What the EVs below a circuit were believed to draw together."""
    at_s: float | None = None
    metered: Mapping[str, Metered] = field(default_factory=dict)
    surplus: Surplus | None = None
    worn: Mapping[str, Worn] = field(default_factory=dict)

    def elapsed_s(self, now_s: float) -> float:
        """Since the last tick; 0 at the first."""
        return 0.0 if self.at_s is None else now_s - self.at_s
