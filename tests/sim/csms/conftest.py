"""A CSMS, and stations for it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from sim.csms.server import Csms
from tests.sim.csms.stations import Connect, Open, Station


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def open_csms(stack: AsyncExitStack) -> Open:
    async def make(version: str, **options: Any) -> tuple[Csms, int]:
        csms = Csms(version=version, **{"passwords": None, "tokens": {}, **options})
        port = await csms.start()
        stack.push_async_callback(csms.stop)
        return csms, port

    return make


@pytest.fixture
def station(stack: AsyncExitStack) -> Connect:
    ids = count(1)

    async def make(port: int, version: str, identity: str = "CS1", **options: Any) -> Station:
        scheme = "wss" if "ssl" in options else "ws"
        socket = await stack.enter_async_context(
            connect(
                f"{scheme}://127.0.0.1:{port}/ocpp/{identity}",
                subprotocols=[Subprotocol(f"ocpp{version}")],
                close_timeout=1,
                **options,
            )
        )
        return Station(socket, ids)

    return make
