"""The page in a real browser."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from controller.charging.commands import ChooseEvse, ChooseMode, ForgetModule, Outcome, Result, StopLocally, Tap
from controller.charging.modes import ByDeadline, Fixed
from controller.charging.view import DeviceView, EvseStatus
from tests.web.conftest import Box
from tests.web.sample import empty_site

CHROMIUM = Path("/usr/bin/chromium")
STATIC = Path(__file__).parents[2] / "controller" / "web" / "static"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 15_000

browser = pytest.mark.skipif(
    not CHROMIUM.exists() and os.environ.get("CI") != "true",
    reason=f"needs {CHROMIUM}",
)


@asynccontextmanager
async def opened(
    box: Box, tmp_path: Path, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Page]:
    """The page of the box in a fresh browser; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path / "browser",
            executable_path=CHROMIUM,
            args=list(FLAGS),
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
        )
        context.set_default_timeout(WAIT_MS)
        page = context.pages[0]
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(box.url)
        await expect(page.locator("#link-text")).to_have_text("Live", timeout=WAIT_MS)
        yield page
        await context.close()
    expected = re.compile(r"Failed to load resource|ERR_CONNECTION|ERR_INCOMPLETE")
    assert [text for text in complaints if not expected.search(text)] == []


async def beating(box: Box) -> None:
    """The runtime's part: a new view every cycle."""
    while True:
        box.server.changed()
        await asyncio.sleep(0.5)


@browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_the_page_shows_the_site_and_fits(
    box: Box, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    async with opened(box, tmp_path, width=width, scheme=scheme) as page:
        await expect(page.locator(".evse")).to_have_count(12, timeout=WAIT_MS)
        limited = page.locator(".evse", has=page.get_by_role("heading", name="B1", exact=True))
        for text in (
            "Charging",
            "9.5 A",
            "Limited by board-b, L3",
            "L3",
            "9.4 A",
            "••••E5F7",
            "13.10 kWh",
            "2 h 33 min",
        ):
            await expect(limited).to_contain_text(text)
        lost = page.locator(".evse", has=page.get_by_role("heading", name="B6", exact=True))
        await expect(lost).to_contain_text("may be drawing up to 16.0 A per phase")
        board = page.locator(".circuit", has=page.get_by_role("heading", name="board-b", exact=True))
        await expect(board).to_contain_text("52.0 A of 50 A")
        await expect(board).to_contain_text("over rating")
        await expect(page.locator("#csms-list")).to_contain_text("41 messages kept for delivery, 2 set aside")
        await expect(page.locator("#alarm-list li")).to_have_count(2)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        shot = tmp_path / f"site-{width}-{scheme}.png"
        assert len(await page.screenshot(path=shot, full_page=True)) > 20_000
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            shutil.copy(shot, folder)


@browser
async def test_the_page_follows_the_site_without_a_reload(box: Box, tmp_path: Path) -> None:
    async with opened(box, tmp_path) as page:
        card = page.locator(".evse", has=page.get_by_role("heading", name="A3", exact=True))
        await expect(card).to_contain_text("Available")
        await page.evaluate("window.stillHere = true")
        box.stage.show_evse("A3", status=EvseStatus.FAULTED, fault="CX011 Lock failure")
        box.stage.show(alarms=())
        box.server.changed()
        await expect(card).to_contain_text("CX011 Lock failure", timeout=WAIT_MS)
        await expect(page.locator("#alarms")).to_be_hidden()
        assert await page.evaluate("window.stillHere") is True


@browser
async def test_r1_a_silent_module_has_a_button_that_wants_words(box: Box, tmp_path: Path) -> None:
    async with opened(box, tmp_path) as page:
        told = ("silent, counts with 100000 mA", "off, counts with 0 mA")
        modules = (
            DeviceView("stack-1/3", "module", "lost", told[0], silent=True),
            DeviceView("stack-1/4", "module", "ok", told[1]),
        )
        box.stage.show(devices=modules)
        box.server.changed()
        button = page.get_by_role("button", name="It has no mains")
        await expect(button).to_have_count(1, timeout=WAIT_MS)
        await button.click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("stack-1/3 has no mains")
        await dialog.get_by_role("textbox").fill("stack-1/3 has no mains")
        await dialog.get_by_role("button", name="Leave it out").click()
        await expect(page.get_by_role("status")).to_contain_text("left out of account", timeout=WAIT_MS)
    assert box.asked == [ForgetModule("stack-1/3", "stack-1/3 has no mains")]


@browser
async def test_a_stop_needs_a_confirmation(box: Box, tmp_path: Path) -> None:
    async with opened(box, tmp_path) as page:
        await page.get_by_role("button", name="Stop charging at A1").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("••••E5F1")
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / "confirm.png")
        await dialog.get_by_role("button", name="Keep charging").click()
        await expect(dialog).to_be_hidden()
        assert box.asked == []
        await page.get_by_role("button", name="Stop charging at A1").click()
        await dialog.get_by_role("button", name="Stop charging").click()
        await expect(page.get_by_role("status")).to_have_text("Charging at A1 was stopped.", timeout=WAIT_MS)
    assert box.asked == [StopLocally("A1")]


@browser
@pytest.mark.parametrize("width", [390, 1280])
async def test_a_mode_is_shown_and_chosen_on_the_page(box: Box, tmp_path: Path, width: int) -> None:
    async with opened(box, tmp_path, width=width) as page:
        card = page.locator(".evse", has=page.get_by_role("heading", name="B3", exact=True))
        await expect(card.locator(".mode")).to_contain_text("deadline 35.5 kWh by 06:30")
        await expect(card.locator(".mode")).to_contain_text("rule night-shift")
        await expect(card.locator(".mode")).to_contain_text("standard for now: the time is not certain")
        empty = page.locator(".evse", has=page.get_by_role("heading", name="A3", exact=True))
        await expect(empty.locator(".mode")).to_be_hidden()
        await page.get_by_role("button", name="Change the charging mode at B3").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("heading")).to_have_text("Charging mode at B3")
        await expect(dialog.get_by_label("Mode", exact=True)).to_have_value("rules")
        await expect(dialog.get_by_label("Energy in kWh")).to_be_hidden()
        await dialog.get_by_label("Mode", exact=True).select_option("deadline")
        await expect(dialog.get_by_label("Energy in kWh")).to_have_value("35.5")
        await dialog.get_by_label("Energy in kWh").fill("0")
        await dialog.get_by_role("button", name="Apply").click()
        await expect(dialog).to_be_visible()
        await dialog.get_by_label("Energy in kWh").fill("12.5")
        await dialog.get_by_label("Departure").fill("05:45")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / f"mode-{width}.png")
        await dialog.get_by_role("button", name="Apply").click()
        said = page.get_by_role("status")
        await expect(said).to_have_text("B3: deadline, until this session ends.", timeout=WAIT_MS)
        await expect(dialog).to_be_hidden()
    assert box.asked == [ChooseMode("B3", ByDeadline(12_500, 345))]


@browser
async def test_a_chosen_mode_is_taken_back_or_left_on_the_page(box: Box, tmp_path: Path) -> None:
    async with opened(box, tmp_path) as page:
        button = page.get_by_role("button", name="Change the charging mode at A2")
        dialog = page.get_by_role("dialog")
        await button.click()
        await expect(dialog.get_by_label("Mode", exact=True)).to_have_value("deadline")
        await expect(dialog.get_by_label("Departure")).to_have_value("07:00")
        await dialog.get_by_role("button", name="Cancel").click()
        await button.click()
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        assert box.asked == []
        await button.click()
        await dialog.get_by_label("Mode", exact=True).select_option("fixed")
        await dialog.get_by_label("At most, in A per phase").fill("8")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("A2: fixed, until this session ends.")
        await button.click()
        await dialog.get_by_label("Mode", exact=True).select_option("rules")
        await dialog.get_by_role("button", name="Apply").click()
        await expect(page.get_by_role("status")).to_have_text("A2 is charged as the rules say.")
    assert box.asked == [ChooseMode("A2", Fixed(8_000)), ChooseMode("A2", None)]


@browser
async def test_r18_the_choice_of_a_tap_is_made_on_the_page(box: Box, tmp_path: Path) -> None:
    box.outcome = Outcome(Result.REFUSED, "A5 was unplugged meanwhile")
    async with opened(box, tmp_path) as page:
        await expect(page.locator("#choices")).to_contain_text("••••91AC was presented at door")
        await page.get_by_role("button", name="Use card ••••91AC at A5").click()
        await expect(page.get_by_role("status")).to_have_text("A5 was unplugged meanwhile", timeout=WAIT_MS)
    assert box.asked == [ChooseEvse("c-1", "A5")]


@browser
async def test_a_card_can_be_presented_by_its_number(box: Box, tmp_path: Path) -> None:
    async with opened(box, tmp_path) as page:
        await page.get_by_text("Present a card by its number").click()
        await page.get_by_label("Card number").fill("04a1b2c3d4e5f6")
        await page.get_by_role("button", name="Present card").click()
        await expect(page.get_by_role("status")).to_have_text("Card presented at door.", timeout=WAIT_MS)
    assert box.asked == [Tap("door", "04A1B2C3D4E5F6")]


@browser
async def test_text_from_devices_stays_text(box: Box, tmp_path: Path) -> None:
    attack = '<img src=x onerror="window.broken=1"><b>x</b>'
    view = box.stage.view
    box.stage.show(
        name=attack,
        alarms=(attack,),
        devices=(DeviceView(attack, attack, attack, attack),),
        circuits=tuple(replace(circuit, limited_by=attack) for circuit in view.circuits),
        csms=tuple(replace(csms, url=attack, last_error=attack) for csms in view.csms),
        choices=tuple(replace(choice, token=attack) for choice in view.choices),
    )
    box.stage.show_evse("B1", reason=attack, message=attack, mode=attack, mode_from=attack, mode_note=attack)
    box.stage.show_evse("B5", fault=attack)
    async with opened(box, tmp_path) as page:
        await expect(page.locator("#alarm-list li")).to_have_text(attack)
        await expect(page.locator("#site-name")).to_have_text(attack)
        assert await page.locator("main img, main b").count() == 0
        assert await page.evaluate("window.broken === undefined")


@browser
async def test_an_empty_site_says_what_to_do(box: Box, tmp_path: Path) -> None:
    box.stage.view = empty_site()
    async with opened(box, tmp_path) as page:
        for section in ("evses", "circuits", "csms", "devices"):
            await expect(page.locator(f"#{section}-empty")).to_be_visible()
        await expect(page.locator("#evses-empty")).to_contain_text("No charger configured yet")
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / "empty.png", full_page=True)


@browser
async def test_a_lost_box_is_said_plainly_and_found_again(box: Box, tmp_path: Path) -> None:
    feeding = asyncio.create_task(beating(box))
    async with opened(box, tmp_path) as page:
        streaming = asyncio.Event()

        async def block(route: Route) -> None:
            streaming.set()
            await route.abort()

        await page.context.route("**/api/events", block)
        box.server._pulse.close()
        await expect(page.locator("#lost")).to_contain_text("Connection to the box lost", timeout=WAIT_MS)
        await expect(page.locator("#link-text")).to_contain_text(re.compile(r"last update \d+ s ago"))
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / "lost.png")
        assert streaming.is_set()
        box.server._pulse.start()
        await page.context.unroute("**/api/events")
        await expect(page.locator("#link-text")).to_have_text("Live", timeout=30_000)
        await expect(page.locator("#lost")).to_be_hidden()
    feeding.cancel()


@browser
async def test_a_silent_controller_is_not_taken_for_live_values(box: Box, tmp_path: Path) -> None:
    async with opened(box, tmp_path) as page:
        await expect(page.locator("#lost")).to_contain_text("has not completed a cycle", timeout=30_000)
        await expect(page.locator("#link-text")).to_contain_text("controller silent for")


def colours(scheme: str) -> dict[str, str]:
    css = (STATIC / "site.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    pattern = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")
    found = dict(pattern.findall(light))
    return found if scheme == "light" else found | dict(pattern.findall(dark.split("\n\n")[0]))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(scheme: str) -> None:
    found = colours(scheme)
    assert len(found) >= 14, json.dumps(found)
    pairs = [
        (text, ground)
        for text in ("text", "muted", "accent", "bad", "held", "ready")
        for ground in ("surface", "ground")
    ]
    pairs += [("text", "bad-ground"), ("bad", "bad-ground"), ("on-accent", "accent"), ("surface", "bad")]
    weak = {pair: round(contrast(found[pair[0]], found[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_stand_out_from_their_track(scheme: str) -> None:
    found = colours(scheme)
    for colour in ("own", "bad", "held"):
        assert contrast(found[colour], found["track"]) >= 3, colour
