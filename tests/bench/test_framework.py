"""The frame that benchmarks run in, and the ground truth that they are judged by."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from controller.allocation.request import Request
from tests.bench import openwb_like
from tests.bench.__main__ import main
from tests.bench.optimum import max_min, most_admitted, most_current
from tests.bench.report import against_calibration
from tests.bench.rows import Row
from tests.bench.sites import Shape, Site, broken, levels, site

BENCHES = """
from tests.bench.rows import PeerMissingError, Row

def good(options):
    return [Row("g", "reached", 1.0, "ms", reach=2.0, wall=True)]

def bad(options):
    return [Row("b", "missed", 3.0, "ms", reach=2.0)]

def lonely(options):
    raise PeerMissingError("nobody to compare with")
"""


@pytest.fixture(autouse=True)
def _benches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_benches.py").write_text(BENCHES, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


def bench(out: Path, *arguments: str, **catalogue: tuple[str, ...]) -> tuple[int, list[dict[str, Any]]]:
    parts = {name: tuple(f"made_up_benches:{one}" for one in functions) for name, functions in catalogue.items()}
    status = main([*arguments, "--out", str(out)], parts)
    return status, json.loads((out / "bench.json").read_text(encoding="utf-8"))


def test_a_missed_row_fails_the_run_and_a_missing_peer_does_not(tmp_path: Path) -> None:
    status, rows = bench(tmp_path, one=("good", "lonely"))
    assert (status, [row["id"] for row in rows if "calibration" not in row["id"]]) == (0, ["g"])
    status, rows = bench(tmp_path, one=("good", "bad"))
    assert status == 1
    assert [row["ok"] for row in rows if row["id"] in "gb"] == [True, False]
    assert "MISSED" in (tmp_path / "bench.md").read_text(encoding="utf-8")


def test_a_benchmark_that_is_not_there_yet_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)], {"soon": ("tests.bench.not_there_yet:run",)}) == 0
    assert "tests.bench.not_there_yet:run is left out" in capsys.readouterr().out
    assert json.loads((tmp_path / "bench.json").read_text(encoding="utf-8")) == []


def test_only_one_benchmark_leaves_the_rows_of_the_others_in_place(tmp_path: Path) -> None:
    bench(tmp_path, one=("bad",), two=("bad",))
    status, rows = bench(tmp_path, "--only", "one", one=("good",), two=("bad",))
    assert status == 0
    assert [(row["bench"], row["id"]) for row in rows if len(row["id"]) == 1] == [("one", "g"), ("two", "b")]


def test_a_time_without_a_peer_is_given_as_a_multiple_of_the_calibration_loop() -> None:
    timed = against_calibration(Row("a", "a", 25.0, "ms", wall=True), 0.05)
    assert (timed.peer, timed.ratio) == ("calibration loop", 0.5)
    simulated = Row("a", "a", 25.0, "s")
    assert against_calibration(simulated, 0.05) == simulated


@pytest.mark.parametrize(
    ("row", "ok", "beyond"),
    [
        (Row("a", "a", 1.0, "ms"), None, None),
        (Row("a", "a", 1.0, "ms", reach=1.0, beyond=0.5), True, False),
        (Row("a", "a", 1.1, "ms", reach=1.0), False, None),
        (Row("a", "a", 9.0, "ms", "peer", 30.0, 20.0, 50.0, "ratio", higher_is_better=True), True, False),
        (Row("a", "a", 9.0, "ms", "peer", 60.0, 20.0, 50.0, "ratio", higher_is_better=True), True, True),
        (
            Row("a", "a", 9.0, "ms", "peer", 60.0, 20.0, 50.0, "ratio", higher_is_better=True, same=False),
            False,
            False,
        ),
        (Row("a", "a", 9.0, "ms", "peer", None, 20.0, judged="ratio"), False, None),
    ],
)
def test_a_row_is_judged_by_its_bound(row: Row, ok: bool | None, beyond: bool | None) -> None:
    assert (row.ok, row.goes_beyond) == (ok, beyond)


def car(name: str, *links: int, **more: Any) -> Request:
    return Request(**{"id": name, "least_ma": 6000, "most_ma": 32_000, "step_ma": 1000, "links": links, **more})


def test_the_optimum_of_small_sites_by_hand() -> None:
    assert max_min([car("A", 0), car("B", 0)], [30_000]) == pytest.approx([15, 15])
    assert max_min([car("A", 0, weight=2), car("B", 0)], [30_000]) == pytest.approx([20, 10])
    assert max_min([car("A", 0, 1), car("B", 0)], [32_000, 10_000]) == pytest.approx([10, 22])
    assert max_min([car("A", 0, priority=1), car("B", 0)], [30_000]) == pytest.approx([24, 6])
    assert max_min([car("A", 0, 0, 0), car("B", 0)], [40_000]) == pytest.approx([10, 10])
    assert most_current([car("A", 0, 1), car("B", 0)], [32_000, 10_000]) == pytest.approx(42)


@pytest.mark.parametrize("seed", range(40))
def test_no_choice_of_cars_admits_more_than_the_optimum(seed: int) -> None:
    one = site(seed, Shape(7, tight=0.15, capped=seed % 2 == 0))
    best = 0
    for chosen in itertools.product((False, True), repeat=7):
        at_least = {
            request.id: request.least_ma * taken for request, taken in zip(one.requests, chosen, strict=True)
        }
        if not broken(one, at_least):
            best = max(best, sum(chosen))
    assert most_admitted(one.requests, one.room_ma) == best


def test_the_check_of_limits_sees_each_kind_of_violation() -> None:
    one = Site((car("A", 0, 0), car("B", 0)), (40_000,))
    assert broken(one, {"A": 10_000, "B": 20_000}) == []
    assert broken(one, {"A": 10_000, "B": 21_000}) == ["link 0: 41000 mA of 40000"]
    assert broken(one, {"A": 0, "B": 5000}) == ["B: 5000 mA is not between 6000 and 32000"]
    assert broken(one, {"A": 0, "B": 33_000}) == ["B: 33000 mA is not between 6000 and 32000"]
    assert broken(one, {"A": 6500, "B": 0}) == ["A: 6500 mA is no multiple of 1000"]


def test_openwb_s_way_gives_minimums_first_and_then_a_part_of_what_is_left() -> None:
    requests = (car("A", 0, 1, 2), car("B", 0, since_s=1.0), car("C", 1, least_ma=16_000, since_s=2.0))
    plant = openwb_like.plant(Site(requests, (30_000, 30_000, 30_000)), [0])
    plant.share()
    assert [point.set_a for point in plant.points] == pytest.approx([10, 20, 20])


def test_sites_are_the_same_in_every_run() -> None:
    assert site(7, Shape(20, capped=True)) == site(7, Shape(20, capped=True))
    assert len(site(7, Shape(20)).room_ma) == 3 * len(levels(20))
