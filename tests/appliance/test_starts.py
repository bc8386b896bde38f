"""When a start counts as one after a crash, with planted time."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.appliance.starts import FILE, WINDOW_S, Starts
from controller.charging.instant import Instant


def at(mono_s: float, boot: str = "boot-1") -> Instant:
    return Instant(boot, mono_s, datetime(2026, 1, 1, tzinfo=UTC), trusted=False)


def begins(folder: Path, *moments: Instant) -> list[bool]:
    """A process each, of which none ends in order."""
    return [Starts(folder).begin(moment) for moment in moments]


def test_r38_the_start_after_the_third_crash_is_in_safe_mode_and_so_are_those_that_follow(tmp_path: Path) -> None:
    starts = begins(tmp_path, at(10.0), at(12.0), at(20.0), at(22.0), at(24.0))
    assert starts == [False, False, False, True, True]


def test_crashes_further_apart_than_the_window_are_no_loop(tmp_path: Path) -> None:
    moments = [at(number * (WINDOW_S / 2 + 1)) for number in range(8)]
    assert not any(begins(tmp_path, *moments))


def test_three_crashes_just_within_the_window_are_a_loop(tmp_path: Path) -> None:
    assert begins(tmp_path, at(0.0), at(1.0), at(2.0), at(WINDOW_S + 0.5)) == [False, False, False, True]


def test_a_run_that_outlasts_the_window_leaves_nothing_to_count(tmp_path: Path) -> None:
    begins(tmp_path, at(0.0), at(1.0), at(2.0))
    assert begins(tmp_path, at(2.0 + WINDOW_S), at(3.0 + WINDOW_S)) == [False, False]


def test_an_orderly_end_is_no_crash_and_clears_the_count(tmp_path: Path) -> None:
    begins(tmp_path, at(0.0), at(1.0), at(2.0))
    in_safe_mode = Starts(tmp_path)
    assert in_safe_mode.begin(at(3.0))
    in_safe_mode.ended()
    assert begins(tmp_path, at(4.0), at(5.0), at(6.0)) == [False, False, False]
    for second in range(7, 20):
        orderly = Starts(tmp_path)
        orderly.begin(at(float(second)))
        orderly.ended()
    assert not (tmp_path / FILE).exists()


def test_power_cuts_are_no_crash_loop(tmp_path: Path) -> None:
    assert not any(begins(tmp_path, *(at(9.0, f"boot-{number}") for number in range(9))))
    begins(tmp_path, at(1.0), at(2.0), at(3.0))
    assert begins(tmp_path, at(4.0, "boot-2"), at(5.0, "boot-2")) == [False, False]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 4000,
        b"{" * 9000,
        b'{"boot": "boot-1"}',
        b'{"boot": "boot-1", "after_crash_s": 7}',
        b'{"boot": "boot-1", "after_crash_s": [NaN, 1e999, -1e999, null, "5", true, [], 1' + b"0" * 400 + b"]}",
        b'{"boot": "boot-1", "after_crash_s": [6.0, 7.0, 8.0]}',
        b'{"boot": ["boot-1"], "after_crash_s": [1.0, 2.0, 3.0]}',
    ],
)
def test_a_damaged_file_counts_no_crash_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert begins(tmp_path, at(5.0)) == [False]
    assert json.loads((tmp_path / FILE).read_bytes())["boot"] == "boot-1"


def test_what_cannot_be_read_or_written_keeps_no_site_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).mkdir()
    starts = Starts(tmp_path)
    assert not starts.begin(at(1.0))
    starts.ended()
    gone = Starts(tmp_path / "gone")
    assert not gone.begin(at(1.0))
    gone.ended()
    assert caplog.text.count("crashes cannot be counted") == 2


def test_the_file_is_durable_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def watched(number: int) -> None:
        synced.append((tmp_path / FILE).exists())
        fsync(number)

    monkeypatch.setattr(os, "fsync", watched)
    Starts(tmp_path).begin(at(1.0))
    assert synced == [False, True], "first the file, then the folder that names it"
