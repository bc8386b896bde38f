"""`make bench`: runs the benchmarks of the catalogue and reports. Exit status 1 when a row misses its reach."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.bench import report
from tests.bench.calibration import measure
from tests.bench.catalogue import CATALOGUE, Catalogue, load
from tests.bench.rows import Options, PeerMissingError, Row


def main(arguments: Sequence[str] | None = None, catalogue: Catalogue = CATALOGUE) -> int:
    chosen = _parse(arguments, catalogue)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    out: Path = chosen.out
    out.mkdir(parents=True, exist_ok=True)
    options = Options(out=out, sessions=chosen.sessions, thorough=chosen.thorough)
    records = report.read(out / "bench.json") if chosen.only else []
    names = [chosen.only] if chosen.only else list(catalogue)
    for name in names:
        rows = _run(catalogue[name], options, console)
        records = report.merged(records, name, rows)
        report.write(records, out)
    report.show(records, console)
    console.print(f"Written to {out}/bench.json and {out}/bench.md, plots beside them.")
    return 1 if any(one["ok"] is False for one in records if one["bench"] in names) else 0


def _parse(arguments: Sequence[str] | None, catalogue: Catalogue) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Runs the benchmarks.")
    parser.add_argument("--only", metavar="NAME", choices=list(catalogue), help=f"one of {', '.join(catalogue)}")
    parser.add_argument("--sessions", metavar="FILE", type=Path, help="real charging sessions, for the days")
    parser.add_argument("--thorough", action="store_true", help="also what takes many minutes")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("build"))
    chosen = parser.parse_args(arguments)
    if chosen.sessions is not None and not chosen.sessions.is_file():
        parser.error(f"there is no file {chosen.sessions}")
    return chosen


def _run(parts: Sequence[str], options: Options, console: Console) -> list[Row]:
    """Calibrated next to each part, because the speed of a shared machine drifts."""
    rows: list[Row] = []
    for part in parts:
        try:
            bench = load(part)
            calibration_s = measure()
            console.print(f"[bold]{part}[/bold] (calibration loop {1000 * calibration_s:.1f} ms)")
            found = bench(options)
        except PeerMissingError as missing:
            console.print(f"{part} is left out: {missing}", style="yellow", markup=False)
            continue
        after_s = (calibration_s + measure()) / 2
        rows += [report.against_calibration(row, after_s) for row in found]
        rows.append(_calibration(part, after_s))
    return rows


def _calibration(part: str, calibration_s: float) -> Row:
    what = "one calibration loop, in the same run"
    name = part.removeprefix("tests.bench.").removesuffix(":run")
    return Row(f"calibration_{name}", what, 1000 * calibration_s, "ms")


if __name__ == "__main__":
    sys.exit(main())
