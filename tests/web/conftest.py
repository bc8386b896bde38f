import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest

from controller.charging.commands import Command, Outcome, Result
from controller.web.server import WebServer
from controller.web.slice import WebSlice
from tests.web.sample import Stage


@dataclass
class Box:
    """A running page on a free port, with the site behind it."""

    stage: Stage
    asked: list[Command] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(Result.DONE))
    patience_s: float = 0.0
    server: WebServer = field(init=False)
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        web = WebSlice("127.0.0.1", 0, names=("box.example",))
        self.server = WebServer(web, ask=self.ask, look=self.stage.look, metrics=lambda: b"ampyard_alarms 2.0\n")

    async def ask(self, command: Command) -> Outcome:
        self.asked.append(command)
        await asyncio.sleep(self.patience_s)
        return self.outcome

    @property
    def url(self) -> str:
        return f"http://{self.server.address}"

    @property
    def port(self) -> int:
        return int(self.server.address.rpartition(":")[2])


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    made = Box(Stage())
    serving = asyncio.create_task(made.server.run())
    await asyncio.wait_for(made.server.listening.wait(), 10)
    async with httpx.AsyncClient(base_url=made.url, timeout=20) as made.client:
        yield made
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(serving, 20)
