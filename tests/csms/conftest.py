"""A store, a clock, and stations that talk to the simulated CSMS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from controller.clock import Clock
from controller.csms.schemas import Version
from controller.csms.slice import CsmsSlice, StationSlice
from controller.csms.variables import Variables
from controller.store.store import Store
from sim.csms.server import Csms
from tests.csms.bench import QUICK, Bench, Story, evse_view

MakeBench = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bench(store: Store, clock: Clock) -> AsyncIterator[MakeBench]:
    async with AsyncExitStack() as stack:

        async def make(
            version: Version = Version.V201, *, initial: Mapping[str, object] | None = None, **told: Any
        ) -> Bench:
            csms = Csms(version=version.value, passwords={"CP-7": "secret-password-1"}, tokens={})
            csms.set_behaviour(told)
            port = await csms.start()
            stack.push_async_callback(csms.stop)
            sliced = CsmsSlice(
                id="operator",
                url=f"ws://127.0.0.1:{port}/ocpp",
                version=version,
                password="secret-password-1",
                ca_file=None,
                lab=True,
                stations=(StationSlice("CP-7", ("A1", "A2")),),
                initial={**QUICK, **(initial or {})},
            )
            variables = await Variables.load(store, sliced)
            evses = {evse: evse_view(evse) for evse in ("A1", "A2")}
            return Bench(version, store, clock, csms, variables, sliced, evses)

        yield make


@pytest.fixture
def story(clock: Clock) -> Callable[..., Story]:
    return lambda transaction="11111111-2222-3333-4444-555555555555", **rest: Story(transaction, clock, **rest)
