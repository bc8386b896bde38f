"""The allocation against acnportal's round robin (BSD-3), on the same sites in the same run.

Both are given the same grid of setpoints; it serves the cars in our order, as its result depends on it. Both are
timed twice, in turns, and the better time of each counts: neighbours on the machine come and go.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from controller.allocation.request import Request
from controller.allocation.sharing import share_out
from tests.bench.duel import Duel, duel, mean, quality_rows, same_result, speed
from tests.bench.peer_venv import interpreter
from tests.bench.plots import ours_and_theirs
from tests.bench.progress import steps
from tests.bench.rows import Options, PeerMissingError, Row
from tests.bench.sites import Shape, Site
from tests.bench.solver import Build, Case, builds

_NEEDS = ("acnportal==0.3.3", "setuptools<81")
"""It imports `pkg_resources`, which later setuptools have no more."""

_PEER = "acnportal round robin"
_SITES = {10: 30, 50: 12, 100: 10}
_JUDGED = 100
_FINE_MA = 100
_TURNS = 2
_REPEATS = 99
"""Of ours, the median: a single call is too short to be timed."""


@dataclass(frozen=True, slots=True)
class _Robin:
    """Its process: a question per line, an answer per line."""

    asks: IO[str]
    answers: IO[str]

    def solve(self, one: Site) -> tuple[Mapping[str, float], float]:
        """Setpoints in mA, and seconds."""
        self.asks.write(_as_json(one, share_out(one.requests, one.room_ma)) + "\n")
        self.asks.flush()
        answer = self.answers.readline()
        if not answer:
            raise PeerMissingError("acnportal's process has ended; what it said stands above")
        found: Mapping[str, Any] = json.loads(answer)
        return {name: 1000 * amount for name, amount in found["current_a"].items()}, found["seconds"]


@dataclass(frozen=True, slots=True)
class _Field:
    """Sites of one kind, solved by us in each way that the product can be built."""

    name: str
    sites: str
    cases: Sequence[Case]
    judged: bool = False

    def rows(self, robin: _Robin, found: Sequence[Build]) -> tuple[list[Row], Sequence[Duel]]:
        """And the duels of what is judged."""
        duels: dict[str, list[Duel]] = {build.suffix: [] for build in found}
        for case in steps(self.cases, f"round robin, {self.sites}"):
            one = case.site()
            turns = [(robin.solve(one), [build.solve([case], _REPEATS) for build in found]) for _ in range(_TURNS)]
            theirs = min((theirs for theirs, _ in turns), key=lambda each: each[1])
            for place, build in enumerate(found):
                tried = [duel(case, ours[place], *theirs) for _, ours in turns]
                duels[build.suffix].append(min(tried, key=lambda each: each.our_s))
        rows = [self._row(build, duels[build.suffix]) for build in found]
        return [*rows, *quality_rows(self.name, _PEER, duels[""])], duels[""]

    def _row(self, build: Build, duels: Sequence[Duel]) -> Row:
        judged = self.judged and not build.suffix
        sites = f"{len(duels)} sites of {self.sites}, {build.note}"
        return Row(
            id=self.name + build.suffix,
            what=f"one allocation, mean of {sites}; ratio: how much faster",
            value=1000 * mean(one.our_s for one in duels),
            unit="ms",
            peer=_PEER,
            ratio=speed(duels),
            reach=2000.0 if judged else None,
            beyond=5000.0 if judged else None,
            judged="ratio",
            higher_is_better=True,
            same=same_result(duels),
        )


def run(options: Options) -> list[Row]:
    """`thorough`: also 500 EVSEs, a quarter of a minute for each site."""
    python = interpreter(options.out / "peers" / "acnportal", _NEEDS)
    command: list[str | Path] = [python, "-W", "ignore", Path(__file__).with_name("acn_peer.py")]
    rows: list[Row] = []
    seconds: dict[int, tuple[float, float]] = {}
    with (
        builds(options.out) as found,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        if process.stdin is None or process.stdout is None:
            raise PeerMissingError("acnportal's process has no pipes")
        robin = _Robin(process.stdin, process.stdout)
        for evses, count in (_SITES | ({500: 3} if options.thorough else {})).items():
            cases = [Case(seed, Shape(evses, plain=True)) for seed in range(count)]
            field = _Field(f"round_robin_{evses}", f"{evses} EVSEs", cases, judged=evses == _JUDGED)
            of_field, duels = field.rows(robin, found)
            rows += of_field
            seconds[evses] = mean(one.our_s for one in duels), mean(one.their_s for one in duels)
        fine = Case(0, Shape(_JUDGED, plain=True), step_ma=_FINE_MA)
        rows += _Field(f"round_robin_{_JUDGED}_fine", f"{_JUDGED} EVSEs in steps of 0.1 A", [fine]).rows(
            robin, found
        )[0]
    ours_and_theirs(options.out / "allocation-round-robin.png", _PEER, seconds)
    return rows


def _as_json(one: Site, order: Iterable[str]) -> str:
    requests = {request.id: request for request in one.requests}
    cars = [
        {"id": name, "pilots_a": [0.0, *_grid(requests[name])], "links": requests[name].links} for name in order
    ]
    return json.dumps({"room_a": [room / 1000 for room in one.room_ma], "cars": cars})


def _grid(request: Request) -> list[float]:
    return [amount / 1000 for amount in range(request.least_ma, request.most_ma + 1, request.step_ma)]
