"""The allocation in a process of its own, compiled or pure: `python -m tests.bench.solver` where `controller` lies.

A question per line, an answer per line. A site goes by its seed and shape: each process has its own requests.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from controller.allocation.compiled import is_compiled
from controller.allocation.sharing import share_out
from tests.bench.compiled import ROOT, NotCompiledError, compiled
from tests.bench.sites import Shape, Site, site
from tests.bench.timing import Times, time_calls


@dataclass(frozen=True, slots=True)
class Case:
    """A site that every process can make. `step_ma`: of all chargers; None: as they are."""

    seed: int
    shape: Shape
    step_ma: int | None = None

    def site(self) -> Site:
        one = site(self.seed, self.shape)
        if self.step_ma is None:
            return one
        return replace(one, requests=tuple(replace(request, step_ma=self.step_ma) for request in one.requests))


@dataclass(frozen=True, slots=True)
class Solved:
    """`current_ma` by EVSE, of each case."""

    times: Times
    current_ma: Sequence[Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Build:
    """One way to run the product. `suffix` for ids of rows, none for what is judged; `note` for people."""

    suffix: str
    note: str
    asks: IO[str]
    answers: IO[str]

    def solve(self, cases: Sequence[Case], repeats: int) -> Solved:
        """Times as in `time_calls`."""
        question = {"cases": [asdict(one) for one in cases], "repeats": repeats}
        self.asks.write(json.dumps(question) + "\n")
        self.asks.flush()
        answer = self.answers.readline()
        if not answer:
            raise ChildProcessError(f"the allocation's process ({self.note}) has ended; what it said stands above")
        found: dict[str, Any] = json.loads(answer)
        return Solved(Times(found["wall_s"], found["cpu_s"]), found["current_ma"])


@contextmanager
def builds(out: Path) -> Iterator[Sequence[Build]]:
    """Compiled and pure; the latter alone, with the reason in its note, where nothing can be compiled."""
    with ExitStack() as running:
        try:
            found = [
                _started(running, compiled(out / "compiled"), "", "compiled"),
                _started(running, ROOT, "_pure", "pure Python"),
            ]
        except NotCompiledError as missing:
            found = [_started(running, ROOT, "", f"NOT compiled, pure Python: {missing}")]
        yield found


def _started(running: ExitStack, folder: Path, suffix: str, note: str) -> Build:
    """In the folder, so that its `controller` comes before any other."""
    process = running.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.solver", "pure" if folder == ROOT else "compiled"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    if process.stdin is None or process.stdout is None:
        raise ChildProcessError("the allocation's process has no pipes")
    return Build(suffix, note, process.stdin, process.stdout)


def _answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
    cases = [Case(one["seed"], Shape(**one["shape"]), one["step_ma"]) for one in question["cases"]]
    sites = [one.site() for one in cases]
    times = time_calls([partial(share_out, one.requests, one.room_ma) for one in sites], question["repeats"])
    shares = [share_out(one.requests, one.room_ma) for one in sites]
    current_ma = [{name: share.current_ma for name, share in one.items()} for one in shares]
    return {"wall_s": times.wall_s, "cpu_s": times.cpu_s, "current_ma": current_ma}


def main(kind: str) -> None:
    if is_compiled() != (kind == "compiled"):
        raise SystemExit(f"this is not {kind}")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
