"""What a message says, or why it says nothing."""

import json

import pytest

from controller.charging.view import LimitState, LimitView
from controller.mqtt.payload import PayloadError, Said, decode, encode


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"16", Said(16.0)),
        (b" 16.5\n", Said(16.5)),
        (b'{"value": 16}', Said(16.0)),
        (b'{"value": 16, "expires_s": 60}', Said(16.0, 60.0)),
        (b'{"value": null}', Said(None)),
        (b"", Said(None)),
        (b"null", Said(None)),
    ],
)
def test_a_limit_is_a_number_or_an_object(payload: bytes, said: Said) -> None:
    assert decode(payload) == said


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"NaN", "NaN is no number"),
        (b'{"value": Infinity}', "Infinity is no number"),
        (b"sixteen", "not JSON"),
        (b'"16"', "must be a number"),
        (b"true", "must be a number"),
        (b"[16]", "must be a number"),
        (b"{}", "value is missing"),
        (b'{"value": 16, "expires": 5}', "unknown key 'expires'"),
        (b'{"value": 16, "expires_s": "soon"}', "expires_s must be a number"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 1000, "not JSON"),
        (b"1" * 2000, "longer than"),
        (b"1" * 999, "value|message is too large"),
    ],
)
def test_what_is_no_limit_is_refused(payload: bytes, why: str) -> None:
    with pytest.raises(PayloadError, match=why):
        decode(payload)


@pytest.mark.parametrize(
    ("unit", "value_ma", "value_w", "told"),
    [("a", 16_500, None, 16.5), ("kw", None, 4200, 4.2), ("w", None, 4200, 4200), ("a", None, None, None)],
)
def test_a_limit_is_told_in_its_own_unit(
    unit: str, value_ma: int | None, value_w: int | None, told: float | None
) -> None:
    view = LimitView(
        "g",
        "mqtt",
        "circuit",
        "main",
        unit,
        LimitState.SET,
        value_ma,
        value_w,
        3,
        117,
        "it does not limit",
        "",
        ("A1",),
    )
    found = json.loads(encode(view))
    assert (found["value"], found["unit"], found["state"], found["binds"]) == (told, unit, "set", ["A1"])
    assert "age_s" not in found, "what ticks would be published each second"
