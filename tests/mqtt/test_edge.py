"""The MQTT edge against a real broker."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from controller.charging.commands import Command, Outcome, Result, SetLimit, Voice, WithdrawLimit
from controller.charging.view import LimitState, LimitView, SiteView
from controller.mqtt import edge as module
from controller.mqtt.edge import MqttEdge
from controller.mqtt.slice import MqttSlice
from sim.csms.tls import server_context
from tests.mqtt.broker import MOSQUITTO, Broker, free_port, heard
from tests.web.sample import empty_site

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None and os.environ.get("CI") != "true", reason="needs the broker mosquitto"
)

GRID = LimitView("grid", "mqtt", "circuit", "main", "a", LimitState.SET, 40_000, None, 3, 117, "", "", ())
BASE = "ampyard/car-park-7"


@dataclass
class Yard:
    """The site behind the edge."""

    view: SiteView = field(default_factory=lambda: replace(empty_site(), limits=(GRID,)))
    outcome: Outcome = field(default_factory=lambda: Outcome(Result.DONE))
    asked: list[Command] = field(default_factory=list)
    spoken: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, command: Command) -> Outcome:
        self.asked.append(command)
        self.spoken.set()
        return self.outcome

    async def next(self) -> Command:
        async with asyncio.timeout(10):
            await self.spoken.wait()
        self.spoken.clear()
        return self.asked[-1]


@pytest.fixture
def yard() -> Yard:
    return Yard()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF_S", (0.1,))


@asynccontextmanager
async def linked(mqtt: MqttSlice, yard: Yard) -> AsyncIterator[MqttEdge]:
    made = MqttEdge(mqtt, ask=yard.ask, look=lambda: yard.view)
    running = asyncio.create_task(made.run())
    try:
        yield made
        assert not running.done(), "whatever a broker does, it goes on"
    finally:
        running.cancel()
        await asyncio.wait({running}, timeout=15)


def plan(broker: Broker) -> MqttSlice:
    return MqttSlice("127.0.0.1", broker.port, "car-park-7", broker.user, broker.password)


async def connected(edge: MqttEdge) -> None:
    async with asyncio.timeout(20):
        await edge.connected.wait()


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.02)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(tmp_path, free_port()).running() as running:
        yield running


async def test_a_message_becomes_the_sites_own_command(broker: Broker, yard: Yard) -> None:
    async with linked(plan(broker), yard) as edge, broker.client() as other:
        await connected(edge)
        await other.publish(f"{BASE}/limits/grid/set", b'{"value": 40, "expires_s": 60}', qos=1)
        assert await yard.next() == SetLimit("grid", 40.0, 60.0, Voice.MQTT)
        await other.publish(f"{BASE}/limits/grid/set", b"12.5", qos=1)
        assert await yard.next() == SetLimit("grid", 12.5, None, Voice.MQTT)
        await other.publish(f"{BASE}/limits/grid/set", b"", qos=1)
        assert await yard.next() == WithdrawLimit("grid", Voice.MQTT)


async def test_a_retained_message_is_of_unknown_age(broker: Broker, yard: Yard) -> None:
    async with broker.client() as other:
        await other.publish(f"{BASE}/limits/grid/set", b"16", qos=1, retain=True)
        async with linked(plan(broker), yard):
            assert await yard.next() == SetLimit("grid", 16.0, None, Voice.MQTT, aged=True)


async def test_what_is_not_taken_is_answered_with_the_reason(broker: Broker, yard: Yard) -> None:
    async with linked(plan(broker), yard) as edge, broker.client() as other:
        await connected(edge)
        await other.subscribe(f"{BASE}/limits/+/refused")
        await other.publish(f"{BASE}/limits/grid/set", b"NaN", qos=1)
        assert b"NaN is no number" in await heard(other, f"{BASE}/limits/grid/refused")
        assert yard.asked == []
        yard.outcome = Outcome(Result.REFUSED, "99 A is above 63 A")
        await other.publish(f"{BASE}/limits/grid/set", b"99", qos=1)
        assert await heard(other, f"{BASE}/limits/grid/refused") == b"99 A is above 63 A"


async def test_state_and_availability_are_retained(broker: Broker, yard: Yard) -> None:
    async with linked(plan(broker), yard) as edge:
        await connected(edge)
        await asyncio.sleep(0.2)
        async with broker.client() as late:
            await late.subscribe(f"{BASE}/#")
            found = {}
            async with asyncio.timeout(10):
                async for message in late.messages:
                    found[message.topic.value] = (bytes(message.payload), message.retain)
                    if len(found) == 2:
                        break
        assert found[f"{BASE}/availability"] == (b"online", True)
        payload, retained = found[f"{BASE}/limits/grid/state"]
        assert (json.loads(payload)["value"], retained) == (40.0, True)


async def test_a_change_is_told_and_a_limit_that_is_gone_is_cleared(broker: Broker, yard: Yard) -> None:
    async with broker.client() as other, linked(plan(broker), yard) as edge:
        await other.subscribe(f"{BASE}/limits/+/state", qos=1)
        assert json.loads(await heard(other, f"{BASE}/limits/grid/state"))["value"] == 40.0
        yard.view = replace(yard.view, limits=(replace(GRID, value_ma=8000, binds=("main",)),))
        edge.changed()
        told = json.loads(await heard(other, f"{BASE}/limits/grid/state"))
        assert (told["value"], told["binds"]) == (8.0, ["main"])
        yard.view = replace(yard.view, limits=())
        edge.changed()
        assert await heard(other, f"{BASE}/limits/grid/state") == b""


async def test_the_site_is_offline_when_its_process_ends(broker: Broker, yard: Yard) -> None:
    async with broker.client() as other:
        await other.subscribe(f"{BASE}/availability", qos=1)
        async with linked(plan(broker), yard):
            assert await heard(other, f"{BASE}/availability") == b"online"
        assert await heard(other, f"{BASE}/availability") == b"offline"


async def test_a_broker_that_is_away_is_an_alarm_and_is_found_again(tmp_path: Path, yard: Yard) -> None:
    absent = Broker(tmp_path, free_port())
    async with linked(plan(absent), yard) as edge:
        await until(lambda: edge.alarm)
        assert f"127.0.0.1:{absent.port} is not connected" in str(edge.alarm)
        async with absent.running():
            await connected(edge)
            assert str(edge.alarm) == "None"
        await until(lambda: edge.alarm)
        async with absent.running() as back, back.client() as other:
            await connected(edge)
            await other.publish(f"{BASE}/limits/grid/set", b"16", qos=1)
            assert await yard.next() == SetLimit("grid", 16.0, None, Voice.MQTT)


async def test_what_speaks_no_mqtt_is_only_an_alarm(yard: Yard) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(64)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, linked(MqttSlice("127.0.0.1", port, "car-park-7"), yard) as edge:
        await until(lambda: edge.alarm)


async def test_r35_a_wrong_password_is_an_alarm_that_says_so(tmp_path: Path, yard: Yard) -> None:
    locked = Broker(tmp_path, free_port(), lines=("allow_anonymous false",))
    async with locked.running(), linked(plan(locked), yard) as edge:
        await until(lambda: edge.alarm)
        assert "auth" in str(edge.alarm).lower()


def certificates(folder: Path) -> tuple[str, ...]:
    """A broker's own, and what is to be said of it in its configuration."""
    server_context(folder)
    return ("allow_anonymous true", f"certfile {folder}/server.pem", f"keyfile {folder}/server.pem")


@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl:pytest.PytestUnraisableExceptionWarning")
async def test_r35_tls_checks_who_the_broker_is(tmp_path: Path, yard: Yard) -> None:
    # paho leaves the socket of a failed handshake to the garbage collector
    guarded = Broker(tmp_path, free_port(), lines=certificates(tmp_path / "pki"))
    stranger = tmp_path / "stranger"
    server_context(stranger)
    trusting = MqttSlice("127.0.0.1", guarded.port, "car-park-7", tls=True, ca_file=tmp_path / "pki" / "ca.pem")
    async with guarded.running():
        async with linked(trusting, yard) as edge:
            await connected(edge)
        async with linked(replace(trusting, ca_file=stranger / "ca.pem"), yard) as edge:
            await until(lambda: edge.alarm)
            assert "certificate" in str(edge.alarm).lower()
