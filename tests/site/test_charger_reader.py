"""A charger with a reader of its own, whose tag register is all that anybody sees of a card (R13, R18)."""

import pytest

from tests.site.conftest import RunningSite
from tests.site.processes import SiteUnderTest

pytestmark = pytest.mark.site

CARD = "04A1B2C3"
HELD_MS = 6000
"""Longer than two taps must lie apart to be two."""
FOREVER_MS = 600_000
READ_S = 2.0
"""The register is empty again, and the controller has read it so."""


async def test_r18_a_card_held_to_the_charger_itself_starts_and_stops_a_session(running: RunningSite) -> None:
    site = await running()
    await site.post("csms/behaviour", tokens={CARD: "Accepted"})
    await site.plug_in(1)
    held_s = (await site.state())["time_s"]
    await hold(site, HELD_MS)
    await site.charges(1)
    await site.csms_has(lambda csms: csms["total"]["transactions"] == 1, "the start")
    assert (await site.evse(2))["contactor"] is False, "its reader serves no other charging point"
    gone_s = held_s + HELD_MS / 1000 + READ_S
    await site.becomes(lambda state: state["time_s"] > gone_s, "the card is taken away")
    assert (await site.evse(1))["contactor"], "a card that is held, and taken away, is one tap"

    await hold(site, FOREVER_MS)
    csms = await site.csms_has(lambda csms: csms["total"]["complete"] == 1, "the end by the card")
    [transaction] = csms["transactions"]
    assert (transaction["id_token"], transaction["evse"], transaction["reason"]) == (CARD, 1, "Local")

    await site.restart_after_kill()
    await site.sees(lambda view: not view["evses"][0]["transaction"], "nothing runs")
    await site.sees(lambda view: view["csms"][0]["connected"], "the link is back")
    assert (await site.state())["csms"]["total"]["transactions"] == 1, "what it showed before the start is no tap"
    assert csms["violations"] == []


async def hold(site: SiteUnderTest, hold_ms: int) -> None:
    await site.post("reader/A1/tap", uid=CARD, hold_ms=hold_ms)
