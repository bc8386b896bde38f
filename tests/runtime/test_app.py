"""The composition: a whole controller in the test's own loop, its charger behind a port that nobody listens on."""

import asyncio
import json
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import MethodType
from typing import cast

import httpx
import pytest

from controller import app as app_module
from controller import edges
from controller.app import App, prepare
from controller.charging.commands import ClearChargingProfiles, Reload, ResendParked, Result, SetVariable, Tap
from controller.charging.modes import kind
from controller.charging.profile_book import Criteria
from controller.charging.profile_rows import profile_to_text
from controller.charging.records import Route
from controller.charging.rows import RowError
from controller.charging.session import Idle
from controller.clock import Clock
from controller.config.proof import load
from controller.runtime.imposed import Imposed
from controller.runtime.taps import ReaderFacts
from controller.service import serve
from controller.store.store import Commit, Store
from controller.web.server import WebServer
from tests.charging.profiles import default
from tests.runtime.bench import ALICE, until
from tests.runtime.conftest import Disk

SECOND = """
[[evses]]
id = "A2"
profile = "keba-p30"
bus = "keba-1"
unit = 2
circuit = "main"
max_current_a = 16
power_up_current_a = 0
"""

CSMS = """
[csms]
id = "operator"
url = "ws://127.0.0.1:{port}/ocpp"
version = "2.0.1"
lab = true

[[csms.stations]]
identity = "CP-7"
evses = ["A1"]
"""


class House:
    """The folder of a site, its store as another process would see it, and the controller that runs there."""

    app: App

    def __init__(self, folder: Path) -> None:
        self.file = folder / "site.toml"
        shutil.copy(Path(__file__).with_name("small_site.toml"), self.file)
        self.state = folder / "state"
        self.state.mkdir()

    def edit(self, *edits: tuple[str, str], more: str = "") -> None:
        text = self.file.read_text()
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.file.write_text(text + more)

    @asynccontextmanager
    async def run(self, *, safe_mode: bool = False) -> AsyncIterator[App]:
        store = Store(self.state, {})
        await store.open()
        try:
            self.app = await self.built(store)
            task = asyncio.create_task(serve(self.app, safe_mode=safe_mode))
            try:
                await until(lambda: task.done() or self.app._edges.page_changed is not None)
                if task.done():
                    task.result()
                yield self.app
                assert not task.done()
            finally:
                task.cancel()
                await asyncio.wait({task})
        finally:
            await store.close()

    async def built(self, store: Store) -> App:
        config = load(self.file)
        return App(self.file, config, await prepare(store, config), store=store, clock=Clock())

    async def reload(self) -> tuple[Result, str]:
        outcome = await self.app.ask(Reload())
        return outcome.result, outcome.text

    def evses(self) -> list[str]:
        return [one.id for one in self.app.look().evses]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def commit(folder: Path, states: dict[str, dict[str, object]]) -> None:
    store = Store(folder, {})
    await store.open()
    await store.commit(Commit(states=states))
    await store.close()


async def test_it_tells_systemd_serves_the_page_and_shows_what_is_wrong(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")  # more often, and a slow test would fill the socket
        async with house.run() as app:
            loop = asyncio.get_running_loop()
            assert await loop.sock_recv(listener, 100) == b"READY=1"
            assert await loop.sock_recv(listener, 100) == b"WATCHDOG=1"
            await until(lambda: any("A1 does not answer" in one for one in app.look().alarms))
            view = app.look()
            assert (view.site, view.evses[0].status.value) == ("small", "unreachable")
        said: list[bytes] = []
        while not said or said[-1] != b"STOPPING=1":
            said.append(await asyncio.wait_for(loop.sock_recv(listener, 100), 5))


async def test_a_reload_takes_what_changed_and_says_so(house: House) -> None:
    async with house.run() as app:
        owner = app._site.evses["A1"].owner
        house.edit(('name = "Small"', 'name = "Smaller"'), more=SECOND)
        assert (await house.reload())[0] is Result.DONE
        assert house.evses() == ["A1", "A2"]
        assert app._site.evses["A1"].owner is owner
        house.edit((SECOND, ""))
        assert (await house.reload())[0] is Result.DONE
        assert house.evses() == ["A1"]


async def test_two_reloads_at_once_are_done_one_after_the_other(house: House) -> None:
    async with house.run():
        house.edit(more=SECOND)
        answers = await asyncio.gather(*(house.reload() for _ in range(3)))
        assert {result for result, _ in answers} == {Result.DONE}
        assert house.evses() == ["A1", "A2"]


async def test_a_wrong_file_is_refused_with_every_problem_and_changes_nothing(house: House) -> None:
    async with house.run():
        house.edit(('circuit = "main"', 'circuit = "nowhere"'), ("rating_a = 63", "rating_a = -1"))
        result, text = await house.reload()
        assert result is Result.REFUSED
        assert "rating_a" in text
        house.file.unlink()
        assert (await house.reload())[0] is Result.REFUSED
        assert house.evses() == ["A1"]


async def test_what_only_a_restart_can_change_is_refused(house: House) -> None:
    async with house.run():
        house.edit(('id = "small"', 'id = "other"'))
        result, text = await house.reload()
        assert result is Result.REFUSED
        assert "restart" in text


async def test_an_evse_in_use_is_not_taken_away(house: House) -> None:
    async with house.run() as app:
        house.edit(more=SECOND)
        await house.reload()
        owner = app._site.evses["A2"].owner
        app._desk.readers = {"A2": ReaderFacts(("A2",), oldest_first=False, device=None)}
        assert (await app.ask(Tap("A2", ALICE))).result is Result.DONE
        await until(lambda: not isinstance(owner.state.phase, Idle))
        house.edit((SECOND, ""))
        assert await house.reload() == (
            Result.REFUSED,
            "EVSE A2 is in use: end its session before removing the EVSE",
        )
        assert house.evses() == ["A1", "A2"]


async def test_a_new_evse_with_a_damaged_state_is_refused(house: House) -> None:
    await commit(house.state, {"evse:A2": {"version": 99}})
    async with house.run():
        house.edit(more=SECOND)
        result, text = await house.reload()
        assert result is Result.REFUSED
        assert "version 99" in text
        assert house.evses() == ["A1"]


async def test_a_transaction_of_an_evse_that_was_taken_out_is_an_alarm(house: House) -> None:
    await commit(house.state, {"evse:B9": {"version": 99}})
    async with house.run() as app:
        assert any("EVSE B9 was taken out" in alarm for alarm in app.look().alarms)


async def test_a_damaged_state_keeps_the_site_from_starting_with_its_own_error(house: House) -> None:
    await commit(house.state, {"evse:A1": {"version": 99}})
    with pytest.raises(RowError, match="version 99"):
        async with house.run():
            pass


async def test_r3_a_stalled_disk_starves_no_watchdog(house: House) -> None:
    disk = Disk(house.state / "ampyard.db")
    async with house.run() as app:
        await until(lambda: app._cycle.last_s is not None)
        disk.stall()
        try:
            hanging = asyncio.create_task(app.store.keep_time(app.clock.now().wall))
            before = app._cycle.last_s
            await until(lambda: app._cycle.last_s != before)
            assert app.healthy()
            assert not hanging.done()
        finally:
            disk.go_on()
        await hanging


async def test_a_cycle_that_stands_still_is_not_healthy(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "HEALTHY_S", 0.0)
    async with house.run() as app:
        await until(lambda: app._cycle.last_s is not None)
        assert not app.healthy()


async def test_r38_a_page_that_cannot_be_loaded_does_not_end_control(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pages() -> None:
        raise ImportError("no such module")

    monkeypatch.setattr(edges, "_import_page", no_pages)
    store = Store(house.state, {})
    await store.open()
    app = await house.built(store)
    task = asyncio.create_task(serve(app))
    await until(lambda: app._edges.page.alarm)
    await until(lambda: app._cycle.last_s is not None)
    await until(lambda: any("ImportError: no such module" in one for one in app.look().alarms))
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    await store.close()


async def test_charging_profiles_that_cannot_be_imposed_are_an_alarm(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(imposed: Imposed, posts: object, site: object) -> float:
        raise RuntimeError("no such boundary")

    monkeypatch.setattr(Imposed, "update", broken)
    async with house.run() as app:
        await until(lambda: any("charging profiles" in one for one in app.look().alarms))
        await until(lambda: app._cycle.last_s is not None)


async def test_without_a_csms_its_commands_say_so(house: House) -> None:
    async with house.run() as app:
        for command in (SetVariable("HeartbeatInterval", "60"), ResendParked()):
            assert (await app.ask(command)).result is Result.REFUSED


async def test_the_page_answers_what_the_command_line_asks(house: House) -> None:
    async with house.run() as app:
        await until(lambda: app._edges.page.running)
        server = cast(WebServer, cast(MethodType, app._edges.page_changed).__self__)
        await server.listening.wait()
        address = server.address
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.post(f"http://{address}/api/commands/reload", json={})
            assert json.loads(answer.text)["result"] == "done"


class DoorBell:
    """Where a CSMS would listen: it counts who comes, and hangs up."""

    def __init__(self) -> None:
        self.rings = 0
        self._rang = asyncio.Event()

    async def next(self) -> None:
        self._rang.clear()
        async with asyncio.timeout(30):
            await self._rang.wait()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[int]:
        async with await asyncio.start_server(self._ring, "127.0.0.1", 0) as server:
            yield int(server.sockets[0].getsockname()[1])

    async def _ring(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.rings += 1
        self._rang.set()
        writer.close()
        await writer.wait_closed()


async def test_r38_in_safe_mode_the_csms_is_left_alone_and_the_rest_goes_on(house: House) -> None:
    bell = DoorBell()
    async with bell.listen() as port:
        house.edit(more=CSMS.format(port=port))
        async with house.run(safe_mode=True) as app:
            await until(lambda: app._cycle.last_s is not None)
            assert any("the CSMS link is off" in one for one in app.look().alarms)
            assert [one.connected for one in app.look().csms] == [False]
            assert (await app.ask(SetVariable("TxCtrlr.EVConnectionTimeOut", "77"))).result is Result.DONE
            assert app._edges.upstream.rules().connection_timeout_s == 77
            asks = app._edges.upstream.asks_for("A1")
            assert asks is not None
            assert not asks.online()
            house.edit(('id = "operator"', 'id = "other"'))
            assert (await house.reload())[0] is Result.DONE
            await asyncio.sleep(0.3)
        assert bell.rings == 0


async def test_r38_safe_mode_ends_by_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "RETRY_S", 0.0)
    bell = DoorBell()
    async with bell.listen() as port:
        house.edit(more=CSMS.format(port=port))
        async with house.run(safe_mode=True) as app:
            await until(lambda: bell.rings > 0)
            assert not any("safe mode" in one for one in app.look().alarms)


@contextmanager
def free_port() -> Iterator[int]:
    """Nobody else is given it meanwhile; whoever sets SO_REUSEADDR may listen there."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


class Service:
    """The controller of a house in a process of its own."""

    def __init__(self, house: House, page: int) -> None:
        self._house = house
        self._page = page
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "controller", "run", "-c", str(self._house.file)),
            cwd=Path(__file__).parents[2],
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(30):
            return await self._process.wait()

    async def alarms(self) -> list[str]:
        """As the page shows them, as soon as there is a page."""
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False, timeout=10) as client:
            while True:
                try:
                    view = (await client.get(f"http://127.0.0.1:{self._page}/api/site")).json()
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                else:
                    return [str(alarm) for alarm in view["alarms"]]


async def test_r38_a_controller_that_crashed_three_times_leaves_the_csms_alone_until_an_orderly_restart(
    house: House,
) -> None:
    bell = DoorBell()
    with free_port() as page:
        async with bell.listen() as port:
            house.edit(("127.0.0.1:0", f"127.0.0.1:{page}"), more=CSMS.format(port=port))
            service = Service(house, page)
            try:
                for _ in range(3):
                    await service.start()
                    await bell.next()
                    assert await service.end(signal.SIGKILL) == -signal.SIGKILL
                rings = bell.rings
                await service.start()
                assert any("crashed 3 times in 5 minutes" in one for one in await service.alarms())
                await asyncio.sleep(1)
                assert bell.rings == rings
                assert await service.end(signal.SIGTERM) == 0
                await service.start()
                await bell.next()
                assert not any("safe mode" in one for one in await service.alarms())
                assert await service.end(signal.SIGTERM) == 0
            finally:
                await service.end(signal.SIGKILL)


RULE = """
[[rules]]
id = "everybody"
mode = "{mode}"
"""


async def test_r36_a_reload_brings_other_charging_rules_and_a_wrong_one_leaves_those_that_are(house: House) -> None:
    house.edit(more=RULE.format(mode="priority"))
    before = house.file.read_text()
    async with house.run() as app:
        assert kind(app._demands.book.rules[0].mode) == "priority"
        house.file.write_text(before.replace("priority", "turbo"))
        result, text = await house.reload()
        assert (result, text.partition(":")[0]) == (Result.REFUSED, "rules[everybody].mode")
        assert kind(app._demands.book.rules[0].mode) == "priority"
        house.file.write_text(before.replace("priority", "standard"))
        assert (await house.reload())[0] is Result.DONE
        assert kind(app._demands.book.rules[0].mode) == "standard"


@pytest.mark.parametrize("safe_mode", [False, True])
async def test_r38_stored_charging_profiles_limit_from_the_start_also_in_safe_mode(
    house: House, safe_mode: bool
) -> None:
    house.edit(more=CSMS.format(port=1))
    store = Store(house.state, {})
    await store.open()
    profile = default(1, (0, 9), start=None)
    await store.change_profiles(Route("operator", "CP-7"), [], {1: profile_to_text(profile)})
    await store.close()
    async with house.run(safe_mode=safe_mode) as app:

        def limits() -> list[tuple[str, int | None]]:
            return [(one.target, one.value_ma) for one in app._limits.book.current(0)]

        await until(lambda: ("A1", 9_000) in limits())
        assert (await app.ask(ClearChargingProfiles("CP-7", Criteria()))).result is Result.DONE
        await until(lambda: limits() == [])
