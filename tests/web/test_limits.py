"""Limits by REST on the real server, and on the page in a real browser."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from controller.charging.commands import Outcome, ReleaseStop, Result, SetLimit, Voice, WithdrawLimit
from tests.web.conftest import Box
from tests.web.sample import limit
from tests.web.test_page import WAIT_MS, browser, opened


async def test_a_limit_is_said_and_withdrawn(box: Box) -> None:
    answer = await box.client.put("/api/limits/landlord", json={"value": 40, "expires_s": 120})
    assert (answer.status_code, answer.json()["result"]) == (200, "done")
    assert (await box.client.put("/api/limits/landlord", json={"value": 16.5})).status_code == 200
    assert (await box.client.delete("/api/limits/landlord")).status_code == 200
    assert box.asked == [
        SetLimit("landlord", 40.0, 120.0, Voice.REST),
        SetLimit("landlord", 16.5, None, Voice.REST),
        WithdrawLimit("landlord", Voice.REST),
    ]


@pytest.mark.parametrize(("result", "status"), [(Result.REFUSED, 409), (Result.UNKNOWN, 404), (Result.FAILED, 502)])
async def test_what_the_site_does_not_do_is_said_with_the_reason(box: Box, result: Result, status: int) -> None:
    box.outcome = Outcome(result, "99 A is above 63 A, the most it accepts")
    answer = await box.client.put("/api/limits/landlord", json={"value": 99})
    assert (answer.status_code, answer.json()["text"]) == (status, "99 A is above 63 A, the most it accepts")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"value": "40"},
        {"value": None},
        {"value": True},
        {"value": 40, "expires": 5},
        {"value": 40, "expires_s": "soon"},
        {"value": [40]},
    ],
)
async def test_what_is_no_limit_reaches_nobody(box: Box, body: dict[str, Any]) -> None:
    answer = await box.client.put("/api/limits/landlord", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert box.asked == []


@pytest.mark.parametrize("text", ['{"value": NaN}', '{"value": Infinity}', '{"value": 1e999}', '{"value": 4', "40"])
async def test_neither_nan_nor_half_a_body_reaches_anybody(box: Box, text: str) -> None:
    answer = await box.client.put(
        "/api/limits/landlord", content=text, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert box.asked == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"host": "evil.example"}],
)
async def test_another_site_cannot_set_or_withdraw_a_limit(box: Box, method: str, headers: dict[str, str]) -> None:
    content = b'{"value": 0}' if method == "PUT" else None
    typed = {"content-type": "application/json"} if method == "PUT" else {}
    answer = await box.client.request(method, "/api/limits/landlord", content=content, headers={**typed, **headers})
    assert answer.status_code in {403, 421}
    assert box.asked == []


async def test_a_body_that_is_not_json_or_too_long_is_refused(box: Box) -> None:
    plain = await box.client.put(
        "/api/limits/landlord", content=b'{"value": 4}', headers={"content-type": "text/plain"}
    )
    assert plain.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    long = await box.client.put("/api/limits/landlord", json={"value": 4, "pad": "x" * 20_000})
    assert long.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert box.asked == []


async def test_limits_are_listed_with_their_value_in_their_own_unit(box: Box) -> None:
    found = {one["id"]: one for one in (await box.client.get("/api/limits")).json()["limits"]}
    assert found["landlord"] == {
        "id": "landlord",
        "source": "rest",
        "scope": "circuit",
        "target": "main",
        "unit": "a",
        "state": "set",
        "value_ma": 120_000,
        "value_w": None,
        "value": 120.0,
        "age_s": 12,
        "expires_in_s": 288,
        "when_lost": "63 A counts instead",
        "refused": "999 A is above 160 A, the most it accepts",
        "binds": [],
    }
    assert (found["utility"]["value"], found["utility"]["binds"]) == (13.02, ["main", "B3"])
    assert (found["night"]["value"], found["night"]["state"]) == (None, "free")


async def test_r11_a_stop_is_released_by_a_command(box: Box) -> None:
    assert (await box.client.post("/api/commands/release", json={"input": "fire-alarm"})).status_code == 200
    assert box.asked == [ReleaseStop("fire-alarm")]


@browser
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_page_shows_limits_and_marks_the_one_that_binds(box: Box, tmp_path: Path, width: int) -> None:
    async with opened(box, tmp_path, width=width) as page:
        rows = page.locator("#limit-list tr")
        await expect(rows).to_have_count(4, timeout=WAIT_MS)
        utility = rows.filter(has=page.get_by_role("rowheader", name="utility"))
        for text in ("13.0 kW", "charging at main", "by input utility-relay", "Binds main, B3"):
            await expect(utility).to_contain_text(text)
        assert await utility.get_attribute("data-binds") == "true"
        landlord = rows.filter(has=page.get_by_role("rowheader", name="landlord"))
        for text in ("120.0 A per phase", "for 4 min more", "63 A counts instead", "Last value refused: 999 A"):
            await expect(landlord).to_contain_text(text)
        assert await landlord.get_attribute("data-binds") == "false"
        silent = rows.filter(has=page.get_by_role("rowheader", name="energy-manager"))
        await expect(silent).to_contain_text("Source silent")
        await expect(page.locator("#input-list")).to_contain_text("Not active")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            await page.locator("#limits-title").scroll_into_view_if_needed()
            await page.screenshot(path=Path(folder) / f"limits-{width}.png", full_page=True)


@browser
async def test_r11_a_stop_is_released_on_the_page_after_a_question(box: Box, tmp_path: Path) -> None:
    inputs = box.stage.view.inputs
    box.stage.show(inputs=(replace(inputs[1], latched=True),))
    box.stage.show_evse("A1", reason="not-permitted: fire-alarm")
    async with opened(box, tmp_path) as page:
        await expect(page.locator("#evse-list")).to_contain_text("Stopped by fire-alarm")
        await page.get_by_role("button", name="Release fire-alarm").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("the danger is over")
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / "release.png")
        await dialog.get_by_role("button", name="Keep stopped").click()
        assert box.asked == []
        await page.get_by_role("button", name="Release fire-alarm").click()
        await dialog.get_by_role("button", name="Let charging go on").click()
        await expect(page.get_by_role("status")).to_have_text("Charging may go on.", timeout=WAIT_MS)
    assert box.asked == [ReleaseStop("fire-alarm")]


@browser
async def test_a_limits_names_stay_text(box: Box, tmp_path: Path) -> None:
    attack = '<img src=x onerror="window.broken=1">'
    box.stage.show(limits=(limit(attack, target=attack, refused=attack, binds=(attack,), when_lost=attack),))
    async with opened(box, tmp_path) as page:
        await expect(page.locator("#limit-list")).to_contain_text(attack)
        assert await page.locator("main img").count() == 0
        assert await page.evaluate("window.broken === undefined")
