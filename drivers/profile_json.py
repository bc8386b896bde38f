"""JSON schema of a device profile, for editors: from the same classes that check one.

firmware-profiles/schema.json is its text. Rules that join several keys are told by `drivers.profile.load` only.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from drivers.can.module_profile import ModuleProfile
from drivers.profile import MODULE_KIND
from drivers.profile_numbers import Section
from drivers.profile_probe import ProbeTable
from drivers.profile_schema import (
    AsciiFormat,
    CurrentSetpoint,
    Identity,
    KeepAlive,
    ModbusQuirks,
    Register,
    Release,
    RtuDefaults,
    SerialDefaults,
    StateMap,
    Supply,
    TagRules,
    TcpDefaults,
    Watchdog,
)

DIALECT = "http://json-schema.org/draft-07/schema#"
"""What the TOML editors speak."""
SECTIONS: Mapping[str, type[Section]] = {
    "tcp": TcpDefaults,
    "rtu": RtuDefaults,
    "modbus": ModbusQuirks,
    "state": StateMap,
    "setpoint": CurrentSetpoint,
    "enable": Release,
    "watchdog": Watchdog,
    "keepalive": KeepAlive,
    "tag": TagRules,
    "supply": Supply,
    "serial": SerialDefaults,
    "ascii": AsciiFormat,
}


def schema() -> dict[str, object]:
    """Power modules have tables of their own: the key `kind` decides."""
    models: tuple[type[BaseModel], ...] = (Identity, Register, ProbeTable, *SECTIONS.values(), ModuleProfile)
    _, whole = models_json_schema([(model, "validation") for model in models], ref_template="#/definitions/{model}")
    definitions = whole["$defs"]
    definitions["Device"] = _device(definitions)
    modules = {"properties": {"kind": {"const": MODULE_KIND}}}
    return {
        "$schema": DIALECT,
        "title": "Device profile of Ampyard",
        "type": "object",
        "if": modules,
        "then": _ref(ModuleProfile),
        "else": {"$ref": "#/definitions/Device"},
        "definitions": definitions,
    }


def _device(definitions: dict[str, Any]) -> dict[str, object]:
    identity = definitions.pop("Identity")
    register = definitions["Register"]
    register["properties"].pop("name")
    register["required"].remove("name")
    return {
        "type": "object",
        "additionalProperties": False,
        "required": identity["required"],
        "properties": {
            **identity["properties"],
            **{name: _ref(model) for name, model in SECTIONS.items()},
            "probe": {"type": "array", "items": _ref(ProbeTable)},
            "registers": {
                "type": "object",
                "propertyNames": {"pattern": "^[a-z][a-z0-9_]*$"},
                "additionalProperties": _ref(Register),
            },
            "commission": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/definitions/{model.__name__}"}
