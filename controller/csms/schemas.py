"""The JSON schemas of OCPP 1.6 and 2.0.1, as packaged with `ocpp`, compiled when first needed."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

import jsonschema_rs

from controller.csms.rpc import Fault, Payload


class Version(enum.Enum):
    """A version of OCPP that a station can speak, as `site.toml` writes it."""

    V16 = "1.6"
    V201 = "2.0.1"


class Kind(enum.Enum):
    REQUEST = "request"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Problem:
    fault: Fault
    text: str


MAX_INTEGER = 2**63 - 1
"""Larger integers are no OCPP values, and the validator does not take them."""

_FOLDERS = {Version.V16: "v16", Version.V201: "v201"}
_REQUEST_SUFFIX = {Version.V16: "", Version.V201: "Request"}

_KINDS = jsonschema_rs.ValidationErrorKind
_FAULTS: tuple[tuple[type, Fault], ...] = (
    (_KINDS.Type, Fault.TYPE),
    (_KINDS.Enum, Fault.PROPERTY),
    (_KINDS.MaxLength, Fault.PROPERTY),
    (_KINDS.MinLength, Fault.PROPERTY),
    (_KINDS.Maximum, Fault.PROPERTY),
    (_KINDS.Minimum, Fault.PROPERTY),
    (_KINDS.MultipleOf, Fault.PROPERTY),
    (_KINDS.Pattern, Fault.PROPERTY),
    (_KINDS.Format, Fault.PROPERTY),
    (_KINDS.MinItems, Fault.OCCURRENCE),
    (_KINDS.MaxItems, Fault.OCCURRENCE),
    (_KINDS.AdditionalProperties, Fault.FORMAT),
)


def known(version: Version, action: str) -> bool:
    """Whether the version defines this action."""
    return action in _actions(version)


def validate(version: Version, action: str, kind: Kind, payload: Payload) -> Problem | None:
    """The first problem of a payload, None if it is sound. The action must be `known`."""
    if _has_huge_integer(payload):
        return Problem(Fault.PROPERTY, "an integer is out of range")
    error = next(iter(_validator(version, action, kind).iter_errors(cast(dict[str, object], payload))), None)
    if error is None:
        return None
    where = "/".join(str(step) for step in error.instance_path)
    return Problem(_fault(version, error), f"{where or action}: {error.message}"[:200])


def _fault(version: Version, error: jsonschema_rs.ValidationError) -> Fault:
    if isinstance(error.kind, _KINDS.Required):
        return Fault.PROTOCOL if version is Version.V16 else Fault.OCCURRENCE
    return next((fault for kind, fault in _FAULTS if isinstance(error.kind, kind)), Fault.FORMAT)


@cache
def _actions(version: Version) -> frozenset[str]:
    folder = files("ocpp") / _FOLDERS[version] / "schemas"
    suffix = f"{_REQUEST_SUFFIX[version]}.json"
    names = (entry.name for entry in folder.iterdir())
    return frozenset(
        name.removesuffix(suffix) for name in names if name.endswith(suffix) and not name.endswith("Response.json")
    )


@cache
def _validator(version: Version, action: str, kind: Kind) -> jsonschema_rs.Validator:
    suffix = "Response" if kind is Kind.RESPONSE else _REQUEST_SUFFIX[version]
    path = files("ocpp") / _FOLDERS[version] / "schemas" / f"{action}{suffix}.json"
    schema = _tenths_unchecked(json.loads(path.read_text("utf-8-sig")))
    return jsonschema_rs.validator_for(cast(dict[str, object], schema), validate_formats=False)


def _tenths_unchecked(schema: object) -> object:
    """Without `multipleOf`: in binary, 16.1 is no multiple of 0.1."""
    if isinstance(schema, dict):
        return {key: _tenths_unchecked(value) for key, value in schema.items() if key != "multipleOf"}
    if isinstance(schema, list):
        return [_tenths_unchecked(item) for item in schema]
    return schema


def _has_huge_integer(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_huge_integer(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_huge_integer(item) for item in value)
    return isinstance(value, int) and abs(value) > MAX_INTEGER
