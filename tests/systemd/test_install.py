import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from controller.config.document import Document
from controller.config.fields import Table
from controller.config.proof import load

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "systemd" / "site.example.toml"
INSTALL = ROOT / "systemd" / "install.sh"
PROGRAM = """import sys
def main():
    print("ampyard {version}", sys.argv[1:])
"""


def install(*arguments: object, destination: Path | None, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHON": sys.executable, **environment}
    if destination is not None:
        variables["DESTDIR"] = str(destination)
    command = ["/bin/sh", str(INSTALL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=110)


def wheel(folder: Path, version: str, program: str = PROGRAM) -> Path:
    """A wheel of the product's name that needs nothing."""
    folder.mkdir(exist_ok=True)
    path = folder / f"ampyard-{version}-py3-none-any.whl"
    info = f"ampyard-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ampyard_stand_in.py", program.replace("{version}", version))
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: ampyard\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\nampyard = ampyard_stand_in:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "releases" not in path.parts
    }


def releases(folder: Path) -> list[Path]:
    return sorted((folder / "opt" / "ampyard" / "releases").iterdir())


def current(folder: Path) -> Path:
    """The release that the link names, found below the folder."""
    return folder / (folder / "opt" / "ampyard" / "venv").readlink().relative_to("/")


def says(folder: Path) -> str:
    told = subprocess.run([current(folder) / "bin" / "ampyard", "run"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_the_script_is_plain_posix_shell() -> None:
    told = subprocess.run(["/bin/sh", "-n", INSTALL], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    text = INSTALL.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert not re.search(r"\[\[|\blocal +\w|\bfunction\b|\$'|<<<", text)
    assert os.access(INSTALL, os.X_OK)


def test_a_dry_run_says_everything_and_does_nothing(tmp_path: Path) -> None:
    destination = tmp_path / "root"
    told = install("--dry-run", ROOT, destination=destination)
    assert told.returncode == 0, told.stderr
    for part in (
        "-m venv",
        "pip install",
        "ampyard.service",
        "sysusers.d",
        "tmpfiles.d",
        "rules.d",
        "site.toml",
        "usr/local/bin/ampyard",
    ):
        assert part in told.stdout, part
    assert not destination.exists()


def stand_ins(folder: Path, user: int) -> str:
    """A search path whose `id` names the user, and whose tools that change anything only say that they ran."""
    tools = (
        "install",
        "mkdir",
        "rm",
        "ln",
        "mv",
        "chgrp",
        "systemctl",
        "systemd-sysusers",
        "systemd-tmpfiles",
        "udevadm",
    )
    scripts = {name: f"echo RAN {name}" for name in tools} | {"id": f"echo {user}"}
    for name, does in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_dry_run_on_the_live_system_touches_nothing(tmp_path: Path) -> None:
    told = install("--dry-run", ROOT, destination=None, PATH=stand_ins(tmp_path, 0))
    assert told.returncode == 0, told.stderr
    for part in ("systemd-sysusers", "systemd-tmpfiles", "udevadm control", "systemctl daemon-reload"):
        assert f"would run: {part}" in told.stdout
    assert "would run: systemctl try-restart ampyard.service" in told.stdout
    assert "RAN" not in told.stdout


@pytest.mark.parametrize("arguments", [["--dry-run", ROOT], ["--dry-run", "--uninstall"]])
def test_without_root_it_refuses(tmp_path: Path, arguments: list[object]) -> None:
    told = install(*arguments, destination=None, PATH=stand_ins(tmp_path, 1000))
    assert told.returncode == 1
    assert "must be run as root" in told.stderr
    assert "RAN" not in told.stdout


def test_it_installs_updates_and_uninstalls(tmp_path: Path) -> None:
    destination = tmp_path / "root"
    offline = ("--", "--no-index")

    told = install(wheel(tmp_path, "1.0"), *offline, destination=destination)
    assert told.returncode == 0, told.stderr
    assert {
        "etc/systemd/system/ampyard.service",
        "usr/lib/sysusers.d/ampyard.conf",
        "usr/lib/tmpfiles.d/ampyard.conf",
        "etc/udev/rules.d/60-ampyard.rules",
        "etc/ampyard/site.toml",
    } <= files(destination)
    assert "systemctl enable --now ampyard" in told.stdout
    assert says(destination) == "ampyard 1.0 ['run']"
    command = destination / "usr" / "local" / "bin" / "ampyard"
    assert command.readlink() == Path("/opt/ampyard/venv/bin/ampyard")

    configuration = destination / "etc" / "ampyard" / "site.toml"
    assert configuration.stat().st_mode & 0o777 == 0o640
    configuration.write_text("# mine\n")
    told = install(wheel(tmp_path, "1.1"), *offline, destination=destination)
    assert told.returncode == 0, told.stderr
    assert configuration.read_text() == "# mine\n"
    assert says(destination) == "ampyard 1.1 ['run']"
    assert len(releases(destination)) == 2

    broken = wheel(tmp_path, "1.2", "def main():\n    raise SystemExit(3)\n")
    told = install(broken, *offline, destination=destination)
    assert told.returncode == 1
    assert "unchanged" in told.stderr
    assert says(destination) == "ampyard 1.1 ['run']"
    assert len(releases(destination)) == 2

    state = destination / "var" / "lib" / "ampyard" / "ampyard.db"
    state.parent.mkdir(parents=True)
    state.write_text("")
    for _ in range(2):
        told = install("--uninstall", destination=destination)
        assert told.returncode == 0, told.stderr
    assert files(destination) == {"etc/ampyard/site.toml", "var/lib/ampyard/ampyard.db"}
    assert not command.is_symlink()


HEADERS = Path(sysconfig.get_path("include"), "Python.h")
BACKEND = """import os, zipfile
def build_wheel(folder, settings=None, metadata=None):
    compiled = os.environ["AMPYARD_COMPILE"] == "1"
    if compiled and {fails}:
        raise SystemExit("the compiler broke")
    name, info = "ampyard-2.0-py3-none-any.whl", "ampyard-2.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.writestr("controller/allocation/compiled.py", f"def is_compiled(): return {{compiled}}")
        archive.writestr("ampyard_stand_in.py", "def main(): pass")
        archive.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: ampyard\\nVersion: 2.0\\n")
        archive.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "/entry_points.txt", "[console_scripts]\\nampyard = ampyard_stand_in:main\\n")
        archive.writestr(info + "/RECORD", "")
    return name
"""


def checkout(folder: Path, *, fails: bool) -> Path:
    """A checkout whose build does nothing but say what it was asked for; `fails` when asked to compile."""
    (folder / "controller" / "allocation").mkdir(parents=True)
    (folder / "controller" / "allocation" / "compiled.py").write_text(
        "def is_compiled(): raise SystemExit('not me')"
    )
    (folder / "setup.cfg").write_text("")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["controller"]\n'
    )
    (folder / "controller" / "backend.py").write_text(BACKEND.format(fails=fails))
    return folder


@pytest.mark.parametrize(
    ("fails", "environment", "told"),
    [
        (False, {"CC": "/bin/true"}, ["allocation: compiled"]),
        (True, {"CC": "/bin/true"}, ["could not be compiled", "allocation: Python"]),
        (False, {"CC": "/nowhere/cc"}, ["allocation: Python"]),
    ],
    ids=["compiler", "broken compiler", "no compiler"],
)
@pytest.mark.skipif(not HEADERS.exists(), reason="Python's headers are not installed (python3-dev)")
def test_a_checkout_is_compiled_where_that_is_possible_and_says_which(
    tmp_path: Path, fails: bool, environment: dict[str, str], told: list[str]
) -> None:
    source = checkout(tmp_path / "checkout", fails=fails)
    answer = install(source, "--", "--no-index", destination=tmp_path / "root", **environment)
    assert answer.returncode == 0, answer.stderr
    lines = [line for line in answer.stdout.splitlines() if "compiled" in line or "allocation" in line]
    assert len(lines) == len(told), lines
    assert all(part in line for part, line in zip(told, lines, strict=True)), lines


def test_a_command_of_somebody_else_stays(tmp_path: Path) -> None:
    command = tmp_path / "root" / "usr" / "local" / "bin" / "ampyard"
    command.parent.mkdir(parents=True)
    command.write_text("theirs")
    told = install(wheel(tmp_path, "1.0"), "--", "--no-index", destination=tmp_path / "root")
    assert told.returncode == 0, told.stderr
    assert "kept: /usr/local/bin/ampyard" in told.stdout
    assert install("--uninstall", destination=tmp_path / "root").returncode == 0
    assert command.read_text() == "theirs"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "usage"),
        (("--force", "x.whl"), "unknown option --force"),
        (("a.whl", "b.whl"), "one SOURCE only"),
        (("/nowhere/ampyard-1.whl",), "there is no wheel"),
        (("/etc",), "neither a wheel nor a checkout"),
    ],
)
def test_a_wrong_call_is_refused_with_the_reason(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    answer = install(*arguments, destination=tmp_path / "root")
    assert answer.returncode != 0
    assert told in answer.stderr
    assert not (tmp_path / "root").exists()


def test_a_python_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    answer = install(ROOT, destination=tmp_path / "root", PYTHON="/bin/false")
    assert answer.returncode == 1
    assert "Python 3.11 to 3.13" in answer.stderr


def test_the_example_configuration_is_a_sound_start() -> None:
    site = tomllib.loads(EXAMPLE.read_text())
    assert site["site"]["state_dir"] == "/var/lib/ampyard"
    assert site["web"]["listen"] == "127.0.0.1:8080"
    assert [circuit["id"] for circuit in site["circuits"]] == ["main"]
    assert "csms" not in site
    assert load(EXAMPLE).plant.evses == ()


def whole_example() -> str:
    """As the example is when everything in it is switched on."""
    return re.sub(r"(?m)^#(?! )", "", EXAMPLE.read_text())


def test_the_whole_example_is_sound_and_proven(tmp_path: Path) -> None:
    for name in ("csms.password", "csms-ca.pem", "mqtt.password"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text("correct-horse-battery")
    (tmp_path / "site.toml").write_text(whole_example())
    site = load(tmp_path / "site.toml")
    assert [evse.id for evse in site.plant.evses] == ["A1", "A2", "A3", "B1", "DC1", "DC2"]
    assert site.csms is not None


def tables_of(annotation: object) -> Iterator[type[Table]]:
    """The tables that a key may hold: itself, in a list, or one of several."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for part in get_args(annotation):
        yield from tables_of(part)


def keys_of(table: type[Table], path: str = "") -> set[str]:
    found = set()
    for name, field in table.model_fields.items():
        inner = list(tables_of(field.annotation))
        key = field.alias or name
        found.add(f"{path}{key}")
        for one in inner:
            found |= keys_of(one, f"{path}{key}.")
    return found


def explained_keys() -> set[str]:
    found, section = set(), ""
    for line in whole_example().splitlines():
        if header := re.match(r"\[+([a-z_.]+)\]+", line):
            section = header[1]
            found |= {section.rpartition(".")[0], section} - {""}
        elif key := re.match(r"([a-z_]+) = .*\S +# \S", line):
            found.add(f"{section}.{key[1]}")
    return found


def test_the_example_explains_every_key_and_no_other() -> None:
    ids = {f"{name}.id" for name in ("buses", "circuits", "evses", "meters", "power_modules", "readers")}
    named = {"csms.id", "site.id"}
    wanted = keys_of(Document)
    assert ids | named <= wanted
    assert explained_keys() | ids == wanted
    text = whole_example()
    assert all(f"[[{one.partition('.')[0]}]]\nid = " in text for one in ids)
