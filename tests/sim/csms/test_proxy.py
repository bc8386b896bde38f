import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from sim.csms.proxy import Proxy
from tests.sim.csms.stations import Connect, Open

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends everything back and counts its connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.ended.clear()
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
        self.ended.set()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    served = Echo()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    async with server:
        yield served, server.sockets[0].getsockname()[1]


@pytest.fixture
async def proxy(echo: tuple[Echo, int]) -> AsyncIterator[tuple[Proxy, int]]:
    proxy = Proxy("127.0.0.1", echo[1])
    port = await proxy.start()
    yield proxy, port
    await proxy.stop()


class Client:
    def __init__(self, streams: Streams) -> None:
        self.reader, self.writer = streams

    async def say(self, text: bytes) -> bytes:
        self.writer.write(text)
        return await self.hear(len(text))

    async def hear(self, length: int) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readexactly(length)

    async def ended(self) -> bytes | type[BaseException]:
        """What comes before the end, or how the connection broke."""
        try:
            async with asyncio.timeout(5):
                return await self.reader.read(100)
        except ConnectionError as error:
            return type(error)

    async def silent(self, for_s: float = 0.1) -> bool:
        try:
            async with asyncio.timeout(for_s):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


Dial = Callable[[], Awaitable[Client]]


@pytest.fixture
async def dial(proxy: tuple[Proxy, int]) -> AsyncIterator[Dial]:
    clients: list[Client] = []

    async def make() -> Client:
        client = Client(await asyncio.open_connection("127.0.0.1", proxy[1]))
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.writer.transport.abort()
        with suppress(ConnectionError):
            await client.writer.wait_closed()


async def test_up_passes_everything_on_and_ends_with_either_side(dial: Dial, echo: tuple[Echo, int]) -> None:
    client = await dial()
    big = bytes(range(256)) * 4000
    assert await client.say(big) == big
    client.writer.write_eof()
    assert await client.ended() == b""
    async with asyncio.timeout(5):
        await echo[0].ended.wait()


async def test_down_cuts_connections_and_listens_no_more_until_up_on_the_same_port(
    dial: Dial, proxy: tuple[Proxy, int], echo: tuple[Echo, int]
) -> None:
    client = await dial()
    await client.say(b"hello")
    proxy[0].set_state("down")
    assert await client.ended() in (b"", ConnectionResetError)
    async with asyncio.timeout(5):
        await echo[0].ended.wait()
    with pytest.raises(ConnectionRefusedError):
        await dial()
    proxy[0].set_state("down")
    proxy[0].set_state("up")
    assert await (await dial()).say(b"again") == b"again"


async def test_down_for_a_while_comes_up_by_itself(dial: Dial, proxy: tuple[Proxy, int]) -> None:
    proxy[0].set_state("down", seconds=0.2)
    with pytest.raises(ConnectionRefusedError):
        await dial()
    async with asyncio.timeout(5):
        while proxy[0].state != "up":
            await asyncio.sleep(0.02)
    assert await (await dial()).say(b"x") == b"x"


async def test_a_later_state_stays_although_an_earlier_one_was_to_end(dial: Dial, proxy: tuple[Proxy, int]) -> None:
    proxy[0].set_state("down", seconds=0.05)
    proxy[0].set_state("down")
    await asyncio.sleep(0.15)
    with pytest.raises(ConnectionRefusedError):
        await dial()


async def test_refuse_accepts_and_closes_at_once(
    dial: Dial, proxy: tuple[Proxy, int], echo: tuple[Echo, int]
) -> None:
    old = await dial()
    await old.say(b"hello")
    proxy[0].set_state("refuse")
    assert await old.ended() in (b"", ConnectionResetError)
    assert await (await dial()).ended() in (b"", ConnectionResetError)
    assert echo[0].connections == 1


async def test_blackhole_stalls_old_connections_which_go_on_afterwards(
    dial: Dial, proxy: tuple[Proxy, int]
) -> None:
    client = await dial()
    await client.say(b"hello")
    proxy[0].set_state("blackhole")
    client.writer.write(b"later")
    assert await client.silent()
    proxy[0].set_state("up")
    assert await client.hear(5) == b"later"


async def test_blackhole_swallows_new_connections_and_drops_them_afterwards(
    dial: Dial, proxy: tuple[Proxy, int], echo: tuple[Echo, int]
) -> None:
    proxy[0].set_state("blackhole")
    client = await dial()
    client.writer.write(b"x" * 100_000)
    assert await client.silent()
    assert echo[0].connections == 0
    proxy[0].set_state("up")
    assert await client.ended() in (b"", ConnectionResetError)
    assert echo[0].connections == 0


async def test_blackhole_then_down_ends_what_stalled(dial: Dial, proxy: tuple[Proxy, int]) -> None:
    client = await dial()
    await client.say(b"hello")
    proxy[0].set_state("blackhole")
    client.writer.write(b"lost")
    assert await client.silent()
    proxy[0].set_state("down")
    assert await client.ended() in (b"", ConnectionResetError)


async def test_reset_sends_rst_and_is_up_at_once(dial: Dial, proxy: tuple[Proxy, int]) -> None:
    client = await dial()
    await client.say(b"hello")
    proxy[0].set_state("reset")
    assert await client.ended() is ConnectionResetError
    assert proxy[0].state == "up"
    assert await (await dial()).say(b"x") == b"x"


async def test_reset_for_a_while_resets_new_connections_too(dial: Dial, proxy: tuple[Proxy, int]) -> None:
    proxy[0].set_state("reset", seconds=60)
    with pytest.raises(ConnectionResetError):
        await (await dial()).reader.readexactly(1)
    assert proxy[0].state == "reset"


async def test_slow_delays_each_way_but_not_the_throughput(dial: Dial, proxy: tuple[Proxy, int]) -> None:
    client = await dial()
    await client.say(b"hello")
    proxy[0].set_state("slow", ms=150)
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert await client.say(b"x") == b"x"
    assert 0.28 < loop.time() - before < 3
    before = loop.time()
    for _ in range(20):
        client.writer.write(b"y" * 100)
        await client.writer.drain()
        await asyncio.sleep(0.01)
    await client.hear(2000)
    assert loop.time() - before < 3


async def test_a_csms_behind_the_proxy_loses_its_station_with_the_network(
    open_csms: Open, station: Connect
) -> None:
    csms, csms_port = await open_csms("2.0.1")
    proxy = Proxy("127.0.0.1", csms_port)
    port = await proxy.start()
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    proxy.set_state("reset")
    with pytest.raises(ConnectionClosed):
        await cs1.receive()
    again = await station(port, "2.0.1")
    await again.ask("Heartbeat", {})
    assert csms.summary()["connected"] == ["CS1"]
    assert csms.summary()["violations"] == []
    await proxy.stop()


async def test_without_a_csms_connections_end(dial: Dial, proxy: tuple[Proxy, int]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        lonely = Proxy("127.0.0.1", unused.getsockname()[1])
        port = await lonely.start()
        client = Client(await asyncio.open_connection("127.0.0.1", port))
        assert await client.ended() in (b"", ConnectionResetError)
        client.writer.close()
        await lonely.stop()


@pytest.mark.parametrize(
    ("state", "options"),
    [("sideways", {}), ("slow", {"ms": -1}), ("down", {"seconds": float("nan")}), ("down", {"seconds": -1})],
)
async def test_states_that_are_none_are_refused_and_change_nothing(
    dial: Dial, proxy: tuple[Proxy, int], state: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        proxy[0].set_state(state, **options)
    assert await (await dial()).say(b"x") == b"x"


async def test_a_proxy_that_does_not_run_has_no_state_to_set(echo: tuple[Echo, int]) -> None:
    with pytest.raises(ValueError, match="not running"):
        Proxy("127.0.0.1", echo[1]).set_state("down")


async def test_stop_ends_all_and_may_be_called_twice(echo: tuple[Echo, int]) -> None:
    proxy = Proxy("127.0.0.1", echo[1])
    port = await proxy.start()
    client = Client(await asyncio.open_connection("127.0.0.1", port))
    assert await client.say(b"x") == b"x"
    await proxy.stop()
    await proxy.stop()
    assert await client.ended() in (b"", ConnectionResetError)
    client.writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
