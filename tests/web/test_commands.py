import pytest

from controller.charging.commands import ChooseEvse, ChooseMode, ForgetModule, Outcome, Result, StopLocally, Tap
from controller.charging.modes import STANDARD, ByDeadline, Fixed, Mode, Priority, Surplus
from tests.web.conftest import Box


async def test_r18_a_choice_on_the_page_reaches_the_site(box: Box) -> None:
    answer = await box.client.post("/api/commands/choose", json={"choice": "c-1", "evse": "A5"})
    assert answer.status_code == 200
    assert answer.json() == {"result": "done", "text": "", "transaction": None}
    assert box.asked == [ChooseEvse("c-1", "A5")]


async def test_a_stop_on_the_page_reaches_the_site(box: Box) -> None:
    await box.client.post("/api/commands/stop", json={"evse": "B1"})
    assert box.asked == [StopLocally("B1")]


async def test_r1_a_module_without_mains_on_the_page_reaches_the_site_with_what_was_typed(box: Box) -> None:
    body = {"module": "stack-1/3", "confirmed": "stack-1/3 has no mains"}
    answer = await box.client.post("/api/commands/forget-module", json=body)
    assert answer.status_code == 200
    assert box.asked == [ForgetModule("stack-1/3", "stack-1/3 has no mains")]


async def test_a_card_number_is_taken_in_upper_case(box: Box) -> None:
    await box.client.post("/api/commands/tap", json={"reader": "door", "uid": "04a1b2c3d4e5f6"})
    assert box.asked == [Tap("door", "04A1B2C3D4E5F6")]


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        ({"mode": "rules"}, None),
        ({"mode": "standard"}, STANDARD),
        ({"mode": "priority"}, Priority(1)),
        ({"mode": "priority", "priority": 9}, Priority(9)),
        ({"mode": "deadline", "energy_kwh": 20, "by": "07:00"}, ByDeadline(20_000, 420)),
        ({"mode": "deadline", "energy_kwh": 0.1, "by": "00:00"}, ByDeadline(100, 0)),
        ({"mode": "surplus"}, Surplus()),
        ({"mode": "fixed", "max_current_a": 10.5}, Fixed(10_500)),
    ],
)
async def test_a_mode_on_the_page_reaches_the_site(box: Box, body: dict[str, object], mode: Mode | None) -> None:
    answer = await box.client.post("/api/commands/mode", json={"evse": "B1", **body})
    assert answer.status_code == 200
    assert box.asked == [ChooseMode("B1", mode)]


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Result.DONE, 200),
        (Result.SCHEDULED, 202),
        (Result.REFUSED, 409),
        (Result.UNKNOWN, 404),
        (Result.FAILED, 502),
    ],
)
async def test_the_outcome_comes_back_with_its_reason(box: Box, result: Result, status: int) -> None:
    box.outcome = Outcome(result, "as the site says")
    answer = await box.client.post("/api/commands/stop", json={"evse": "B1"})
    assert answer.status_code == status
    assert answer.json()["result"] == result.value
    assert answer.json()["text"] == "as the site says"


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("stop", {}, "evse: Field required"),
        ("stop", {"evse": 7}, "evse: Input should be a valid string"),
        ("stop", {"evse": ""}, "evse: String should have at least 1 character"),
        ("stop", {"evse": "A1", "force": True}, "force: Extra inputs are not permitted"),
        ("choose", {"choice": "c-1"}, "evse: Field required"),
        ("choose", {"choice": "c" * 65, "evse": "A1"}, "choice: String should have at most 64 characters"),
        ("tap", {"reader": "door", "uid": "04A1B2C3D"}, "uid: String should match pattern"),
        ("tap", {"reader": "door", "uid": "hello, box"}, "uid: String should match pattern"),
        ("forget-module", {"module": "stack-1/3"}, "confirmed: Field required"),
        ("stop", ["A1"], "body: Input should be a valid dictionary"),
        ("mode", {"evse": "A1"}, "body: Unable to extract tag"),
        ("mode", {"evse": "A1", "mode": "turbo"}, "body: Input tag 'turbo' found"),
        ("mode", {"mode": "surplus"}, "surplus.evse: Field required"),
        ("mode", {"evse": "A1", "mode": "surplus", "by": "07:00"}, "surplus.by: Extra inputs are not permitted"),
        ("mode", {"evse": "A1", "mode": "priority", "priority": 10}, "less than or equal to 9"),
        ("mode", {"evse": "A1", "mode": "priority", "priority": True}, "should be a valid integer"),
        ("mode", {"evse": "A1", "mode": "deadline", "energy_kwh": 20}, "deadline.by: Field required"),
        (
            "mode",
            {"evse": "A1", "mode": "deadline", "energy_kwh": 0, "by": "07:00"},
            "greater than or equal to 0.1",
        ),
        ("mode", {"evse": "A1", "mode": "deadline", "energy_kwh": 20, "by": "24:00"}, "end of a day"),
        ("mode", {"evse": "A1", "mode": "deadline", "energy_kwh": 20, "by": "7 o'clock"}, "no time of day"),
        ("mode", {"evse": "A1", "mode": "fixed", "max_current_a": "10"}, "should be a valid number"),
        ("mode", {"evse": "A1", "mode": "fixed", "max_current_a": 0.5}, "greater than or equal to 1"),
    ],
)
async def test_a_wrong_body_is_refused_by_name_of_the_field(box: Box, name: str, body: object, told: str) -> None:
    answer = await box.client.post(f"/api/commands/{name}", json=body)
    assert answer.status_code == 422
    assert told in answer.json()["error"]
    assert box.asked == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"evse": "A1"', b"\xff\xfe", b"null", b"[" * 16_000])
async def test_what_is_not_json_is_refused_and_nothing_happens(box: Box, content: bytes) -> None:
    answer = await box.client.post(
        "/api/commands/stop", content=content, headers={"content-type": "application/json"}
    )
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]
    assert box.asked == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_a_number_that_is_none_is_refused(box: Box, number: str) -> None:
    content = f'{{"evse": "A1", "mode": "deadline", "energy_kwh": {number}, "by": "07:00"}}'
    answer = await box.client.post(
        "/api/commands/mode", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert box.asked == []


async def test_an_unknown_command_is_not_there(box: Box) -> None:
    answer = await box.client.post("/api/commands/reboot", json={})
    assert answer.status_code == 404


async def test_a_command_cannot_be_given_by_a_link(box: Box) -> None:
    assert (await box.client.get("/api/commands/stop", params={"evse": "A1"})).status_code == 405
    assert box.asked == []


async def test_a_site_that_does_not_answer_in_time_is_said_to(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.web.commands.ASK_S", 0.05)
    box.patience_s = 30
    answer = await box.client.post("/api/commands/stop", json={"evse": "B1"})
    assert answer.status_code == 504
    assert "did not answer" in answer.json()["error"]
