"""Looking for devices: the addresses, and the page in a real browser."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import expect

from controller.charging.commands import (
    CancelScan,
    Outcome,
    ReadRegisters,
    RegistersRead,
    Result,
    StartScan,
    WriteRegister,
)
from controller.charging.found import FoundView, KnownView, ProposalView, ScanState, ScanView, WireView
from tests.web.conftest import Box
from tests.web.test_page import WAIT_MS, browser, opened

WIRE = "/dev/serial/by-id/usb-FTDI_USB-RS485_Cable_FT4X2B1C-if00-port0 19200 8E1"
WIRES = (WireView("rs485-1", WIRE), WireView("gateway", "10.0.0.9:502"))
KNOWN = (KnownView(1, ("m1",)), KnownView(2, ("A1", "A2")))
TABLES = (
    '[[meters]]\nid = "meter-1"\nprofile = "eastron-sdm630-v2"  # likely, check the type plate\nbus = "rs485-1"'
)
FOUND = (
    FoundView(
        WIRE,
        7,
        (
            ProposalView("eastron-sdm630-v2", "likely", ("voltage_l1 reads 231.0 V", "frequency reads 50.0 Hz")),
            ProposalView("eastron-sdm54", "possible", ()),
        ),
        ("1 of 3 answers were missing or spoilt: noise, or two devices have this address",),
    ),
    FoundView(WIRE, 9),
)
RUNNING = ScanView(ScanState.RUNNING, "rs485-1", "unit 33", 32, 245, known=KNOWN, wires=WIRES)
DONE = replace(
    RUNNING,
    state=ScanState.DONE,
    text="2 new devices found",
    found=FOUND,
    notes=("Scanned at the settings of this bus only.",),
    fragment=TABLES,
)


async def test_a_scan_is_started_shown_and_cancelled(box: Box) -> None:
    box.stage.show(scan=RUNNING)
    started = await box.client.post("/api/scan", json={"bus": "rs485-1", "units": [3, 4, 3]})
    assert started.status_code == 200
    shown = (await box.client.get("/api/scan")).json()
    assert (shown["state"], shown["done"], shown["of"]) == ("running", 32, 245)
    assert shown["known"][1] == {"unit": 2, "ids": ["A1", "A2"], "called": "unit"}
    assert (await box.client.delete("/api/scan")).status_code == 200
    assert box.asked == [StartScan("rs485-1", (3, 4)), CancelScan()]
    assert (await box.client.get("/api/site")).json()["scan"]["state"] == "running", "and so it is pushed"


async def test_a_second_scan_is_refused_with_the_reason(box: Box) -> None:
    box.outcome = Outcome(Result.REFUSED, "bus 'rs485-1' is being scanned")
    refused = await box.client.post("/api/scan", json={"bus": "gateway"})
    assert refused.status_code == 409
    assert refused.json()["text"] == "bus 'rs485-1' is being scanned"


@pytest.mark.parametrize(
    "body", [{}, {"bus": ""}, {"bus": "b", "units": [256]}, {"bus": "b", "units": "1"}, {"bus": "b", "more": 1}]
)
async def test_a_scan_of_nonsense_is_refused(box: Box, body: dict[str, object]) -> None:
    assert (await box.client.post("/api/scan", json=body)).status_code == 422
    assert box.asked == []


async def test_registers_come_with_their_age_and_a_refusal_with_its_code(box: Box) -> None:
    body = {"unit": 3, "table": "holding", "address": 10, "count": 2}
    box.outcome = Outcome(Result.DONE, registers=RegistersRead((1, 2), 0.25))
    answer = await box.client.post("/api/buses/rs485-1/read", json=body)
    assert answer.json()["registers"] == {"words": [1, 2], "age_s": 0.25, "fault": "", "exception": None}
    box.outcome = Outcome(Result.FAILED, "exception 2", registers=RegistersRead(fault="refused", exception=2))
    refused = await box.client.post("/api/buses/rs485-1/read", json=body)
    assert (refused.status_code, refused.json()["registers"]["exception"]) == (502, 2)
    assert box.asked == [ReadRegisters("rs485-1", 3, "holding", 10, 2)] * 2
    assert (await box.client.post("/api/buses/b/read", json=body | {"table": "files"})).status_code == 422


async def test_r11_a_write_needs_what_was_typed(box: Box) -> None:
    body = {"unit": 3, "profile": "p", "register": "failsafe_current", "value": "6"}
    assert (await box.client.post("/api/buses/b/write", json=body)).status_code == 422
    await box.client.post("/api/buses/b/write", json=body | {"confirmed": "failsafe_current"})
    assert box.asked == [WriteRegister("b", 3, "p", 1, "failsafe_current", "6", "failsafe_current")]


@browser
@pytest.mark.parametrize("width", [390, 1280])
async def test_devices_are_looked_for_on_the_page(box: Box, tmp_path: Path, width: int) -> None:
    box.stage.show(scan=ScanView(wires=WIRES))
    box.outcome = Outcome(Result.DONE, "bus rs485-1 is being scanned; charging goes on")
    async with opened(box, tmp_path, width=width) as page:
        section = page.locator("#find")
        await section.get_by_label("Bus").select_option("rs485-1")
        await section.get_by_role("button", name="Find devices").click()
        await expect(page.get_by_role("status")).to_contain_text("charging goes on", timeout=WAIT_MS)
        box.stage.show(scan=RUNNING)
        box.server.changed()
        bar = section.get_by_role("progressbar", name="Progress of the search")
        await expect(bar).to_be_visible(timeout=WAIT_MS)
        assert await bar.evaluate("bar => [bar.value, bar.max]") == [32, 245]
        await expect(section).to_contain_text("Bus rs485-1: unit 33")
        await expect(section.get_by_role("button", name="Find devices")).to_be_hidden()
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            await section.screenshot(path=Path(folder) / f"find-running-{width}.png")
        box.stage.show(scan=DONE)
        box.server.changed()
        await expect(section).to_contain_text("2 new devices found", timeout=WAIT_MS)
        await expect(section).to_contain_text("unit 1 (m1), 2 (A1, A2)")
        unit = section.locator("li", has_text="Unit 7")
        await expect(unit).to_contain_text("is likely eastron-sdm630-v2 (voltage_l1 reads 231.0 V")
        await expect(unit.locator(".doubt")).to_contain_text("two devices have this address")
        await expect(section.locator("li", has_text="Unit 9")).to_contain_text("fits no device profile")
        await expect(section.get_by_role("group", name="For site.toml")).to_have_text(TABLES)
        await section.get_by_role("button", name="Copy").click()
        await expect(page.get_by_role("status")).to_contain_text("opied")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        shot = tmp_path / f"find-{width}.png"
        await page.locator("section", has=section).last.screenshot(path=shot)
        if folder := os.environ.get("AMPYARD_SCREENSHOTS"):
            shutil.copy(shot, folder)
    assert box.asked == [StartScan("rs485-1")]


@browser
async def test_modules_of_a_can_bus_are_shown_by_their_address_and_protocol(box: Box, tmp_path: Path) -> None:
    wire = "can0 125000 bit/s"
    known = (KnownView(3, ("stack-1",), "module"), KnownView(5, ("stack-2",), "module"))
    both = tuple(
        FoundView(
            wire, 7, (ProposalView(name, "likely", ("answers in the protocol of this model",)),), (), "module"
        )
        for name in ("infypower-v1.13", "uugreenpower-ur1000x0")
    )
    wires = (*WIRES, WireView("can-1", wire))
    done = ScanView(ScanState.DONE, "can-1", "2 new devices found", known=known, found=both, wires=wires)
    box.stage.show(scan=ScanView(wires=wires))
    async with opened(box, tmp_path) as page:
        section = page.locator("#find")
        await section.get_by_label("Bus").select_option("can-1")
        await section.get_by_role("button", name="Find devices").click()
        box.stage.show(scan=done)
        box.server.changed()
        await expect(section).to_contain_text("Bus can-1: 2 new devices found", timeout=WAIT_MS)
        await expect(section).to_contain_text("belong to this site: module 3 (stack-1), 5 (stack-2)")
        modules = section.locator("#find-list > li", has_text="Module 7")
        await expect(modules).to_have_count(2)
        await expect(modules.nth(0)).to_contain_text("is likely infypower-v1.13")
        await expect(modules.nth(1)).to_contain_text("is likely uugreenpower-ur1000x0")
    assert box.asked == [StartScan("can-1")]


@browser
async def test_a_search_is_cancelled_on_the_page(box: Box, tmp_path: Path) -> None:
    box.stage.show(scan=RUNNING)
    async with opened(box, tmp_path) as page:
        await page.get_by_role("button", name="Cancel the search").click()
        await expect(page.get_by_role("status")).to_have_text("The search was cancelled.", timeout=WAIT_MS)
        box.stage.show(scan=replace(RUNNING, state=ScanState.CANCELLED, text="cancelled"))
        box.server.changed()
        await expect(page.locator("#find-said")).to_have_text("The search on bus rs485-1 was cancelled.")
        await expect(page.get_by_role("button", name="Find devices")).to_be_visible()
    assert box.asked == [CancelScan()]


@browser
async def test_what_strange_devices_say_stays_text(box: Box, tmp_path: Path) -> None:
    attack = '<img src=x onerror="window.broken=1"><b>x</b>'
    found = FoundView(attack, 1, (ProposalView(attack, attack, (attack,)),), (attack,))
    box.stage.show(scan=replace(DONE, bus=attack, text=attack, found=(found,), notes=(attack,), fragment=attack))
    async with opened(box, tmp_path) as page:
        await expect(page.locator("#find-text")).to_have_text(attack, timeout=WAIT_MS)
        assert await page.locator("#find img, #find b").count() == 0
        assert await page.evaluate("window.broken === undefined")
