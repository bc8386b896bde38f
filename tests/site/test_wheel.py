"""What `pip install` of the wheel gives is the whole product: commands, device profiles, scenarios, demo."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.site.processes import ROOT

pytestmark = pytest.mark.site

START_S = 60.0


def _pip(*arguments: str, python: str = sys.executable, cwd: Path) -> None:
    command = (python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel alone. The libraries come from this one: no network, and quick."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = (
        "controller",
        "drivers",
        "sim",
        "firmware-profiles",
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    )
    source.mkdir()
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in tracked), str(source)], check=True)
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(source), cwd=folder)
    [wheel] = folder.glob("ampyard-*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv/bin/python"
    _pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel), cwd=folder)
    _lend_libraries(python)
    return folder / "venv/bin"


def _lend_libraries(python: Path) -> None:
    """Make the libraries of this environment visible, but neither its Ampyard nor the checkout."""
    site = Path(sysconfig.get_path("purelib", vars={"base": str(python.parents[1])}))
    theirs = Path(sysconfig.get_path("purelib"))
    lent = site / "lent"
    lent.mkdir()
    for entry in theirs.iterdir():
        if "ampyard" not in entry.name and entry.suffix != ".pth":
            (lent / entry.name).symlink_to(entry)
    (site / "lent.pth").write_text(f"{lent}\n", encoding="utf-8")


PACKAGES = {
    "controller": "controller",
    "drivers": "drivers",
    "sim": "sim",
    "firmware-profiles": "firmware_profiles",
}


def _files(top: Path) -> set[str]:
    """What belongs to the product, in a checkout as in an installation, but for bytecode and screenshots."""
    return {
        f"{package}/{file.relative_to(folder)}"
        for source, package in PACKAGES.items()
        for folder in (top / source, top / package)
        for file in folder.rglob("*.*")
        if file.is_file() and file.suffix not in {".pyc", ".png"} and "__pycache__" not in file.parts
    }


def _run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_wheel_brings_everything_along(installed: Path, tmp_path: Path) -> None:
    where = "import controller, drivers, firmware_profiles, sim; print(controller.__file__, sim.__file__)"
    found = _run(str(installed / "python"), "-c", where, cwd=tmp_path)
    assert found.stdout.count(str(installed.parent)) == 2, found
    assert _files(ROOT) == _files(Path(found.stdout.split()[0]).parents[1]), "files are missing from the wheel"
    version = _run(
        str(installed / "python"), "-c", "from controller.app import product_version as v; print(v())", cwd=tmp_path
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+\s*", version.stdout), version

    simulator = subprocess.Popen(
        [str(installed / "python"), "-m", "sim", "small", "--out", str(tmp_path / "site")],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert simulator.stdout is not None
        assert simulator.stdout.readline().startswith("SIM http://"), "the scenarios came along"
        checked = _run(str(installed / "ampyard"), "check", str(tmp_path / "site/site.toml"), cwd=tmp_path)
        assert (checked.returncode, "2 EVSEs" in checked.stdout) == (0, True), checked
    finally:
        simulator.terminate()
        simulator.wait(20)
        if simulator.stdout is not None:
            simulator.stdout.close()


def test_the_installed_demo_starts_and_cars_charge(installed: Path, tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("wb") as stream:
        demo = subprocess.Popen(
            [str(installed / "ampyard"), "demo"], cwd=tmp_path, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        _wait(lambda: "a car at" in log.read_text(encoding="utf-8", errors="replace"), demo, log)
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(40)
    finally:
        _end_all_of(demo, tmp_path)


def _wait(ready: Callable[[], bool], demo: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while not ready():
        assert demo.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        assert time.monotonic() < deadline_s, log.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.2)


def _end_all_of(demo: subprocess.Popen[bytes], folder: Path) -> None:
    """The demo's own processes are in groups of their own; each was started in this folder."""
    demo.kill()
    demo.wait(20)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve() == folder.resolve():
                os.kill(int(entry.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue
