"""The simulator and the controller as processes of their own, and HTTP to both."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from controller.store.store import Store
from tests.site.template import Order

ROOT = Path(__file__).parents[2]
PATIENCE_S = 45.0
"""For a condition to come true on a machine that does other things as well; what passes needs a fraction."""
POLL_S = 0.1
KEPT = httpx.Limits(keepalive_expiry=1.0)
"""Connections are kept for less than the servers keep them: none is closed while a request is on its way."""
TAIL = 6000
FORKED = ("controller", "sim")

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended and what it said, both streams together."""

    status: int
    text: str


def _with_us() -> tuple[str, ...]:
    """What makes a child die with this process, should that be killed before it can tidy up."""
    setpriv = shutil.which("setpriv")
    return () if setpriv is None else (setpriv, "--pdeathsig", "KILL", "--")


class Forked:
    """A process that a template made, in the manner of asyncio's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int) -> None:
        self.pid = pid
        self._writer = writer
        self._ended = asyncio.create_task(self._until_it_ends(reader))

    @classmethod
    async def start(cls, template: Path, order: Order) -> "Forked":
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(template)
            writer.write(json.dumps(order).encode() + b"\n")
            return cls(reader, writer, int(await reader.readline()))

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def _until_it_ends(self, reader: asyncio.StreamReader) -> int:
        status = int(await reader.readline())
        self._writer.close()
        await self._writer.wait_closed()
        return status


class Child:
    """A process in a group of its own, with a log. With a template it is forked from that, which is quicker."""

    def __init__(self, log: Path, template: Path | None = None) -> None:
        self.log = log
        self._template = template
        self._process: asyncio.subprocess.Process | Forked | None = None

    async def start(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self.log.touch()
        option, module, *arguments = command
        if self._template is not None and option == "-m" and module in FORKED:
            order = Order(module=module, arguments=arguments, environment=environment or {}, log=str(self.log))
            self._process = await Forked.start(self._template, order)
            return
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*_with_us(), sys.executable, *command),
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def ended(self) -> int:
        """Its status; negative: the signal that ended it."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    async def kill(self) -> None:
        """End the whole group without a word."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> int:
        """Ask it to end."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    def tail(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else "(no log)"
        return f"---- {self.log.name}\n{text[-TAIL:]}"


class SiteUnderTest:
    """One simulated site with one controller. `evse` numbers are the simulator's, from 1."""

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        self.folder = folder
        self.simulator = Child(folder / "sim.log", template)
        self.controller = Child(folder / "ampyard.log", template)
        self._sim: httpx.AsyncClient | None = None
        self._page: httpx.AsyncClient | None = None

    # the processes

    async def start_simulator(self, scenario: str, *arguments: str) -> None:
        command = ("-m", "sim", scenario, "--control", "127.0.0.1:0", "--out", str(self.folder), *arguments)
        await self.simulator.start(*command)
        address = await self.come_true(self._printed_address, "the simulator prints its address")
        self._sim = httpx.AsyncClient(base_url=address, limits=KEPT, timeout=PATIENCE_S, trust_env=False)
        listen = tomllib.loads(self.config.read_text(encoding="utf-8"))["web"]["listen"]
        self._page = httpx.AsyncClient(base_url=f"http://{listen}", limits=KEPT, timeout=10.0, trust_env=False)

    def _printed_address(self) -> str | None:
        assert self.simulator.alive, self.simulator.tail()
        found = re.search(r"^SIM (http://\S+)$", self.simulator.log.read_text(encoding="utf-8"), re.MULTILINE)
        return found and found[1]

    @property
    def config(self) -> Path:
        return self.folder / "site.toml"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    async def launch(self, **environment: str) -> None:
        """Start the controller and do not wait for it. Earlier kills are forgotten: no crash loop (R38)."""
        (self.state_dir / "starts.json").unlink(missing_ok=True)
        await self.controller.start(
            *("-m", "controller", "run", "--config", str(self.config)), environment=environment
        )

    async def start_controller(self) -> None:
        """Start it and wait until its page shows every EVSE as read."""
        await self.launch()
        await self.up()

    async def up(self) -> None:
        await self.sees(lambda view: all(evse["ev_state"] for evse in view["evses"]), "every EVSE is read")

    async def restart_after_kill(self) -> None:
        await self.controller.kill()
        await self.start_controller()

    async def end(self) -> None:
        for http in (self._sim, self._page):
            if http is not None:
                await http.aclose()
        await self.controller.kill()
        await self.simulator.kill()

    def tails(self) -> str:
        return f"==== {self.folder}\n{self.simulator.tail()}\n{self.controller.tail()}"

    async def ampyard(self, *arguments: str) -> Finished:
        """Run another command of `ampyard` to its end."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "controller", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Finished(process.returncode, said.decode())

    # what the simulator does and knows

    async def post(self, path: str, **body: object) -> State:
        assert self._sim is not None
        answer = await self._sim.post(f"/v1/{path}", json=body)
        assert answer.status_code == httpx.codes.OK, f"{path} {body}: {answer.status_code} {answer.text}"
        reached: State = answer.json()
        return reached

    async def state(self) -> State:
        assert self._sim is not None
        found: State = (await self._sim.get("/v1/state")).json()
        return found

    async def evse(self, number: int) -> State:
        found: State = (await self.state())["evse"][number - 1]
        return found

    async def events(self, since: int = 0) -> list[State]:
        assert self._sim is not None
        answer = await self._sim.get("/v1/events", params={"since": since, "timeout_s": 0})
        found: list[State] = answer.json()["events"]
        return found

    async def messages(self, since: int = 0) -> list[State]:
        assert self._sim is not None
        found: list[State] = (await self._sim.get("/v1/csms/messages", params={"since": since})).json()["messages"]
        return found

    async def becomes(self, condition: Callable[[State], bool], what: str, within_s: float = PATIENCE_S) -> State:
        """Wait until the simulator's state is so."""

        async def look() -> State | None:
            state = await self.state()
            return state if condition(state) else None

        found: State = await self.come_true(look, what, within_s)
        return found

    async def csms_has(self, condition: Callable[[State], bool], what: str) -> State:
        state = await self.becomes(lambda state: condition(state["csms"]), f"at the CSMS: {what}")
        found: State = state["csms"]
        return found

    # what the controller shows

    async def view(self) -> State | None:
        """None while the page does not answer."""
        assert self._page is not None
        try:
            found: State = (await self._page.get("/api/site")).json()
        except (httpx.HTTPError, ValueError):
            return None
        return found

    async def sees(self, condition: Callable[[State], bool], what: str, within_s: float = PATIENCE_S) -> State:
        """Wait until the controller's page says so."""

        async def look() -> State | None:
            view = await self.view()
            return view if view is not None and condition(view) else None

        found: State = await self.come_true(look, f"on the page: {what}", within_s)
        return found

    async def come_true(self, look: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
        """Ask until there is an answer."""
        deadline_s = time.monotonic() + within_s
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            if time.monotonic() > deadline_s:
                raise AssertionError(f"not within {within_s:g} s: {what}{await self._situation()}")
            await asyncio.sleep(POLL_S)

    async def _situation(self) -> str:
        if self._sim is None or not self.simulator.alive:
            return ""
        state = await self.state()
        short = {"evse": state["evse"], "csms": state["csms"], "view": await self.view()}
        return "\n" + json.dumps(short, indent=1, default=str)

    # what both of them do in most tests

    async def plug_in(self, number: int, **car: object) -> None:
        await self.post(f"evse/{number}/plug_in", **{"max_a": 16, "ramp_s": 0.5, "delay_s": 0.3, **car})

    async def unplug(self, number: int) -> None:
        await self.post(f"evse/{number}/unplug")

    async def tap(self, reader: str, uid: str) -> None:
        await self.post(f"reader/{reader}/tap", uid=uid)

    async def charges(self, number: int, at_least_a: float = 5.0) -> None:
        """Wait until the car draws."""
        await self.becomes(
            lambda state: max(state["evse"][number - 1]["drawn_a"]) >= at_least_a, f"EVSE {number} charges"
        )

    async def gains(self, number: int, wh: float) -> None:
        """Wait until the billing register has moved by that much from now."""
        before_wh = (await self.evse(number))["energy_register_wh"]
        await self.becomes(
            lambda state: state["evse"][number - 1]["energy_register_wh"] >= before_wh + wh,
            f"EVSE {number} delivers {wh} Wh",
        )

    # what is on the controller's disk

    @contextlib.contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The controller's file, behind its back."""
        connection = sqlite3.connect(self.state_dir / "ampyard.db", isolation_level=None, timeout=10)
        try:
            yield connection
        finally:
            connection.close()

    def records(self) -> list[State]:
        """The ledger's payloads."""
        with self.database() as database:
            return [json.loads(text) for (text,) in database.execute("SELECT payload FROM ledger ORDER BY seq")]

    async def ledger_is_intact(self) -> bool:
        """Only while no controller runs."""
        store = Store(self.state_dir, {})
        await store.open()
        try:
            return await store.verify() is None
        finally:
            await store.close()
