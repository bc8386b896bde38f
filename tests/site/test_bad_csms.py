"""A CSMS that talks nonsense: each frame has its answer, and the car notices nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sim.csms.server import Csms
from tests.site.conftest import NewSite

pytestmark = pytest.mark.site

CARD = "0100ABCDEF"
GARBAGE = (
    "",
    "hello",
    "[",
    "[2]",
    "{}",
    '[9,"x"]',
    '[2,"1","Reset"]',
    '[3,"never-asked",{}]',
    "[2," * 500,
    "\u0000",
)
ANSWER_TO_GARBAGE = "which is no open call"
"""What the simulated CSMS says of the error that it gets for a frame that it never counted as a call."""
BAD_CALLS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "2.0.1": [
        ("GetVariables", {"getVariableData": "all"}),
        ("RequestStartTransaction", {}),
        ("Reset", {"type": "Sideways"}),
    ],
    "1.6": [
        ("ChangeAvailability", {"connectorId": "one", "type": "Operative"}),
        ("RemoteStartTransaction", {}),
        ("Reset", {"type": "Sideways"}),
    ],
}
BREAKS_THE_SCHEMA = {
    "FormatViolation",
    "FormationViolation",
    "OccurrenceConstraintViolation",
    "OccurenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "TypeConstraintViolation",
}
HEARTBEAT = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
GOOD_CALL: dict[str, tuple[str, dict[str, Any]]] = {
    "2.0.1": ("GetVariables", {"getVariableData": [HEARTBEAT]}),
    "1.6": ("GetConfiguration", {"key": ["HeartbeatInterval"]}),
}


@pytest.fixture(params=["2.0.1", "1.6"])
async def csms(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Csms, int]]:
    """A CSMS of our own behind the simulator's network: it can send what a decent one never would."""
    server = Csms(version=request.param, passwords=None, tokens={})
    port = await server.start()
    yield request.param, server, port
    await server.stop()


async def test_bad_frames_and_calls_are_answered_and_the_car_goes_on(
    new_site: NewSite, csms: tuple[str, Csms, int]
) -> None:
    version, server, port = csms
    site = new_site()
    scenario = "small" if version == "2.0.1" else "small16"
    await site.start_simulator(scenario, "--csms", f"ws://127.0.0.1:{port}/ocpp")
    await site.start_controller()
    await site.sees(lambda view: view["csms"][0]["registration"] == "Accepted", "the station is accepted")
    await site.plug_in(1)
    await site.tap("r1", CARD)
    await site.charges(1)
    for frame in GARBAGE:
        await server.send_raw(None, frame)
    for action, payload in BAD_CALLS[version]:
        answer = await server.call(None, action, payload, validate=False)
        assert answer.get("error") in BREAKS_THE_SCHEMA, (action, answer)
    answer = await server.call(None, "BrewCoffee", {}, validate=False)
    assert answer["error"] in {"NotImplemented", "NotSupported"}
    action, payload = GOOD_CALL[version]
    answer = await server.call(None, action, payload)
    assert "error" not in answer, answer
    await site.gains(1, 2)
    view = await site.sees(lambda view: view["evses"][0]["status"] == "charging", "the car charges")
    assert not view["alarms"]
    await site.unplug(1)
    await site.sees(lambda view: not view["evses"][0]["transaction"], "the session ends")
    await site.come_true(lambda: server.summary()["total"]["complete"] == 1, "the CSMS has it all")
    complaints = server.summary()["violations"]
    assert [one for one in complaints if not one.endswith(ANSWER_TO_GARBAGE)] == []
    assert await site.controller.stop() == 0
