"""Limits from outside, from their source to the pilot of a simulated car."""

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from tests.mqtt.broker import MOSQUITTO, Broker, free_port
from tests.site.conftest import NewSite
from tests.site.processes import ROOT, SiteUnderTest, State

pytestmark = pytest.mark.site

MORE = """
[[inputs]]
id = "relay"

[[inputs]]
id = "fire"
stop_all = true

[[panels]]
id = "plc"
bus = "keba-1"
unit = 7
holding = { "100" = 320 }
"""
LIMITS = """
[[limits]]
id = "landlord"
source = "rest"
circuit = "main"
unit = "a"
when_lost = "release"
expires_s = 600

[[limits]]
id = "utility"
source = "input"
input = "relay"
charging_of = "main"
value = "en14a"

[[limits]]
id = "plc-limit"
source = "modbus"
evse = "A1"
unit = "a"
expires_s = 10
when_lost = 6
register = { bus = "keba-1", unit = 7, address = 100, scale = 0.1, period_s = 0.5 }
"""


async def started(site: SiteUnderTest, more: str = "") -> SiteUnderTest:
    scenario = site.folder / "limits.toml"
    small = (ROOT / "sim" / "scenarios" / "small.toml").read_text(encoding="utf-8")
    head, tables, rest = small.partition("[csms]")
    scenario.write_text(f"{head}{MORE}{tables}{rest}", encoding="utf-8")
    await site.start_simulator(str(scenario))
    with site.config.open("a", encoding="utf-8") as file:
        file.write(LIMITS + more)
    await site.start_controller()
    return site


async def charging(site: SiteUnderTest) -> None:
    await site.plug_in(1)
    await site.tap("r1", "0100ABCDEF")
    await site.charges(1)


async def offered(site: SiteUnderTest, low_a: float, high_a: float) -> State:
    """Wait until the controller offers the first car that much."""
    return await site.sees(
        lambda view: low_a * 1000 <= view["evses"][0]["offered_ma"] <= high_a * 1000,
        f"A1 is offered {low_a:g} to {high_a:g} A",
    )


async def rest(site: SiteUnderTest, method: str, **body: object) -> httpx.Response:
    assert site._page is not None
    return await site._page.request(method, "/api/limits/landlord", json=body or None)


def limit(view: State, name: str) -> State:
    found: State = next(one for one in view["limits"] if one["id"] == name)
    return found


async def test_r37_limits_by_rest_input_and_register_bind_and_let_go(new_site: NewSite) -> None:
    site = await started(new_site())
    await charging(site)
    await offered(site, 16, 32)

    assert (await rest(site, "PUT", value=12)).status_code == 200
    view = await offered(site, 6, 10)
    assert "landlord" in view["evses"][0]["reason"]
    assert "main" in limit(view, "landlord")["binds"]
    await site.becomes(lambda state: max(state["evse"][0]["drawn_a"]) <= 10, "the car follows")
    assert (await rest(site, "PUT", value=-1)).status_code == 409
    assert (await rest(site, "DELETE")).status_code == 200
    await offered(site, 16, 32)

    await site.post("input/relay", active=True)
    view = await offered(site, 9, 10.96)
    assert limit(view, "utility")["value_w"] == 7560, "4.2 kW + 0.8 * 4.2 kW for two devices"
    assert "utility" in view["evses"][0]["reason"]
    await site.post("input/relay", active=False)
    await offered(site, 16, 32)

    await site.post("panel/plc", address=100, words=[130])
    view = await offered(site, 13, 13)
    assert view["evses"][0]["reason"] == "limit: plc-limit"
    await site.post("bus/keba-1/fault", kind="silent", device="plc")
    view = await offered(site, 6, 6)
    assert limit(view, "plc-limit")["state"] == "lost"
    assert any("plc-limit: its source is silent" in alarm for alarm in view["alarms"])
    await site.post("bus/keba-1/fault", kind="none")
    await offered(site, 13, 13)

    said = await site.ampyard("limits", "log", "utility", "--config", str(site.config))
    assert said.status == 0
    assert [line.split("utility  ")[1].strip() for line in said.text.splitlines()] == [
        "free",
        "set  7.56 kW",
        "free",
    ]


async def test_r11_a_fire_alarm_locks_all_survives_a_kill_and_needs_a_release(new_site: NewSite) -> None:
    site = await started(new_site())
    await charging(site)
    await site.post("input/fire", active=True)
    await site.becomes(lambda state: not state["evse"][0]["contactor"], "the contactor opens")
    await site.post("input/fire", active=False)
    await site.restart_after_kill()
    view = await site.sees(lambda view: view["inputs"][1]["latched"], "the stop is remembered")
    assert any("input fire has stopped all charging" in alarm for alarm in view["alarms"])
    await asyncio.sleep(2)
    assert not (await site.evse(1))["contactor"]
    assert site._page is not None
    assert (await site._page.post("/api/commands/release", json={"input": "fire"})).status_code == 200
    await site.charges(1)
    said = await site.ampyard("limits", "log", "fire", "--config", str(site.config))
    assert ["stopped all" in said.text, "released" in said.text] == [True, True]


async def test_r11_a_broken_wire_is_an_active_input(new_site: NewSite) -> None:
    site = await started(new_site())
    await charging(site)
    await site.post("input/relay", active=False, broken=True)
    view = await offered(site, 9, 10.96)
    assert "input relay cannot be read, so it counts as active" in view["alarms"]
    await site.post("input/relay", active=False, broken=False)
    await offered(site, 16, 32)


@pytest.mark.skipif(MOSQUITTO is None and os.environ.get("CI") != "true", reason="needs the broker mosquitto")
async def test_r36_a_broker_comes_with_a_reload_and_its_loss_hurts_nobody(
    new_site: NewSite, tmp_path: Path
) -> None:
    site = await started(new_site())
    await charging(site)
    await offered(site, 16, 32)
    broker = Broker(tmp_path, free_port())
    with site.config.open("a", encoding="utf-8") as file:
        file.write(f'\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n')
        file.write(
            '\n[[limits]]\nid = "ems"\nsource = "mqtt"\nevse = "A1"\nunit = "a"\nexpires_s = 600\nwhen_lost = 9\n'
        )
    assert (await site.ampyard("reload", "--config", str(site.config))).status == 0
    view = await offered(site, 9, 9)
    assert limit(view, "landlord")["state"] == "waiting"
    await site.sees(lambda view: any("MQTT broker" in alarm for alarm in view["alarms"]), "no broker is an alarm")
    async with broker.running(), broker.client() as other:
        await site.sees(lambda view: not any("MQTT" in alarm for alarm in view["alarms"]), "the broker is found")
        await other.publish("ampyard/small/limits/ems/set", b'{"value": 11}', qos=1)
        await offered(site, 11, 11)
    view = await site.sees(lambda view: any("MQTT broker" in a for a in view["alarms"]), "its loss is an alarm")
    assert view["evses"][0]["offered_ma"] == 11_000
