import ctypes
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
SERVICE = FOLDER / "ampyard.service"
MAX_EXPOSURE = 2.0

NeedsTool = Callable[[str], str]


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in SERVICE.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_exposure_of_the_service_is_low(needs_tool: NeedsTool) -> None:
    tool = needs_tool("systemd-analyze")
    told = subprocess.run(
        [tool, "security", "--offline=true", "--no-pager", SERVICE], capture_output=True, text=True
    )
    match = re.search(r"Overall exposure level for ampyard\.service: ([0-9.]+)", told.stdout)
    assert match, told.stdout + told.stderr
    assert float(match[1]) <= MAX_EXPOSURE


def test_systemd_understands_every_line_of_the_service(needs_tool: NeedsTool, tmp_path: Path) -> None:
    tool = needs_tool("systemd-analyze")
    copy = tmp_path / SERVICE.name
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", SERVICE.read_text()))
    told = subprocess.run([tool, "verify", "--man=no", copy], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert str(copy) not in told.stderr, told.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("WatchdogSec", "20"),
        ("TimeoutStartSec", "10min"),
        ("Restart", "always"),
        ("RestartSec", "2"),
        ("StartLimitIntervalSec", "0"),
        ("User", "ampyard"),
        ("DynamicUser", "no"),
        ("StateDirectory", "ampyard"),
        ("ConfigurationDirectory", "ampyard"),
        ("ExecStart", "/opt/ampyard/venv/bin/ampyard run --config /etc/ampyard/site.toml"),
        ("DevicePolicy", "closed"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
    ],
)
def test_the_service_says_what_operation_relies_on(name: str, value: str) -> None:
    assert settings()[name] == [value]


def test_the_boot_id_of_records_stays_readable() -> None:
    assert "ProcSubset" not in settings()


def test_r35_no_password_stands_in_the_unit() -> None:
    """A credential is shown by example only: the service starts without one."""
    assert not {"SetCredential", "SetCredentialEncrypted", "LoadCredential"} & set(settings())
    assert "\n#LoadCredential=csms.password:/etc/ampyard/csms.password\n" in SERVICE.read_text()


def test_the_serial_ports_and_can_are_open_to_it() -> None:
    ports = [f"char-tty{kind} rw" for kind in ("USB", "ACM", "AMA", "S")]
    assert settings()["DeviceAllow"] == [*ports, "char-gpiochip rw", "char-input rw"]
    assert "AF_CAN" in settings()["RestrictAddressFamilies"][0].split()
    assert settings()["SupplementaryGroups"] == ["dialout input"]


def test_the_dependencies_work_without_writable_code() -> None:
    """MemoryDenyWriteExecute=yes, as the kernel's own switch for it: PR_SET_MDWE of prctl(2)."""
    if ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    code = """
import ctypes, mmap
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except OSError:
    import fastapi, jinja2, ocpp.v16, ocpp.v201, peewee, prometheus_client, pydantic, pymodbus.client, serial
    import sqlite3, ssl, typer, uvicorn, websockets, jsonschema_rs
    ssl.create_default_context()
    assert jsonschema_rs.is_valid({"type": "object"}, {})
    print("works")
"""
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert told.stdout == "works\n", told.stderr


def test_udev_understands_the_rules(needs_tool: NeedsTool) -> None:
    tool = needs_tool("udevadm")
    if subprocess.run([tool, "verify", "--help"], capture_output=True).returncode:
        pytest.skip("this udevadm has no verify (systemd 254)")
    told = subprocess.run([tool, "verify", FOLDER / "60-ampyard.rules"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_rules_jump_to_labels_that_are_there() -> None:
    rules = (FOLDER / "60-ampyard.rules").read_text()
    assert set(re.findall(r'GOTO="(\w+)"', rules)) == set(re.findall(r'LABEL="(\w+)"', rules))
    assert 'ATTR{latency_timer}="1"' in rules
    assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in rules


def test_sysusers_makes_the_account(needs_tool: NeedsTool, tmp_path: Path) -> None:
    tool = needs_tool("systemd-sysusers")
    (tmp_path / "etc").mkdir()
    command = [tool, f"--root={tmp_path}", str(FOLDER / "ampyard.sysusers")]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "ampyard:" in (tmp_path / "etc" / "passwd").read_text()
    assert re.search(r"^dialout:.*ampyard", (tmp_path / "etc" / "group").read_text(), re.MULTILINE)


def test_tmpfiles_lines_keep_configuration_from_the_service() -> None:
    lines = [
        line.split() for line in (FOLDER / "ampyard.tmpfiles").read_text().splitlines() if line.startswith("d")
    ]
    assert lines == [
        ["d", "/etc/ampyard", "0750", "root", "ampyard", "-"],
        ["d", "/var/lib/ampyard", "0750", "ampyard", "ampyard", "-"],
    ]
