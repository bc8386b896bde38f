"""Scenarios for tests, and simulated sites that stand still or run in a process of their own."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from sim.clock import STANDSTILL
from sim.physics import STEP_S
from sim.scenario_file import parse_scenario
from sim.world import World

Row = dict[str, Any]


def evse(name: str = "A1", profile: str = "keba-p30", **more: Any) -> Row:
    row: Row = {
        "id": name, "profile": profile, "bus": f"bus-{name}", "circuit": "main", "max_current_a": 32,
        "power_up_current_a": 0, "latency_s": 1.0, "reject_writes": 0, "energy_wh": 1000,
    }  # fmt: skip
    return row | more


def meter(name: str, profile: str, **more: Any) -> Row:
    row: Row = {
        "id": name,
        "profile": profile,
        "bus": f"bus-{name}",
        "noise": 0,
        "refresh_s": 0.1,
        "energy_wh": 1000,
    }
    return row | more


def scenario(*devices: Row, kinds: Mapping[str, str] | None = None, **more: Any) -> Row:
    """A site with one circuit, a bus for each bus name that the devices use, and no CSMS."""
    evses = [row for row in devices if "max_current_a" in row]
    meters = [row for row in devices if "max_current_a" not in row]
    names = dict.fromkeys(row["bus"] for row in devices)
    buses = [{"id": name, "kind": (kinds or {}).get(name, "modbus-tcp")} for name in names]
    data: Row = {
        "site": {"id": "test", "seed": 1},
        "circuits": [{"id": "main", "rating_a": 63}],
        "buses": buses,
        "evses": evses,
        "meters": meters,
    }
    return data | more


@contextlib.asynccontextmanager
async def still_world(data: Row) -> AsyncIterator[World]:
    """A site whose time passes only by `pass_time`; its buses do not listen."""
    world = World(parse_scenario(data))
    world.clock.scale = STANDSTILL
    try:
        yield world
    finally:
        for bus in world.buses.values():
            if hasattr(bus, "pty"):
                bus.pty.close()
        await world.dc.stop()
        for reader in world.readers.values():
            await reader.close()


def pass_time(world: World, seconds: float) -> None:
    for _ in range(round(seconds / STEP_S)):
        world.step()


class Site:
    """A simulator in a process of its own, driven by HTTP."""

    def __init__(self, process: subprocess.Popen[str], url: str, out: Path) -> None:
        self.process = process
        self.out = out
        self.http = httpx.Client(base_url=url, timeout=30)

    def post(self, path: str, **body: Any) -> Row:
        answer = self.http.post(f"/v1/{path}", json=body)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        found: Row = answer.json()
        return found

    def status_of(self, path: str, body: object = None) -> int:
        return self.http.post(f"/v1/{path}", json={} if body is None else body).status_code

    def state(self) -> Row:
        found: Row = self.http.get("/v1/state").json()
        return found

    def evse(self, number: int) -> Row:
        found: Row = self.state()["evse"][number - 1]
        return found

    def port(self, bus: str) -> Any:
        return next(b["port"] for b in self.state()["buses"] if b["id"] == bus)


def start(scenario_name: str, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sim", scenario_name, "--out", str(out), *options]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)
    )


@contextlib.contextmanager
def running_site(scenario_name: str, out: Path, *options: str) -> Iterator[Site]:
    process = start(scenario_name, out, *options)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("SIM http://"):
            process.kill()
            raise AssertionError(process.communicate())
        site = Site(process, line.split()[1], out)
        with site.http:
            yield site
    finally:
        if process.poll() is None:
            process.terminate()
        rest = process.communicate(timeout=20)
        assert process.returncode in (0, -9), rest
        assert "Traceback" not in rest[1], rest[1]


def toml_of(data: Row) -> str:
    """A scenario's tables as TOML (rows with plain values only)."""
    parts = []
    for key, value in data.items():
        rows = value if isinstance(value, list) else [value]
        for row in rows:
            parts.append(f"[[{key}]]" if isinstance(value, list) else f"[{key}]")
            parts += [f"{name} = {_plain(item)}" for name, item in row.items()]
    return "\n".join(parts) + "\n"


def _plain(item: Any) -> str:
    if isinstance(item, dict):
        return "{" + ", ".join(f'"{k}" = {_plain(v)}' for k, v in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(_plain, item)) + "]"
    if isinstance(item, bool):
        return str(item).lower()
    return f'"{item}"' if isinstance(item, str) else repr(item)
