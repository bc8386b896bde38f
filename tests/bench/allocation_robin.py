"""The allocation against acnportal's round robin (BSD-3), on the same sites in the same run.

Both are given the same grid of setpoints; it serves the cars in our order, as its result depends on it.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from controller.allocation.request import Request
from controller.allocation.sharing import share_out
from tests.bench.duel import Duel, duel, mean, quality_rows, same_result, speed
from tests.bench.peer_venv import interpreter
from tests.bench.plots import ours_and_theirs
from tests.bench.progress import steps
from tests.bench.rows import Options, PeerMissingError, Row
from tests.bench.sites import Shape, Site, site

_NEEDS = ("acnportal==0.3.3", "setuptools<81")
"""It imports `pkg_resources`, which later setuptools have no more."""

_PEER = "acnportal round robin"
_SITES = {10: 30, 50: 12, 100: 10}
_JUDGED = 100
_FINE_MA = 100


@dataclass(frozen=True, slots=True)
class _Robin:
    """Its process: a question per line, an answer per line."""

    asks: IO[str]
    answers: IO[str]

    def solve(self, one: Site) -> Duel:
        self.asks.write(_as_json(one, share_out(one.requests, one.room_ma)) + "\n")
        self.asks.flush()
        answer = self.answers.readline()
        if not answer:
            raise PeerMissingError("acnportal's process has ended; what it said stands above")
        found: Mapping[str, Any] = json.loads(answer)
        return duel(one, {name: 1000 * amount for name, amount in found["current_a"].items()}, found["seconds"])


def run(options: Options) -> list[Row]:
    """`thorough`: also 500 EVSEs, a quarter of a minute for each site."""
    python = interpreter(options.out / "peers" / "acnportal", _NEEDS)
    command: list[str | Path] = [python, "-W", "ignore", Path(__file__).with_name("acn_peer.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise PeerMissingError("acnportal's process has no pipes")
        robin = _Robin(process.stdin, process.stdout)
        sizes = _SITES | ({500: 3} if options.thorough else {})
        duels = {evses: _duels(robin, evses, count) for evses, count in sizes.items()}
        fine = [robin.solve(_finer(site(0, Shape(_JUDGED, plain=True))))]
    seconds = {
        evses: (mean(one.our_s for one in of), mean(one.their_s for one in of)) for evses, of in duels.items()
    }
    ours_and_theirs(options.out / "allocation-round-robin.png", _PEER, seconds)
    rows = [row for evses, found in duels.items() for row in _rows(evses, found)]
    return [*rows, _row(f"round_robin_{_JUDGED}_fine", f"{_JUDGED} EVSEs in steps of 0.1 A", fine)]


def _duels(robin: _Robin, evses: int, count: int) -> list[Duel]:
    seeds = steps(range(count), f"round robin, {evses} EVSEs")
    return [robin.solve(site(seed, Shape(evses, plain=True))) for seed in seeds]


def _rows(evses: int, duels: Sequence[Duel]) -> list[Row]:
    name = f"round_robin_{evses}"
    row = _row(name, f"{evses} EVSEs", duels)
    if evses == _JUDGED:
        row = replace(row, reach=2000.0, beyond=5000.0)
    return [row, *quality_rows(name, _PEER, duels)]


def _row(name: str, sites: str, duels: Sequence[Duel]) -> Row:
    return Row(
        id=name,
        what=f"one allocation, mean of {len(duels)} sites of {sites}; ratio: how much faster",
        value=1000 * mean(one.our_s for one in duels),
        unit="ms",
        peer=_PEER,
        ratio=speed(duels),
        judged="ratio",
        higher_is_better=True,
        same=same_result(duels),
    )


def _finer(one: Site) -> Site:
    return replace(one, requests=tuple(replace(request, step_ma=_FINE_MA) for request in one.requests))


def _as_json(one: Site, order: Iterable[str]) -> str:
    requests = {request.id: request for request in one.requests}
    cars = [
        {"id": name, "pilots_a": [0.0, *_grid(requests[name])], "links": requests[name].links} for name in order
    ]
    return json.dumps({"room_a": [room / 1000 for room in one.room_ma], "cars": cars})


def _grid(request: Request) -> list[float]:
    return [amount / 1000 for amount in range(request.least_ma, request.most_ma + 1, request.step_ma)]
