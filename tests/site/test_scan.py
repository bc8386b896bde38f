"""The tools of an installer against a whole site: before the service runs, and beside it (R39)."""

import tomllib
from typing import Any

from controller.terminal import EXIT_UNAVAILABLE
from tests.site.conftest import NewSite
from tests.site.processes import SiteUnderTest


def bus_of(site: SiteUnderTest, name: str) -> dict[str, Any]:
    data = tomllib.loads(site.config.read_text(encoding="utf-8"))
    found: dict[str, Any] = next(bus for bus in data["buses"] if bus["id"] == name)
    return found


def meter_of(site: SiteUnderTest) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(site.config.read_text(encoding="utf-8"))["meters"][0]
    return found


async def test_r39_the_tools_find_a_wire_and_leave_it_alone_once_the_service_has_it(new_site: NewSite) -> None:
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
    for command in (
        ("scan", *serial),
        ("probe", "--profile", meter["profile"], "--port", wire["port"], "--unit", str(unit)),
    ):
        refused = await site.ampyard(*command, *where)
        assert refused.status == EXIT_UNAVAILABLE, refused.text
        assert "bus 'grid-wire' of the site that runs here" in refused.text
    skipped = await site.ampyard("scan", "--tcp", f"{keba['host']}:{keba['port']}", *where)
    assert skipped.status == EXIT_UNAVAILABLE, skipped.text
    assert "bus 'keba-1'" in skipped.text

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
