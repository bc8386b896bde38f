import json

import pytest

from tests.web.conftest import Box
from tests.web.sample import empty_site


async def test_the_site_is_served_as_plain_json(box: Box) -> None:
    answer = await box.client.get("/api/site")
    site = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert [evse["id"] for evse in site["evses"]] == [
        "A1",
        "A2",
        "A3",
        "A4",
        "A5",
        "A6",
        "B1",
        "B2",
        "B3",
        "B4",
        "B5",
        "B6",
    ]
    assert site["evses"][0]["drawn_ma"] == [15_720, 15_690, 15_810]
    assert site["evses"][0]["status"] == "charging"
    assert site["evses"][8]["transaction"]["state"] == "SuspendedEVSE"
    assert site["evses"][11]["drawn_ma"] is None
    assert site["circuits"][2]["limited_by"] == "L3"


async def test_a_new_view_is_served_at_once(box: Box) -> None:
    await box.client.get("/api/site")
    box.stage.view = empty_site()
    assert (await box.client.get("/api/site")).json()["evses"] == []


async def test_the_page_names_the_site_and_escapes_it(box: Box) -> None:
    box.stage.show(name='<script>alert("x")</script>')
    answer = await box.client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "&lt;script&gt;alert" in answer.text
    assert "<script>alert" not in answer.text


async def test_every_file_that_the_page_loads_is_there_and_comes_from_the_box(box: Box) -> None:
    page = (await box.client.get("/")).text
    addresses = [part.split('"')[0] for attribute in ('src="', 'href="') for part in page.split(attribute)[1:]]
    for address in addresses:
        assert address.startswith(("/static/", "#"))
        if address.startswith("/"):
            assert (await box.client.get(address)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/static/none.js", "/static/..%2fserver.py", "/api/none"]
)
async def test_nothing_else_is_served(box: Box, path: str) -> None:
    answer = await box.client.get(path)
    assert answer.status_code == 404
    assert "error" in answer.json()


async def test_health_says_the_age_of_the_last_cycle_and_nothing_of_the_site(box: Box) -> None:
    box.server.changed()
    answer = await box.client.get("/healthz")
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "cycle_age_s"}
    assert answer.json()["status"] == "ok"
    assert 0 <= answer.json()["cycle_age_s"] < 10


async def test_health_turns_bad_when_the_cycle_is_silent(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.web.routes.STALE_S", -1.0)
    answer = await box.client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "stale"


async def test_metrics_are_passed_on_as_they_are(box: Box) -> None:
    answer = await box.client.get("/metrics")
    assert answer.content == b"ampyard_alarms 2.0\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/api/site", "/static/site.css", "/nowhere", "/healthz", "/metrics"])
async def test_every_answer_carries_the_security_headers(box: Box, path: str) -> None:
    headers = (await box.client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


async def test_the_page_has_no_inline_script_or_style(box: Box) -> None:
    page = (await box.client.get("/")).text
    assert "<style" not in page
    assert "style=" not in page
    assert "onclick" not in page
    assert page.count("<script") == 1


async def test_tokens_are_served_as_masked_as_the_view_has_them(box: Box) -> None:
    text = json.dumps((await box.client.get("/api/site")).json(), ensure_ascii=False)
    assert "••••E5F1" in text
