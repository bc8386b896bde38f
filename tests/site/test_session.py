"""The main job from end to end: two cars, an outage, a crash, and a CSMS that misses nothing."""

import pytest

from tests.site.conftest import NewSite
from tests.site.processes import SiteUnderTest, State

pytestmark = pytest.mark.site

ONLINE, OFFLINE = "0100ABCDEF", "04A1B2C3D4E5F6"
TRANSACTION_MESSAGES = {"TransactionEvent", "StartTransaction", "StopTransaction", "MeterValues"}


@pytest.mark.parametrize("scenario", ["small", "small16"], ids=["ocpp-2.0.1", "ocpp-1.6"])
async def test_r25_two_sessions_reach_the_csms_in_order_across_an_outage_and_a_crash(
    new_site: NewSite, scenario: str
) -> None:
    site = new_site()
    await site.start_simulator(scenario)
    await site.start_controller()
    before_wh = await _registers_wh(site)

    await site.plug_in(1)
    await site.tap("r1", ONLINE)
    await site.charges(1)
    await site.csms_has(lambda csms: csms["total"]["transactions"] == 1, "the first start")

    await site.post("network", state="down")
    await site.sees(lambda view: not view["csms"][0]["connected"], "the link is lost")
    await site.plug_in(2)
    await site.tap("r2", OFFLINE)
    await site.charges(2)

    await site.controller.kill()
    assert (await site.evse(1))["contactor"], "a crash interrupts nobody"
    await site.start_controller()
    for number in (1, 2):
        await site.gains(number, 2)
    assert all(evse["transaction"] for evse in (await site.view() or {})["evses"])
    assert (await site.state())["csms"]["total"]["transactions"] == 1, "the network is still down"

    await site.post("network", state="up")
    await site.csms_has(lambda csms: csms["total"]["transactions"] == 2, "the offline start")
    for number in (1, 2):
        await site.unplug(number)
    csms = await site.csms_has(lambda csms: csms["total"]["complete"] == 2, "both are complete")
    await site.sees(lambda view: view["csms"][0]["outbox_depth"] == 0, "the outbox is empty")

    _assert_both_complete_in_order(csms, before_wh, await _registers_wh(site))
    times = await _times_of_transactions(site)
    assert times == sorted(times), "what happened first was told first"
    assert (await site.state())["csms"]["violations"] == []
    assert await site.controller.stop() == 0
    assert await site.ledger_is_intact()


async def _registers_wh(site: SiteUnderTest) -> list[float]:
    return [evse["energy_register_wh"] for evse in (await site.state())["evse"]]


def _assert_both_complete_in_order(csms: State, before_wh: list[float], after_wh: list[float]) -> None:
    transactions = csms["transactions"]
    assert [t["id_token"] for t in transactions] == [ONLINE, OFFLINE]
    assert [t["evse"] for t in transactions] == [1, 2]
    assert transactions[0]["started"] < transactions[1]["started"]
    for transaction, before, after in zip(transactions, before_wh, after_wh, strict=True):
        assert transaction["reason"] == "EVDisconnected"
        assert abs(transaction["meter_start_wh"] - before) <= 1, transaction
        assert abs(transaction["meter_stop_wh"] - after) <= 1, transaction
        assert transaction["energy_wh"] > 2
    assert [csms["total"][what] for what in ("changed_repeats", "out_of_order", "orphans")] == [0, 0, 0]


async def _times_of_transactions(site: SiteUnderTest) -> list[str]:
    calls = [m for m in await site.messages() if m["direction"] == "in" and m["action"] in TRANSACTION_MESSAGES]
    assert calls
    return [call["payload"].get("timestamp") or call["payload"]["meterValue"][0]["timestamp"] for call in calls]
