import asyncio
from contextlib import suppress

import httpx
import pytest

from controller.web.connection import MAX_CONNECTIONS, GuardedConnection
from tests.web.conftest import Box

LINES = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedConnection, "request_s", 0.3)


async def drip(box: Box, first: bytes, drop: bytes) -> bytes:
    """Sends a byte or so at a time for as long as the box lets it; what came back until it closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
    writer.write(first)

    async def keep_on() -> None:
        while True:
            writer.write(drop)
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(keep_on())
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        dripping.cancel()
        writer.close()
        await asyncio.gather(writer.wait_closed(), dripping, return_exceptions=True)


@pytest.mark.usefixtures("impatient")
async def test_a_header_that_never_ends_is_cut_off(box: Box) -> None:
    assert await drip(box, LINES, b"X-a: b\r\n") == b""


@pytest.mark.usefixtures("impatient")
async def test_a_connection_that_says_nothing_is_cut_off(box: Box) -> None:
    assert await drip(box, b"", b"") == b""


@pytest.mark.usefixtures("impatient")
async def test_a_second_request_that_never_ends_is_cut_off_too(box: Box) -> None:
    assert (await drip(box, LINES + b"\r\n" + LINES, b"X")).startswith(b"HTTP/1.1 200")


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_never_ends_is_cut_off(box: Box) -> None:
    head = b"POST /api/commands/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    await drip(box, head + b"Content-Length: 9999\r\n\r\n", b" ")
    assert box.asked == []


@pytest.mark.usefixtures("impatient")
async def test_an_open_page_is_not_cut_off(box: Box) -> None:
    async with box.client.stream("GET", "/api/events") as stream:
        lines = stream.aiter_lines()
        seen = 0
        async with asyncio.timeout(20):
            async for line in lines:
                seen += line.startswith("event: beat")
                if seen == 2:
                    break


async def test_a_header_too_long_is_refused(box: Box) -> None:
    """The refusal may be lost: the box closes with our bytes unread."""
    with suppress(httpx.ReadError, httpx.WriteError):
        answer = await box.client.get("/healthz", headers={"x-long": "x" * 300_000})
        assert answer.status_code == 400
    assert (await box.client.get("/healthz")).status_code == 200


async def test_connections_beyond_the_limit_are_closed_and_then_served_again(box: Box) -> None:
    held = [await asyncio.open_connection("127.0.0.1", box.port) for _ in range(MAX_CONNECTIONS)]
    await box.client.aclose()
    reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    for _, other in [*held, (reader, writer)]:
        other.close()
    await asyncio.gather(*(other.wait_closed() for _, other in [*held, (reader, writer)]), return_exceptions=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
    writer.write(LINES + b"Connection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
