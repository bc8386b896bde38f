import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from controller.charging.view import EvseStatus
from tests.web.conftest import Box


class Listener:
    """A page, as far as the stream goes."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            async for line in self._lines:
                if line == f"event: {kind}":
                    data = await anext(self._lines)
                    return dict(json.loads(data.removeprefix("data: ")))
        raise AssertionError(f"the stream ended without {kind}")


@asynccontextmanager
async def listening(box: Box) -> AsyncIterator[Listener]:
    async with box.client.stream("GET", "/api/events") as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        yield Listener(stream.aiter_lines())


async def test_a_page_gets_the_whole_site_first(box: Box) -> None:
    async with listening(box) as page:
        site = await page.next("site")
    assert site == (await box.client.get("/api/site")).json()


async def test_a_change_reaches_the_page_without_a_reload(box: Box) -> None:
    async with listening(box) as page:
        await page.next("site")
        box.stage.show_evse("A3", status=EvseStatus.PLUGGED)
        box.server.changed()
        site = await page.next("site")
    assert site["evses"][2]["status"] == "plugged"


async def test_a_hundred_changes_a_second_become_two_and_the_last_one_arrives(box: Box) -> None:
    loop = asyncio.get_running_loop()
    async with listening(box) as page:
        await page.next("site")
        started = loop.time()
        received: list[int] = []
        for number in range(100):
            box.stage.show(uptime_s=number)
            box.server.changed()
            await asyncio.sleep(0.01)
        while not received or received[-1] != 99:
            received.append((await page.next("site"))["uptime_s"])
        took = loop.time() - started
    assert len(received) <= 2 * took + 1


async def test_without_changes_a_beat_tells_the_age_of_the_view(box: Box) -> None:
    async with listening(box) as page:
        first = await page.next("beat")
        second = await page.next("beat")
    assert second["age_s"] > first["age_s"]


async def test_too_many_pages_are_told_so_and_a_closed_one_makes_room(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.web.live.MAX_LISTENERS", 1)
    async with listening(box) as page:
        await page.next("site")
        refused = await box.client.get("/api/events")
        assert refused.status_code == 503
        assert "Too many pages" in refused.json()["error"]
    async with asyncio.timeout(20):
        while True:
            async with box.client.stream("GET", "/api/events") as again:
                if again.status_code == 200:
                    break
            await asyncio.sleep(0.05)
