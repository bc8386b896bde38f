"""The tools of an installer against a whole site: before the service runs, and beside it (R39)."""

import asyncio
import contextlib
import os
import re
import sys
import tomllib
from typing import Any

import httpx
import pytest

from controller.terminal import EXIT_FAILED, EXIT_UNAVAILABLE
from tests.site.conftest import NewSite
from tests.site.processes import PATIENCE_S, ROOT, SiteUnderTest
from tests.site.test_dc import CAR, FIRST
from tests.site.test_session import ONLINE

pytestmark = pytest.mark.site


def bus_of(site: SiteUnderTest, name: str) -> dict[str, Any]:
    data = tomllib.loads(site.config.read_text(encoding="utf-8"))
    found: dict[str, Any] = next(bus for bus in data["buses"] if bus["id"] == name)
    return found


def meter_of(site: SiteUnderTest) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(site.config.read_text(encoding="utf-8"))["meters"][0]
    return found


async def test_r39_the_tools_find_a_wire_and_ask_the_service_once_it_has_it(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    wire, keba, meter = bus_of(site, "grid-wire"), bus_of(site, "keba-1"), meter_of(site)
    unit, where = meter.get("unit", 1), ("--config", str(site.config))
    serial = ("--port", wire["port"], "--baud", str(wire["baud"]))

    found = await site.ampyard("scan", *serial, "--units", f"{max(1, unit - 1)}-{unit + 1}", *where)
    assert found.status == 0, found.text
    assert f"{wire['port']} {wire['baud']} 8" in found.text
    assert meter["profile"] in found.text
    assert "[[meters]]" in found.text

    seen = await site.ampyard(
        *("probe", "--profile", "keba-p30", "--host", f"{keba['host']}:{keba['port']}", "--unit", "255"), *where
    )
    assert seen.status == 0, seen.text
    assert "status" in seen.text

    await site.start_controller()
    other = await site.ampyard("scan", "--port", wire["port"], "--baud", "38400", *where)
    assert other.status == EXIT_UNAVAILABLE, other.text
    assert f"at {wire['baud']} baud" in other.text
    lonely = await site.ampyard("scan", *serial, "--units", f"{unit}-{unit + 1}", *where)
    assert lonely.status == EXIT_FAILED, lonely.text
    assert f"unit {unit}: {meter['id']} of this site, not asked" in lonely.text
    gateway = await site.ampyard("scan", "--tcp", f"{keba['host']}:{keba['port']}", "--units", "1-3,255", *where)
    assert "bus 'keba-1' belongs to the site that runs here" in gateway.text
    probed = ("probe", "--profile", meter["profile"], "--port", wire["port"], "--unit", str(unit))
    live = await site.ampyard(*probed, "--raw", "input:0:2:float32", *where)
    assert live.status == 0, live.text
    assert re.search(r"^voltage_l1 +2[23]\d", live.text, re.MULTILINE), live.text
    assert re.search(r"^input 0 .* float32 2[23]\d", live.text, re.MULTILINE), live.text

    figures = await site.ampyard("bus", *where, "--seconds", "3")
    assert figures.status == 0, figures.text
    row = next(line.split() for line in figures.text.splitlines() if line.split()[:1] == ["grid-wire"])
    assert 0 < float(row[1]) <= 100, "use"
    assert float(row[2]) > 0, "transactions"
    assert row[-1] == meter["id"]


async def test_the_figures_of_the_wires_need_the_service(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    answer = await site.ampyard("bus", "--config", str(site.config))
    assert answer.status == EXIT_UNAVAILABLE
    assert "is it running?" in answer.text


async def test_a_noisy_wire_hides_no_device_from_a_scan(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    wire, meter = bus_of(site, "grid-wire"), meter_of(site)
    unit = meter.get("unit", 1)
    await site.post("bus/grid-wire/fault", kind="garbage", rate=0.2)
    found = await site.ampyard(
        *("scan", "--port", wire["port"], "--baud", str(wire["baud"])),
        *("--units", f"{unit}-{unit + 1}", "--config", str(site.config)),
    )
    assert found.status == 0, found.text
    assert f", unit {unit}:" in found.text
    assert f", unit {unit + 1}:" not in found.text


def take_out(site: SiteUnderTest, *ids: str) -> None:
    """Make devices of the simulator strangers: site.toml does not name them."""
    tables = re.split(r"\n\n(?=\[)", site.config.read_text(encoding="utf-8"))
    kept = [table for table in tables if not any(f'\nid = "{name}"' in table for name in ids)]
    text = "\n\n".join(kept)
    for name in ids:
        text = text.replace(f', "{name}"', "")
    site.config.write_text(text, encoding="utf-8")


def page_of(site: SiteUnderTest) -> httpx.AsyncClient:
    listen = tomllib.loads(site.config.read_text(encoding="utf-8"))["web"]["listen"]
    return httpx.AsyncClient(base_url=f"http://{listen}", timeout=20, trust_env=False)


async def test_r39_a_stranger_is_found_on_a_wire_while_a_car_charges_there(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("mixed-rtu")
    take_out(site, "E2", "m-e2")
    await site.start_controller()
    await site.plug_in(3)
    await site.tap("r-e", ONLINE)
    await site.charges(3)

    async with page_of(site) as page:
        seen = asyncio.create_task(watch(site))
        port = bus_of(site, "wire-2")["port"]
        found = await site.ampyard("scan", "--port", port, "--units", "11-13", "--config", str(site.config))
        assert found.status == 0, found.text
        assert "unit 11: m-e1 of this site, not asked" in found.text
        assert ", unit 12:" in found.text
        assert 'bus = "wire-2"\nunit = 12' in found.text
        assert "[[buses]]" not in found.text, "it has that one"
        view = await site.view()
        assert view is not None
        tables = tomllib.loads(view["scan"]["fragment"])
        assert tables["meters"][0]["unit"] == 12

        # All addresses take long; a cut in the midst of it does not.
        started = await page.post("/api/scan", json={"bus": "wire-2"})
        assert started.status_code == 200, started.text
        await site.sees(lambda view: view["scan"]["done"] > 3, "the scan is under way")
        seen.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await seen
        stopped = await page.post("/api/commands/stop", json={"evse": "E1"})
        assert stopped.status_code == 200, stopped.text
        await site.becomes(lambda state: state["evse"][2]["offered_a"] == 0, "the cut has arrived", within_s=10)
        assert (await page.get("/api/scan")).json()["state"] == "running"
        assert (await page.delete("/api/scan")).status_code == 200
        assert (await page.get("/api/scan")).json()["state"] == "cancelled"
        figures = (await page.get("/api/buses")).json()["buses"]
    wire = next(one for one in figures if one["bus"] == "wire-2")
    assert {unit["unit"] for unit in wire["units"]} == {1, 11}
    assert not any(unit["lost"] for unit in wire["units"])


async def test_r39_a_module_is_found_on_a_can_bus_while_the_others_deliver(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("dc")
    text = site.config.read_text(encoding="utf-8")
    assert text.count("addresses = [2, 3]") == 1
    site.config.write_text(text.replace("addresses = [2, 3]", "addresses = [2]"), encoding="utf-8")
    await site.start_controller()
    await site.post("evse/1/plug_in", **CAR)
    await site.tap("door", FIRST)
    await site.becomes(lambda state: state["evse"][0]["power_w"] >= 50_000, "DC1 delivers 50 kW")
    wire = bus_of(site, "can0")
    where = ("--can", f"socketcand:{wire['host']}:{wire['port']}/{wire['channel']}", "--config", str(site.config))

    wrong = await site.ampyard("scan", *where, "--bitrate", "500000")
    assert wrong.status == EXIT_UNAVAILABLE, wrong.text
    assert f"at {wire['bitrate']} bit/s" in wrong.text
    delivering = asyncio.create_task(delivers(site))
    found = await site.ampyard("scan", *where)
    delivering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await delivering
    assert found.status == 0, found.text
    for module, stack in ((0, 1), (1, 1), (2, 2), (4, 3)):
        assert f"module {module}: stack-{stack} of this site, not asked" in found.text
    assert re.findall(r", module (\d+):", found.text) == ["3"], found.text
    assert "likely     infypower-v1.13" in found.text
    tables = tomllib.loads(found.text[found.text.index("[[power_modules]]") :])["power_modules"]
    assert [(one["id"], one["bus"], one["addresses"]) for one in tables] == [("stack-4", "can0", [3])]
    assert (await site.state())["dc"]["damage"] == []

    async with page_of(site) as page:
        told = (await page.get("/metrics")).text
    for series in (
        'ampyard_bus_busy_seconds_total{bus="can0"}',
        'ampyard_bus_errors_total{bus="can0",kind="bus-off"}',
        'ampyard_bus_transactions_total{bus="wire-1"}',
        'ampyard_bus_errors_total{bus="wire-1",kind="timeout"}',
        'ampyard_unit_answer_age_seconds{bus="wire-1",unit="',
        'ampyard_bus_cut_wait_highest_seconds{bus="wire-1"}',
    ):
        assert series in told


async def delivers(site: SiteUnderTest) -> None:
    """No module of the site falls silent, and the power stays, for as long as this runs."""
    while True:
        view = await site.view()
        assert view is not None
        modules = [one for one in view["devices"] if one["kind"] == "module"]
        assert [one["id"] for one in modules if one["health"] != "ok"] == []
        assert (await site.state())["evse"][0]["power_w"] >= 50_000
        await asyncio.sleep(0.5)


async def watch(site: SiteUnderTest) -> None:
    """No device is lost, and the car is offered current all the while."""
    while True:
        view = await site.view()
        assert view is not None
        assert [one["health"] for one in view["devices"] if one["health"] == "lost"] == []
        charging = next(one for one in view["evses"] if one["id"] == "E1")
        assert charging["status"] in ("starting", "charging")
        assert charging["offered_ma"] >= 6000
        await asyncio.sleep(0.2)


async def test_r11_a_stranger_is_set_up_through_the_service_and_a_charger_of_the_site_is_not(
    new_site: NewSite,
) -> None:
    site = new_site()
    await site.start_simulator("mixed-rtu")
    take_out(site, "H2")
    await site.start_controller()
    port = bus_of(site, "wire-1")["port"]
    probe = ("probe", "--profile", "heidelberg-energy-control", "--port", port, "--config", str(site.config))
    write = ("--write", "failsafe_current=7")
    status, text = await typed(site, "failsafe_current\n", *probe, "--unit", "2", *write)
    assert status == 0, text
    assert "failsafe_current: 7 A written and read back" in text
    assert re.search(r"^failsafe_current +7 +A +0046", text, re.MULTILINE), text
    for said, unit, answer in (("failsafe_current\n", "1", "H1 is part of this site"), ("y\n", "2", "not written")):
        status, text = await typed(site, said, *probe, "--unit", unit, *write)
        assert status == EXIT_FAILED, text
        assert answer in text


async def typed(site: SiteUnderTest, said: str, *arguments: str) -> tuple[int | None, str]:
    """A command to which somebody types something."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
    )
    async with asyncio.timeout(PATIENCE_S):
        text, _ = await process.communicate(said.encode())
    return process.returncode, text.decode()
