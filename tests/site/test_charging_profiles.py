"""A charging profile of the CSMS moves what a charger offers."""

from typing import Any

import pytest

from tests.site.conftest import RunningSite
from tests.site.processes import SiteUnderTest, State

pytestmark = pytest.mark.site

CARD = "0100ABCDEF"
REASON = "csms simulated (default profile)"


def set_profile(limit_a: float) -> tuple[str, dict[str, Any]]:
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}]}
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    return "SetChargingProfile", {"evseId": 0, "chargingProfile": profile}


async def csms_calls(site: SiteUnderTest, call: tuple[str, dict[str, Any]]) -> None:
    answer = await site.post("csms/call", action=call[0], payload=call[1])
    assert answer["status"] == "Accepted", answer


async def offers(site: SiteUnderTest, amperes: float) -> None:
    await site.becomes(lambda state: state["evse"][0]["offered_a"] == amperes, f"EVSE 1 offers {amperes} A")


async def says_why(site: SiteUnderTest) -> State:
    return await site.sees(lambda view: REASON in view["evses"][0]["reason"], "what limits EVSE 1")


async def test_r37_a_profile_of_the_csms_lowers_the_setpoint_and_clearing_it_raises_it(
    running: RunningSite,
) -> None:
    site = await running("small")
    await site.plug_in(1)
    await site.tap("r1", CARD)
    await site.charges(1)
    await site.becomes(lambda state: state["evse"][0]["offered_a"] > 10, "EVSE 1 is not limited yet")

    await csms_calls(site, set_profile(8))
    await offers(site, 8)
    await says_why(site)
    await csms_calls(site, ("ClearChargingProfile", {"chargingProfileId": 1}))
    await site.becomes(lambda state: state["evse"][0]["offered_a"] > 10, "EVSE 1 is raised again")
    assert (await site.state())["csms"]["violations"] == []
