"""One figure of a benchmark, as `build/bench.json` holds it, and what a benchmark is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """`value` is ours. `ratio` compares it with `peer`, or with the calibration loop of the same run.

    `reach` and `beyond` are bounds of `judged` ("value" or "ratio"): upper ones, or lower ones where
    `higher_is_better`. Without `reach` the row only informs. `id` is stable from release to release.
    `wall`: `value` is a time that this machine took, in `unit` (s, ms or us), not a simulated one; without a peer
    the report adds its multiple of the calibration loop. `same` False: the peer's result differs from ours, so that
    a ratio of speeds means nothing; the row fails.
    """

    id: str
    what: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None
    reach: float | None = None
    beyond: float | None = None
    judged: str = "value"
    higher_is_better: bool = False
    wall: bool = False
    same: bool = True

    @property
    def ok(self) -> bool | None:
        """None: nothing to reach."""
        if not self.same:
            return False
        return self._within(self.reach)

    @property
    def goes_beyond(self) -> bool | None:
        """None: nothing is set beyond the reach."""
        return self._within(self.beyond) if self.same else False

    def _within(self, bound: float | None) -> bool | None:
        if bound is None:
            return None
        figure = self.ratio if self.judged == "ratio" else self.value
        if figure is None:
            return False
        return figure >= bound if self.higher_is_better else figure <= bound


@dataclass(frozen=True, slots=True)
class Options:
    """`sessions`: a file of real charging sessions; None: benchmarks that need it are left out.

    `out` takes plots and exists. `thorough` runs what takes minutes.
    """

    out: Path
    sessions: Path | None = None
    thorough: bool = False


class PeerMissingError(Exception):
    """What we compare with is not installed and could not be: the part of the benchmark is left out."""


Bench = Callable[[Options], list[Row]]
