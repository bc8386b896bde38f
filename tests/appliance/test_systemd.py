"""What systemd hears, through real sockets of both sorts."""

import asyncio
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.appliance.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A listening socket and its name as NOTIFY_SOCKET gives it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@ampyard-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(5)
        yield listener, name


def test_a_message_arrives_as_it_is(systemd: tuple[socket.socket, str]) -> None:
    listener, name = systemd
    Notifier({"NOTIFY_SOCKET": name}).send("READY=1")
    assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("name", ["", "/nowhere/notify", "@nobody-listens-here", "x" * 300])
def test_nobody_listening_is_no_error(name: str) -> None:
    Notifier({"NOTIFY_SOCKET": name}).send("READY=1")
    Notifier({}).send("READY=1")


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_counts_only_if_it_is_ours(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_s == seconds


async def test_the_watchdog_is_fed_only_while_all_is_well(systemd: tuple[socket.socket, str]) -> None:
    listener, name = systemd
    listener.setblocking(False)
    healthy = False
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "150000"})
    feeding = asyncio.create_task(notifier.feed_watchdog(lambda: healthy))
    await asyncio.sleep(0.2)
    with pytest.raises(BlockingIOError):
        listener.recv(100)
    healthy = True
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(loop.sock_recv(listener, 100), 5) == b"WATCHDOG=1"
    assert await asyncio.wait_for(loop.sock_recv(listener, 100), 5) == b"WATCHDOG=1"
    feeding.cancel()
    await asyncio.wait({feeding})


async def test_without_a_watchdog_nothing_is_fed() -> None:
    await asyncio.wait_for(Notifier({}).feed_watchdog(lambda: True), 1)
