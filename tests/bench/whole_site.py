"""A whole site for the benchmarks: `ampyard run` in its own process, and its devices in another one."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from controller.charging.tokens import TokenInfo, TokenStatus
from controller.store.store import Store
from tests.bench.bus_rig import ROOT, Slaves

STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 10.0
CSMS = "operator"
UNREACHABLE = f"""
[csms]
id = "{CSMS}"
url = "ws://127.0.0.1:9/ocpp"
version = "2.0.1"
lab = true

[[csms.stations]]
identity = "BENCH"
evses = [%s]
"""
"""Nobody listens on the port "discard" of a machine of these days: each attempt to connect is refused at once."""


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """`wires`: for each bus its table as lines of TOML. `bus_of`: the bus of each EVSE, in order.

    `offline`: the site belongs to a CSMS that cannot be reached and whose tokens are in the cache; else the tokens
    are accounts of the site.
    """

    rating_a: int
    usable_share: float
    other_a: int
    load_a: float
    charger: str
    max_a: int
    wires: Sequence[str]
    bus_of: Sequence[str]
    meter_bus: str
    meter: str = "phoenix-eem"
    readers: Sequence[Sequence[str]] = ()
    """For each reader the EVSEs that it serves."""
    meter_period_s: float = 0.05
    offline: bool = False
    seed: int = 1

    @property
    def evses(self) -> list[str]:
        return [f"E{number}" for number in range(1, len(self.bus_of) + 1)]

    def uid(self, place: int) -> str:
        return f"01{0xABC000 + place:08X}"


def rtu(name: str, baud: int, parity: str) -> str:
    return f'id = "{name}"\nkind = "modbus-rtu"\nbaud = {baud}\nparity = "{parity}"\nstop_bits = 1'


def tcp(name: str) -> str:
    return f'id = "{name}"\nkind = "modbus-tcp"'


class Devices(Slaves):
    """The process with everything that hangs on the wires."""

    def ask(self, **order: object) -> Any:
        self.tell(**order)
        return self._hear()


@dataclass
class Whole:
    """A site at work."""

    settings: SiteSettings
    devices: Devices
    folder: Path
    controller: subprocess.Popen[bytes]
    page: httpx.Client = field(repr=False)

    def view(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.get("/api/site").json()
        return found

    def wait(self, holds: Callable[[], bool], what: str, within_s: float = STARTS_WITHIN_S) -> None:
        """Ask until it is so."""
        until_s = time.monotonic() + within_s
        while True:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                if holds():
                    return
            if time.monotonic() > until_s or self.controller.poll() is not None:
                raise SiteFailedError(f"not within {within_s:g} s: {what}\n{self.log()}")
            time.sleep(0.2)

    def log(self) -> str:
        return (self.folder / "ampyard.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.devices.ask()
        return found


class SiteFailedError(Exception):
    """The site did not come to what was to be measured."""


@contextmanager
def whole_site(settings: SiteSettings) -> Iterator[Whole]:
    """Yields when the controller has read every charger, and an EV stands at each. Nothing outlives it."""
    with tempfile.TemporaryDirectory(prefix="ampyard-bench-") as name:
        folder = Path(name)
        (folder / "scenario.toml").write_text(_scenario(settings), encoding="utf-8")
        devices = Devices(
            "tests.bench.whole_slave",
            {"folder": name, "readers": len(settings.readers), "seed": settings.seed},
        )
        try:
            _finish_site(settings, folder, devices.said["readers"])
            if settings.offline:
                asyncio.run(_remember(folder / "state", [settings.uid(p) for p in range(len(settings.bus_of))]))
            with _controller(folder) as controller, _page(devices.said["page"]) as page:
                whole = Whole(settings, devices, folder, controller, page)
                whole.wait(lambda: _all_read(whole.view()), "every EVSE is read")
                devices.ask(plug_in=True)
                whole.wait(lambda: _all_plugged(whole.view()), "every EV is seen")
                yield whole
        finally:
            devices.stop()


@contextmanager
def _controller(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    setpriv = shutil.which("setpriv")
    with_us = () if setpriv is None else (setpriv, "--pdeathsig", "KILL", "--")
    command = (*with_us, sys.executable, "-m", "controller", "run", "--config", str(folder / "site.toml"))
    with (folder / "ampyard.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _page(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=5.0, trust_env=False) as page:
        yield page


def _all_read(view: dict[str, Any]) -> bool:
    return all(evse["ev_state"] for evse in view["evses"])


def _all_plugged(view: dict[str, Any]) -> bool:
    return all(evse["ev_state"] in ("B", "C") for evse in view["evses"])


async def _remember(state: Path, uids: Sequence[str]) -> None:
    """As if the CSMS had accepted these cards a while ago."""
    state.mkdir(parents=True, exist_ok=True)
    store = Store(state, {})
    await store.open()
    try:
        await store.remember(CSMS, [TokenInfo(uid, TokenStatus.ACCEPTED) for uid in uids], datetime.now(UTC))
    finally:
        await store.close()


def _scenario(settings: SiteSettings) -> str:
    parts = [
        '[site]\nid = "bench"\nvoltage_v = 230\nseed = 1\ncycle_s = 1.0',
        f'[[circuits]]\nid = "main"\nrating_a = {settings.rating_a}\nusable_share = {settings.usable_share}\n'
        f'max_other_load_a = {settings.other_a}\nload_a = {settings.load_a}\nmeter = "grid"',
        *(f"[[buses]]\n{wire}" for wire in settings.wires),
        *(
            f'[[evses]]\nid = "{name}"\nprofile = "{settings.charger}"\nbus = "{bus}"\n'
            f'unit = {_unit(settings, place)}\ncircuit = "main"\nmax_current_a = {settings.max_a}\n'
            "power_up_current_a = 0\nreject_writes = 0\nlatency_s = 0.3"
            for place, (name, bus) in enumerate(zip(settings.evses, settings.bus_of, strict=True))
        ),
        f'[[meters]]\nid = "grid"\nprofile = "{settings.meter}"\nbus = "{settings.meter_bus}"\nunit = 100\n'
        f'circuit = "main"\nperiod_s = {settings.meter_period_s}\nrefresh_s = 60\nnoise = 0.0001',
    ]
    return "\n\n".join(parts) + "\n"


def _unit(settings: SiteSettings, place: int) -> int:
    """Counted on each bus."""
    return 1 + list(settings.bus_of[:place]).count(settings.bus_of[place])


def _finish_site(settings: SiteSettings, folder: Path, ports: Sequence[str]) -> None:
    """What the simulator does not write: readers, cards, and a CSMS that nobody reaches."""
    site = folder / "site.toml"
    parts = [site.read_text(encoding="utf-8")]
    for place, (port, evses) in enumerate(zip(ports, settings.readers, strict=True)):
        served = ", ".join(f'"{evse}"' for evse in evses)
        parts.append(
            f'[[readers]]\nid = "reader{place}"\nprofile = "rdm6300"\nport = "{port}"\n'
            f"evses = [{served}]\noldest_first = true\n"
        )
    if settings.offline:
        parts[0] = parts[0].replace('billed_by = "free"', 'billed_by = "csms"')
        parts.append(UNREACHABLE % ", ".join(f'"{evse}"' for evse in settings.evses))
    else:
        parts += [
            f'[[tokens]]\nuid = "{settings.uid(place)}"\nname = "Card {place}"\nbilled_by = "free"\n'
            for place in range(len(settings.bus_of))
        ]
    site.write_text("\n".join(parts), encoding="utf-8")
