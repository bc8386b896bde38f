"""A real broker for the tests: mosquitto on a free port of this machine, ended with the test."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiomqtt

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
START_S = 15.0


def _account() -> tuple[str, ...]:
    """Started by root it becomes another account, which may not read the files of a test."""
    return ("user root",) if os.geteuid() == 0 else ()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """`lines` are further lines of its configuration."""

    folder: Path
    port: int
    lines: tuple[str, ...] = ("allow_anonymous true",)
    user: str | None = None
    password: str | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Broker"]:
        assert MOSQUITTO is not None
        file = self.folder / "mosquitto.conf"
        file.write_text(
            "\n".join([f"listener {self.port} 127.0.0.1", "persistence false", *_account(), *self.lines, ""])
        )
        process = await asyncio.create_subprocess_exec(
            MOSQUITTO,
            "-c",
            str(file),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await self._listening()
            yield self
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _listening(self) -> None:
        async with asyncio.timeout(START_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    def client(self) -> aiomqtt.Client:
        """Somebody else at the broker."""
        return aiomqtt.Client("127.0.0.1", self.port, username=self.user, password=self.password, timeout=10)


async def heard(client: aiomqtt.Client, topic: str, *, within_s: float = 10.0) -> bytes:
    """The next message on a topic."""
    async with asyncio.timeout(within_s):
        async for message in client.messages:
            if message.topic.value == topic:
                return bytes(message.payload)
    raise AssertionError("the broker went away")
