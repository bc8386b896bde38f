from collections.abc import AsyncIterator

import pytest

from controller.web.gate import MAX_BODY, host_name
from tests.web.conftest import Box

STOP = {"evse": "A1"}


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("127.0.0.1:8080", "127.0.0.1"),
        ("[::1]:8080", "::1"),
        ("[fe80::1]", "fe80::1"),
        ("Box.Example.", "box.example"),
        ("", ""),
        ("[::1", ""),
        ("box:80:90", ""),
        ("box:http", ""),
    ],
)
def test_the_host_header_is_taken_apart(authority: str, name: str) -> None:
    assert host_name(authority) == name


@pytest.mark.parametrize(
    "host", ["rebound.attacker.example", "127.0.0.1.attacker.example:8080", "", "localhost.evil"]
)
@pytest.mark.parametrize("path", ["/", "/api/site", "/api/events", "/metrics", "/static/main.js"])
async def test_another_sites_name_for_this_box_gets_nothing(box: Box, host: str, path: str) -> None:
    answer = await box.client.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert "evses" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["localhost:8080", "box.example", "192.168.1.20:8080", "[fe80::1]:8080"])
async def test_addresses_and_configured_names_are_answered(box: Box, host: str) -> None:
    assert (await box.client.get("/api/site", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_command_that_a_foreign_form_could_send_is_refused(box: Box, content_type: str) -> None:
    answer = await box.client.post(
        "/api/commands/stop", content=b'{"evse":"A1"}', headers={"content-type": content_type}
    )
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]
    assert box.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://attacker.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
async def test_a_command_from_another_origin_is_refused(box: Box, headers: dict[str, str]) -> None:
    answer = await box.client.post("/api/commands/stop", json=STOP, headers=headers)
    assert answer.status_code == 403
    assert box.asked == []


async def test_a_command_from_the_own_page_passes(box: Box) -> None:
    headers = {"origin": box.url, "sec-fetch-site": "same-origin"}
    assert (await box.client.post("/api/commands/stop", json=STOP, headers=headers)).status_code == 200


async def test_a_long_body_is_refused_also_when_it_does_not_say_its_length(box: Box) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 1024 + 8):
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    for content in (endless(), b" " * (MAX_BODY + 1)):
        answer = await box.client.post("/api/commands/stop", content=content, headers=headers)
        assert answer.status_code == 413
    assert box.asked == []
