import asyncio
import signal
import socket

import httpx
import pytest

from controller.web.server import WebServer
from controller.web.slice import WebSlice
from tests.web.conftest import Box
from tests.web.sample import Stage


def server(port: int = 0, host: str = "127.0.0.1") -> WebServer:
    box = Box(Stage())
    return WebServer(WebSlice(host, port), ask=box.ask, look=box.stage.look, metrics=lambda: b"")


async def stop(serving: asyncio.Task[None]) -> None:
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(serving, 20)


async def test_the_address_is_known_while_it_listens_only() -> None:
    web = server()
    assert web.address == ""
    serving = asyncio.create_task(web.run())
    await asyncio.wait_for(web.listening.wait(), 10)
    host, _, port = web.address.rpartition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    await stop(serving)
    assert web.address == ""


async def test_it_stops_quickly_with_a_page_open_and_frees_the_port() -> None:
    web = server()
    serving = asyncio.create_task(web.run())
    await asyncio.wait_for(web.listening.wait(), 10)
    port = int(web.address.rpartition(":")[2])
    async with (
        httpx.AsyncClient(base_url=f"http://{web.address}", timeout=20) as client,
        client.stream("GET", "/api/events") as stream,
    ):
        lines = stream.aiter_lines()
        await anext(lines)
        await stop(serving)
        async with asyncio.timeout(10):
            assert [line async for line in lines]
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_r36_it_can_be_stopped_and_started_again() -> None:
    web = server()
    for _ in range(2):
        serving = asyncio.create_task(web.run())
        await asyncio.wait_for(web.listening.wait(), 10)
        async with (
            httpx.AsyncClient(timeout=20) as client,
            client.stream("GET", f"http://{web.address}/api/events") as stream,
        ):
            assert stream.status_code == 200
            lines = stream.aiter_lines()
            while not (await asyncio.wait_for(anext(lines), 10)).startswith("data:"):
                pass
        await stop(serving)


async def test_a_taken_port_is_an_error_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await server(taken.getsockname()[1]).run()


async def test_it_leaves_the_signals_to_the_controller() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    web = server()
    serving = asyncio.create_task(web.run())
    await asyncio.wait_for(web.listening.wait(), 10)
    async with httpx.AsyncClient(timeout=20) as client:
        await client.get(f"http://{web.address}/healthz")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    await stop(serving)


async def test_it_listens_on_ipv6_as_well() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    web = server(host="::1")
    serving = asyncio.create_task(web.run())
    await asyncio.wait_for(web.listening.wait(), 10)
    assert web.address.startswith("[::1]:")
    async with httpx.AsyncClient(timeout=20) as client:
        assert (await client.get(f"http://{web.address}/healthz")).status_code == 200
    await stop(serving)
