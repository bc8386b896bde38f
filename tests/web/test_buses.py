"""The counters of the wires."""

import httpx
from fastapi import FastAPI

from controller.web.buses import bus_routes
from drivers.api import BusFigures, UnitFigures
from tests.web.conftest import Box

UNIT = UnitFigures(
    3,
    transactions=10,
    errors=2,
    timeouts=1,
    busy_s=1.5,
    lost_s=0.5,
    lost=False,
    turnaround_s=0.02,
    answer_age_s=0.5,
    faults={"timeout": 1, "data": 1},
)
FIGURES = BusFigures("wire", transactions=10, errors=2, timeouts=1, busy_s=1.5, devices=("m1",), units=(UNIT,))


async def test_the_counters_of_each_bus_and_unit_are_served_with_their_time() -> None:
    app = FastAPI()
    app.include_router(bus_routes(lambda: (FIGURES,)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://box") as client:
        first, second = [(await client.get("/api/buses")).json() for _ in range(2)]
    assert second["at_s"] >= first["at_s"]
    (bus,) = first["buses"]
    assert (bus["bus"], bus["transactions"], bus["devices"]) == ("wire", 10, ["m1"])
    assert bus["units"][0] == {
        "unit": 3, "transactions": 10, "errors": 2, "timeouts": 1, "busy_s": 1.5, "lost_s": 0.5, "lost": False,
        "turnaround_s": 0.02, "answer_age_s": 0.5, "faults": {"timeout": 1, "data": 1},
    }  # fmt: skip


async def test_a_page_without_wires_serves_none(box: Box) -> None:
    assert (await box.client.get("/api/buses")).json()["buses"] == []
