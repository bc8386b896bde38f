"""A digital input behind a value file."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.api import DeviceEvent, Health, HealthChanged, SensorRead
from drivers.inputs.file import FileInput
from drivers.setups import FileSetup


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[list[DeviceEvent]]:
    events: list[DeviceEvent] = []
    task = asyncio.create_task(FileInput(FileSetup("relay", str(path)), events.append).run())
    try:
        yield events
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.02)


def values(events: list[DeviceEvent]) -> list[int | None]:
    return [event.value for event in events if isinstance(event, SensorRead)]


def health(events: list[DeviceEvent]) -> Health | None:
    found = [event.health for event in events if isinstance(event, HealthChanged)]
    return found[-1] if found else None


async def test_the_level_is_read_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("0\n")
    async with reading(file) as events:
        await until(lambda: values(events) == [0, 0, 0])
        file.write_text("1\n")
        await until(lambda: values(events)[-1] == 1)
        assert health(events) is Health.OK
        newest = [event for event in events if isinstance(event, SensorRead)][-1]
        assert time.monotonic() - newest.t_s < 5


async def test_a_file_that_is_gone_says_nothing_and_is_found_again(tmp_path: Path) -> None:
    file = tmp_path / "value"
    async with reading(file) as events:
        await until(lambda: health(events) is Health.LOST)
        assert values(events) == []
        file.write_text("1")
        await until(lambda: health(events) is Health.OK)
        assert values(events)[-1] == 1


@pytest.mark.parametrize("content", ["", "high", "2", "-1", "0\n1\n", "1" * 4096, "\xff"])
async def test_what_is_no_level_is_no_value(tmp_path: Path, content: str) -> None:
    file = tmp_path / "value"
    file.write_text(content, encoding="latin-1")
    async with reading(file) as events:
        await until(lambda: values(events))
        assert set(values(events)) == {None}
        assert health(events) is Health.LOST


async def test_neither_a_folder_nor_a_pipe_holds_up_the_loop(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    async with reading(tmp_path) as folder, reading(tmp_path / "pipe") as pipe:
        await until(lambda: health(folder) is Health.LOST and health(pipe) is Health.LOST)
        assert 1 not in values(pipe)
