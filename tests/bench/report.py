"""`build/bench.json`, `build/bench.md` and the table on the terminal."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.rows import Row

CALIBRATION = "calibration loop"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_HEADS = ("bench", "id", "what", "value", "unit", "ratio", "peer", "reach", "beyond", "ok")
_SHOWN = ("id", "value", "unit", "ratio", "peer", "reach", "beyond", "ok")
_NUMBERS = frozenset(("value", "ratio", "reach", "beyond"))

Record = Mapping[str, Any]
"""One row as JSON holds it."""


def against_calibration(row: Row, calibration_s: float) -> Row:
    """A wall-clock time without a peer gets its multiple of the calibration loop."""
    if not row.wall or row.peer is not None:
        return row
    return replace(row, peer=CALIBRATION, ratio=row.value * _SECONDS[row.unit] / calibration_s)


def record(bench: str, row: Row) -> Record:
    return {
        "bench": bench,
        "id": row.id,
        "what": row.what,
        "value": row.value,
        "unit": row.unit,
        "peer": row.peer,
        "ratio": row.ratio,
        "reach": row.reach,
        "beyond": row.beyond,
        "judged": row.judged,
        "better": "higher" if row.higher_is_better else "lower",
        "ok": row.ok,
        "goes_beyond": row.goes_beyond,
    }


def merged(before: Sequence[Record], bench: str, rows: Iterable[Row]) -> list[Record]:
    """What was there, with the rows of this benchmark replaced where they stood."""
    new = [record(bench, row) for row in rows]
    places = [place for place, one in enumerate(before) if one["bench"] == bench]
    at = places[0] if places else len(before)
    others = [one for one in before if one["bench"] != bench]
    return [*others[:at], *new, *others[at:]]


def read(path: Path) -> list[Record]:
    """Nothing where there is no file, or one that is not ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    return [one for one in found if isinstance(one, dict) and "bench" in one] if isinstance(found, list) else []


def write(records: Sequence[Record], out: Path) -> None:
    (out / "bench.json").write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    lines = [
        " | ".join(("", *cells, "")).strip() for cells in (_HEADS, ("---",) * len(_HEADS), *map(_cells, records))
    ]
    (out / "bench.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def show(records: Sequence[Record], console: Console) -> None:
    """Without `bench` and `what`, which stand in the Markdown: a line of a terminal is short."""
    table = Table(title="Benchmarks", title_justify="left")
    for head in _SHOWN:
        table.add_column(head, justify="right" if head in _NUMBERS else "left", no_wrap=head != "peer")
    for one in records:
        style = {None: None, True: "green", False: "red"}[one["ok"]]
        cells = dict(zip(_HEADS, _cells(one), strict=True))
        table.add_row(*(cells[head] for head in _SHOWN), style=style)
    console.print(table)


def _cells(one: Record) -> tuple[str, ...]:
    sign = ">=" if one["better"] == "higher" else "<="
    times = "x" if one["judged"] == "ratio" else ""
    bounds = ["" if one[key] is None else f"{sign} {_number(one[key])}{times}" for key in ("reach", "beyond")]
    ratio = "" if one["ratio"] is None else f"{_number(one['ratio'])}x"
    verdict = {None: "", True: "beyond" if one["goes_beyond"] else "ok", False: "MISSED"}[one["ok"]]
    texts = (one["bench"], one["id"], one["what"], _number(one["value"]), one["unit"], ratio, one["peer"] or "")
    return (*texts, *bounds, verdict)


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.3g}"
