"""Energy delivered by the time the cars leave, over whole days, against a planner that knows the future.

Days are real ones where a file of sessions is given, else seeded ones. The controller knows who is there and what
the drivers said, right or wrong; the planner knows every arrival, departure and appetite of the day. Standard mode
stands beside the deadline mode: the same sharing without a word of any driver.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from tests.bench.days_play import Mode, Played, play
from tests.bench.days_sessions import Appetite, Sessions, Stay, by_day, read, truthful
from tests.bench.days_site import DaySite, scarce
from tests.bench.days_synthetic import days as synthetic_days
from tests.bench.progress import steps
from tests.bench.rows import Options, Row

MET = (0.8, 0.7, 0.6)
"""Shares of all demand that the best plan can meet: how scarce the site is."""
MIDDLE = 0.7
LEAST_CARS = 12
"""Days with fewer cars are quiet: no limit binds."""
REACH, BEYOND = 0.95, 0.99
_SEED = 20
_DAYS = 20
_EVERY_S = 300.0
_EVERY_THOROUGH_S = 60.0
_LITTLE = 0.25


@dataclass(frozen=True, slots=True)
class Season:
    """Days at one site in one mode. `best_wh` by day."""

    days: Sequence[Sequence[Stay]]
    best_wh: Sequence[float]
    played: Sequence[Played]

    @classmethod
    def of(cls, days: Sequence[Sequence[Stay]], scarcity: "Scarcity", mode: Mode, every_s: float) -> "Season":
        what = f"days, {mode.value} mode"
        return cls(
            days, scarcity.best_wh, [play(day, scarcity.site, mode, every_s=every_s) for day in steps(days, what)]
        )

    @property
    def by_day(self) -> list[float]:
        return [sum(day.got_wh.values()) / best_wh for day, best_wh in zip(self.played, self.best_wh, strict=True)]

    @property
    def of_best(self) -> float:
        return sum(sum(day.got_wh.values()) for day in self.played) / sum(self.best_wh)

    @property
    def starts(self) -> list[int]:
        return [count for day in self.played for count in day.starts.values()]

    def satisfied(self, *, silent: bool = False) -> list[float]:
        """By car the part of its appetite that it got; of the cars whose drivers said nothing."""
        return [
            day.got_wh[stay.id] / stay.takes_wh
            for stays, day in zip(self.days, self.played, strict=True)
            for stay in stays
            if not silent or stay.said is None
        ]


@dataclass(frozen=True, slots=True)
class Scarcity:
    site: DaySite
    best_wh: Sequence[float]

    @classmethod
    def of(cls, days: Sequence[Sequence[Stay]], met: float) -> "Scarcity":
        return cls(*scarce(days, met))


def run(options: Options) -> list[Row]:
    """Days of the file if there is one, else seeded days."""
    every_s = _EVERY_THOROUGH_S if options.thorough else _EVERY_S
    if options.sessions is None:
        return _bench(synthetic_days(_SEED, _DAYS), every_s, options.out)
    sessions = read(options.sessions, Appetite.ASKED)
    days = by_day(sessions.stays, least=LEAST_CARS)
    if not days:
        raise ValueError(f"{options.sessions} has no day with {LEAST_CARS} sessions")
    others = by_day(read(options.sessions, Appetite.TAKEN).stays, least=LEAST_CARS)
    taken = Season.of(others, Scarcity.of(others, MIDDLE), Mode.DEADLINE, every_s)
    return [
        *_about_file(sessions, days),
        *_bench(days, every_s, options.out),
        _row("taken", "the same at 70 %, where cars that stopped by themselves were full", taken.of_best),
    ]


def _about_file(sessions: Sessions, days: Sequence[Sequence[Stay]]) -> list[Row]:
    cars = sum(len(day) for day in days)
    return [
        Row("days_sessions", f"sessions of the {len(days)} days with {LEAST_CARS} or more", cars, "sessions"),
        Row("days_left_out", "lines of the file that cannot be believed", sessions.left_out, "lines"),
    ]


def _bench(days: Sequence[Sequence[Stay]], every_s: float, out: Path) -> list[Row]:
    rows: list[Row] = []
    plotted: list[tuple[float, Season, Season]] = []
    for met in MET:
        scarcity = Scarcity.of(days, met)
        standard = Season.of(days, scarcity, Mode.STANDARD, every_s)
        deadline = Season.of(days, scarcity, Mode.DEADLINE, every_s)
        plotted.append((met, standard, deadline))
        rows += _compared(met, standard, deadline)
        if met == MIDDLE:
            told = Season.of(truthful(days), scarcity, Mode.DEADLINE, every_s)
            rows.append(_row("truthful", "the same at 70 %, had every driver said the truth", told.of_best))
            rows += _told_apart(standard, deadline)
    _plot(out / "days.png", plotted)
    return rows


def _compared(met: float, standard: Season, deadline: Season) -> list[Row]:
    where = f"where the best plan meets {met:.0%} of the demand"
    percent = round(100 * met)
    return [
        Row(
            f"days_deadline_{percent}",
            f"energy by departure, deadline mode, {where}",
            deadline.of_best,
            "of the optimum",
            peer="standard mode",
            ratio=deadline.of_best / standard.of_best,
            reach=REACH,
            beyond=BEYOND,
            higher_is_better=True,
        ),
        _row(f"standard_{percent}", f"energy by departure, standard mode, {where}", standard.of_best),
        _row(f"worst_{percent}", f"the worst day, deadline mode, {where}", min(deadline.by_day)),
    ]


def _told_apart(standard: Season, deadline: Season) -> list[Row]:
    """What the deadline mode costs, at the middle scarcity."""
    rows: list[Row] = []
    for mode, season in (("standard", standard), ("deadline", deadline)):
        starts, satisfied, silent = season.starts, season.satisfied(), season.satisfied(silent=True)
        little = sum(part < _LITTLE for part in satisfied)
        rows += [
            Row(f"days_starts_{mode}", f"starts of a car, mean, {mode} mode", _mean(starts), "starts"),
            Row(f"days_most_starts_{mode}", f"starts of a car, most, {mode} mode", max(starts), "starts"),
            Row(f"days_little_{mode}", f"cars with < 25 % of theirs, {mode} mode", little / len(starts), "of cars"),
            Row(
                f"days_silent_{mode}",
                f"what cars without a deadline get of theirs, mean, {mode} mode",
                _mean(silent),
                "of their demand",
            ),
        ]
    return rows


def _row(name: str, what: str, value: float) -> Row:
    return Row(f"days_{name}", what, value, "of the optimum", higher_is_better=True)


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 0.0


def _plot(path: Path, seasons: Sequence[tuple[float, Season, Season]]) -> None:
    """Each day a point: what it got of the optimum in both modes, the worst first."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for place, (met, standard, deadline) in enumerate(seasons):
        axes = figure.add_subplot(1, len(seasons), place + 1)
        for season, label in ((standard, "standard"), (deadline, "deadline")):
            axes.plot(sorted(season.by_day), marker=".", linestyle="none", label=f"{label} {season.of_best:.3f}")
        axes.axhline(REACH, color="black", linewidth=0.8)
        axes.set(title=f"best plan meets {met:.0%}", xlabel="days, the worst first", ylim=(0.6, 1.005))
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="lower right")
    figure.axes[0].set_ylabel("energy by departure / optimum")
    figure.savefig(path, format="png")
