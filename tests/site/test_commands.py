"""`ampyard check`, `reload` and `variables`, beside a running site and without one (R36)."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from tests.site.conftest import NewSite
from tests.site.processes import SiteUnderTest

pytestmark = pytest.mark.site

CARD, LONG_CARD = "0100ABCDEF", "04A1B2C3D4E5F6"
EXIT_CONFIG = 78
HEARTBEAT = "OCPPCommCtrlr.HeartbeatInterval"
GET_HEARTBEAT = {
    "getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}]
}


def without_a2(text: str) -> str:
    """The site with one EVSE and its reader less; the wire stays."""
    text = re.sub(r"\[\[evses\]\]\nid = \"A2\"\n.*?\n\n", "", text, flags=re.DOTALL)
    text = re.sub(r"\[\[readers\]\]\nid = \"r2\"\n.*?\n\n", "", text, flags=re.DOTALL)
    return text.replace('evses = ["A1", "A2"]', 'evses = ["A1"]')


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "not TOML": (lambda text: text + "\n[[[", "is not TOML"),
    "a misspelt key": (lambda text: text.replace("usable_share", "usabel_share"), "usabel_share: unknown key"),
    "an unknown device profile": (lambda text: text.replace("keba-p30", "keba-p31"), "keba-p31"),
    "an unproven circuit": (
        lambda text: text.replace("rating_a = [32, 32, 32]", "rating_a = [16, 16, 16]"),
        "main",
    ),
}


async def test_check_names_what_is_wrong_and_exits_78(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    assert (await site.ampyard("check", str(site.config))).status == 0
    good = site.config.read_text(encoding="utf-8")
    for name, (edit, said) in BROKEN.items():
        file = site.folder / f"{name}.toml"
        broken = edit(good)
        assert broken != good
        file.write_text(broken, encoding="utf-8")
        answer = await site.ampyard("check", str(file))
        assert (answer.status, said in answer.text) == (EXIT_CONFIG, True), (name, answer)
        assert "Traceback" not in answer.text
    missing = await site.ampyard("check", str(site.folder / "nowhere.toml"))
    assert (missing.status, "nowhere.toml" in missing.text) == (EXIT_CONFIG, True)
    refused = await site.ampyard("run", "--config", str(site.folder / "not TOML.toml"))
    assert refused.status == EXIT_CONFIG


async def _write(site: SiteUnderTest, text: str) -> None:
    site.config.write_text(text, encoding="utf-8")


async def _reload(site: SiteUnderTest) -> None:
    answer = await site.ampyard("reload", "--config", str(site.config))
    assert answer.status == 0, answer


async def _watched(site: SiteUnderTest, act: Callable[[], Awaitable[None]]) -> None:
    """Act, and see to it that the car at the first EVSE never notices."""
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            evse = await site.evse(1)
            assert evse["offered_a"] >= 6, evse
            assert evse["contactor"], evse
            assert not evse["watchdog_expired"], evse
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        await act()
        done.set()


async def test_r36_a_reload_adds_an_evse_and_changes_a_rating_without_a_gap(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    full = site.config.read_text(encoding="utf-8")
    await _write(site, without_a2(full))
    await site.start_controller()
    await site.plug_in(1)
    await site.tap("r1", CARD)
    await site.charges(1, at_least_a=15)
    started = (await site.csms_has(lambda csms: csms["total"]["transactions"] == 1, "the start"))["transactions"]

    async def grow() -> None:
        await _write(site, full.replace("rating_a = [32, 32, 32]", "rating_a = [28, 28, 28]"))
        await _reload(site)
        await site.becomes(lambda state: state["evse"][0]["offered_a"] <= 24, "the limit follows the rating")
        await site.plug_in(2)
        await site.tap("r2", LONG_CARD)
        await site.charges(2)
        await _write(site, full)
        await _reload(site)
        shared = "both share the higher rating"
        await site.becomes(lambda state: sum(evse["offered_a"] for evse in state["evse"]) > 26, shared)

    await _watched(site, grow)
    csms = await site.csms_has(lambda csms: csms["total"]["transactions"] == 2, "both")
    assert csms["transactions"][0]["transaction_id"] == started[0]["transaction_id"]
    assert csms["transactions"][0]["ended"] is None
    await _refused_reloads(site, full)
    for number in (1, 2):
        await site.unplug(number)
    csms = await site.csms_has(lambda csms: csms["total"]["complete"] == 2, "both ended")
    assert csms["violations"] == []


async def _refused_reloads(site: SiteUnderTest, full: str) -> None:
    """A wrong file, and one that would cut off a running transaction."""

    async def try_them() -> None:
        await _write(site, full.replace("usable_share", "usabel_share"))
        wrong = await site.ampyard("reload", "--config", str(site.config))
        assert (wrong.status, "usabel_share" in wrong.text) == (EXIT_CONFIG, True), wrong
        await _write(site, without_a2(full))
        cutting = await site.ampyard("reload", "--config", str(site.config))
        assert (cutting.status, "A2 is in use" in cutting.text) == (1, True), cutting
        await _write(site, full)

    before = [evse["offered_a"] for evse in (await site.state())["evse"]]
    await _watched(site, try_them)
    state = await site.state()
    assert [evse["offered_a"] for evse in state["evse"]] == pytest.approx(before, abs=1.5)
    assert all(evse["contactor"] for evse in state["evse"])


async def test_variables_are_read_and_set_beside_the_service_and_without_it(new_site: NewSite) -> None:
    site = new_site()
    await site.start_simulator("small")
    option = ("--config", str(site.config))

    async def said(*arguments: str) -> str:
        answer = await site.ampyard("variables", *arguments, *option)
        assert answer.status == 0, answer
        return answer.text

    assert HEARTBEAT in await said("list", "heartbeat")
    site.state_dir.mkdir()
    await said("set", HEARTBEAT, "77")
    assert (await said("get", HEARTBEAT)).strip() == "77"
    await site.start_controller()
    await site.sees(lambda view: view["csms"][0]["registration"] == "Accepted", "the station is accepted")
    await said("set", HEARTBEAT, "55")
    assert (await said("get", HEARTBEAT)).strip() == "55"
    assert "55" in await said("list", HEARTBEAT)
    answer = await site.post("csms/call", action="GetVariables", payload=GET_HEARTBEAT)
    assert answer["getVariableResult"][0]["attributeValue"] == "55"
    for wrong in (("set", HEARTBEAT, "soon"), ("set", "NoSuch.Thing", "1"), ("get", "NoSuch.Thing")):
        refused = await site.ampyard("variables", *wrong, *option)
        assert (refused.status, "Traceback" in refused.text) == (1, False), refused
    await site.controller.stop()
    assert (await said("get", HEARTBEAT)).strip() == "55"
    refused = await site.ampyard("variables", "set", HEARTBEAT, "soon", *option)
    assert (refused.status, "Traceback" in refused.text) == (1, False), refused
