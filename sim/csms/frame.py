"""OCPP-J frames; the package parses and writes them, this checks the types it leaves open."""

import json
from typing import Any

from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallError, CallResult, unpack

from sim.csms.journal import Content


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_call(message: object) -> bool:
    return (
        isinstance(message, Call)
        and _is_name(message.unique_id)
        and _is_name(message.action)
        and isinstance(message.payload, dict)
    )


def _is_result(message: object) -> bool:
    return (
        isinstance(message, CallResult)
        and _is_name(message.unique_id)
        and isinstance(message.payload, dict)
        and message.action is None
    )


def _is_error(message: object) -> bool:
    return (
        isinstance(message, CallError)
        and _is_name(message.unique_id)
        and isinstance(message.error_code, str)
        and isinstance(message.error_description, str)
        and isinstance(message.error_details, dict)
    )


def unparsable(text: str) -> Content:
    return Content("unparsable", None, None, {"raw": text})


def parse(text: str) -> Content:
    """A frame that is not OCPP-J becomes `unparsable` with its text under "raw"."""
    try:
        message: Any = unpack(text)
    except (OCPPError, RecursionError, TypeError, LookupError, ValueError):
        return unparsable(text)
    if _is_call(message):
        return Content("call", message.unique_id, message.action, message.payload)
    if _is_result(message):
        return Content("result", message.unique_id, None, message.payload)
    if _is_error(message):
        payload = {
            "error": message.error_code,
            "description": message.error_description,
            "details": message.error_details,
        }
        return Content("error", message.unique_id, None, payload)
    return unparsable(text)


def call_text(unique_id: str, action: str, payload: dict[str, Any]) -> str:
    return json.dumps([2, unique_id, action, payload], separators=(",", ":"))


def error_text(unique_id: str, code: str, description: str) -> str:
    return json.dumps([4, unique_id, code, description, {}], separators=(",", ":"))
