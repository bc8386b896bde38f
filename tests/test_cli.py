"""The commands as somebody types them: what they print, and their exit status."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.charging.instant import Instant
from controller.config.problems import EXIT_CONFIG
from controller.config.read import read
from controller.csms.table import TABLE
from controller.store.rows import LimitEvent
from controller.store.store import Store
from controller.terminal import (
    CONFIG_HERE,
    CONFIG_INSTALLED,
    CONFIG_VARIABLE,
    EXIT_FAILED,
    EXIT_UNAVAILABLE,
    default_config,
)

SMALL = Path(__file__).parent / "runtime" / "small_site.toml"
CSMS = """
[csms]
id = "operator"
url = "ws://127.0.0.1:1/ocpp"
version = "2.0.1"
lab = true

[[csms.stations]]
identity = "CP-7"
evses = ["A1"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return Path(shutil.copy(SMALL, tmp_path / "site.toml"))


@pytest.fixture
def connected_site(site: Path) -> Path:
    site.write_text(site.read_text() + CSMS)
    return site


def ampyard(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["ampyard", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_check_says_that_a_sound_site_is_sound(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ampyard(monkeypatch, "check", site, "--details") == 0
    printed = capsys.readouterr().out
    assert "1 EVSEs, 1 circuits: sound" in printed
    assert "TOO MUCH" not in printed


def test_check_lists_every_problem(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = site.read_text().replace('bus = "keba-1"', 'bus = "nowhere"').replace("three-phase-star", "delta")
    site.write_text(text)
    assert ampyard(monkeypatch, "check", site) == EXIT_CONFIG
    said = capsys.readouterr().err
    assert "2 problems" in said
    assert "site.supply" in said
    assert "nowhere" in said


def test_r2_check_refuses_what_it_cannot_prove(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(site.read_text().replace("rating_a = 63", "rating_a = 63\nmax_other_load_a = 60"))
    assert ampyard(monkeypatch, "check", site) == EXIT_CONFIG
    printed = capsys.readouterr()
    assert "TOO MUCH" in printed.out
    assert "controller dead" in printed.err


@pytest.mark.parametrize("command", [["check"], ["run", "-c"], ["reload", "-c"], ["variables", "list", "-c"]])
def test_a_missing_file_is_a_problem_of_the_configuration(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ampyard(monkeypatch, *command, tmp_path / "none.toml") == EXIT_CONFIG
    said = capsys.readouterr().err
    assert "none.toml" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["reload", "resend"])
def test_a_command_without_a_service_says_what_to_look_at(
    command: str, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ampyard(monkeypatch, command, "-c", site) == EXIT_UNAVAILABLE
    said = capsys.readouterr().err
    assert "the service does not answer at 127.0.0.1:0" in said
    assert "is it running?" in said


def test_variables_are_shown_before_the_first_start(
    connected_site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ampyard(monkeypatch, "variables", "get", "HeartbeatInterval", "-c", connected_site) == 0
    assert capsys.readouterr().out.strip().isdecimal()
    assert ampyard(monkeypatch, "variables", "list", "heartbeat", "-c", connected_site) == 0
    assert "OCPPCommCtrlr.HeartbeatInterval" in capsys.readouterr().out
    assert ampyard(monkeypatch, "variables", "get", "NoSuchThing", "-c", connected_site) == EXIT_FAILED


def test_a_variable_is_set_in_the_store_while_nothing_runs(
    connected_site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put = ("variables", "set", "HeartbeatInterval", "77", "-c", connected_site)
    assert ampyard(monkeypatch, *put) == EXIT_UNAVAILABLE, "there is no state folder yet"
    (connected_site.parent / "state").mkdir()
    assert ampyard(monkeypatch, *put) == 0
    capsys.readouterr()
    assert ampyard(monkeypatch, "variables", "get", "HeartbeatInterval", "-c", connected_site) == 0
    assert capsys.readouterr().out.strip() == "77"
    bad = ("variables", "set", "HeartbeatInterval", "often", "-c", connected_site)
    assert ampyard(monkeypatch, *bad) == EXIT_FAILED


@pytest.mark.parametrize("command", [["list"], ["get", "HeartbeatInterval"], ["set", "HeartbeatInterval", "77"]])
def test_without_csms_there_are_no_variables(
    command: list[str], site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ampyard(monkeypatch, "variables", *command, "-c", site) == EXIT_FAILED
    printed = capsys.readouterr()
    assert "no [csms]" in printed.err
    assert printed.out == ""


def test_variables_are_listed_whole_and_aligned(
    connected_site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert ampyard(monkeypatch, "variables", "list", "-c", connected_site) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [variable.name for variable in TABLE]
    accesses = {line[head.index("Access") :].split()[0] for line in lines}
    assert accesses == {variable.access.value for variable in TABLE}
    assert ampyard(monkeypatch, "variables", "list", "zebra", "-c", connected_site) == EXIT_FAILED
    assert "no variable has 'zebra'" in capsys.readouterr().err


def test_a_negative_value_is_a_value(
    connected_site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (connected_site.parent / "state").mkdir()
    put = ("variables", "set", "HeartbeatInterval", "-5", "-c", connected_site)
    assert ampyard(monkeypatch, *put) == EXIT_FAILED
    assert "must be from" in capsys.readouterr().err


def test_a_variable_is_not_set_before_the_site_has_run(
    connected_site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put = ("variables", "set", "HeartbeatInterval", "77", "-c", connected_site)
    assert ampyard(monkeypatch, *put) == EXIT_UNAVAILABLE
    said = capsys.readouterr().err
    assert "has not run yet" in said
    assert "[csms.initial]" in said


def test_only_the_owner_of_the_state_folder_writes_there(
    connected_site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = connected_site.parent / "state"
    state.mkdir()
    owner = pwd.getpwuid(state.stat().st_uid).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: state.stat().st_uid + 1)
    put = ("variables", "set", "HeartbeatInterval", "77", "-c", connected_site)
    assert ampyard(monkeypatch, *put) == EXIT_FAILED
    assert f"sudo -u {owner} ampyard variables set" in capsys.readouterr().err
    assert list(state.iterdir()) == []


def test_the_configuration_is_found_here_then_where_it_is_installed_unless_the_environment_names_it(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(site.parent)
    assert default_config() == CONFIG_HERE
    moved = site.rename(site.with_name("mine.toml"))
    assert default_config() == CONFIG_INSTALLED
    monkeypatch.setenv(CONFIG_VARIABLE, str(moved))
    assert ampyard(monkeypatch, "check") == 0
    assert f"{moved}: 1 EVSEs" in capsys.readouterr().out
    assert ampyard(monkeypatch, "variables", "list") == EXIT_FAILED
    assert ampyard(monkeypatch, "reload") == EXIT_UNAVAILABLE
    assert ampyard(monkeypatch, "check", "other.toml") == EXIT_CONFIG


def test_run_ends_with_sigterm_and_cleanly(site: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "controller", "run", "-c", str(site)],
        cwd=SMALL.parents[2],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    try:
        database = site.parent / "state" / "ampyard.db"
        end_s = time.monotonic() + 30
        line = process.stderr.readline()
        while "A1" not in line and time.monotonic() < end_s:
            line = process.stderr.readline()
        assert database.exists()
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait(20) == 0, said
        assert "Traceback" not in said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_run_in_a_folder_that_another_process_holds_says_so(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from controller.store.database import FolderLock

    (site.parent / "state").mkdir()
    lock = FolderLock(site.parent / "state")
    try:
        assert ampyard(monkeypatch, "run", "-c", site) == EXIT_UNAVAILABLE
    finally:
        lock.release()
    assert "another process works in" in capsys.readouterr().err


def test_the_log_of_limits_is_shown_as_it_was_kept(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ampyard(monkeypatch, "limits", "log", "-c", site) == 0
    assert capsys.readouterr().out == "", "before the first start there is none"
    asyncio.run(log_limits(read(site).state_dir))
    assert ampyard(monkeypatch, "limits", "log", "-c", site) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-23 12:00:00 UTC  utility  set  7.56 kW",
        "2026-11-23 12:00:01 UTC (clock not confirmed)  landlord  set  40 A",
        "2026-11-23 12:00:02 UTC  utility  free",
    ]
    assert ampyard(monkeypatch, "limits", "log", "landlord", "-c", site) == 0
    assert capsys.readouterr().out.count("\n") == 1


async def log_limits(folder: Path) -> None:
    noon = Instant("boot", 100.0, datetime(2026, 11, 23, 12, tzinfo=UTC), trusted=True)
    folder.mkdir()
    store = Store(folder)
    await store.open()
    unsure = replace(noon.later(1), trusted=False)
    await store.log_limits(
        [
            LimitEvent(noon, "utility", "set", value_w=7560),
            LimitEvent(unsure, "landlord", "set", value_ma=40_000),
            LimitEvent(noon.later(2), "utility", "free"),
        ]
    )
    await store.close()
