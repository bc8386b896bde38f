"""The commands of an installer as somebody types them, beside devices made of raw bytes."""

import asyncio
import io
import struct
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass

import pytest

from controller.__main__ import main
from tests.drivers.modbus.conftest import PtyStation


@dataclass(frozen=True, slots=True)
class Ended:
    status: int
    out: str
    err: str


Ampyard = Callable[..., Coroutine[None, None, Ended]]


@pytest.fixture
def ampyard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ampyard:
    """Run a command beside the test's loop; `typed` is what somebody types."""

    def run() -> int:
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code if isinstance(ended.value.code, int) else 0

    async def command(*arguments: object, typed: str = "") -> Ended:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["ampyard", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        monkeypatch.setenv("COLUMNS", "200")
        status = await asyncio.to_thread(run)
        return Ended(status, *capsys.readouterr())

    return command


@pytest.fixture
async def wire() -> AsyncIterator[PtyStation]:
    station = PtyStation()
    station.open()
    try:
        yield station
    finally:
        station.close()


def floats(address: int, *values: float) -> dict[int, int]:
    words = [word for value in values for word in struct.unpack(">HH", struct.pack(">f", value))]
    return {address + place: word for place, word in enumerate(words)}
