"""JSON schema of a device profile, for editors: from the same classes that check one.

firmware-profiles/schema.json is its text. Rules that join several keys are told by `drivers.profile.check` only.
"""

import json
from collections.abc import Mapping

from pydantic.json_schema import models_json_schema

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
    "serial": SerialDefaults,
    "ascii": AsciiFormat,
}


def schema() -> dict[str, object]:
    models: tuple[type[Section], ...] = (Identity, Register, ProbeTable, *SECTIONS.values())
    _, whole = models_json_schema([(model, "validation") for model in models], ref_template="#/definitions/{model}")
    definitions = whole["$defs"]
    identity = definitions.pop("Identity")
    register = definitions["Register"]
    register["properties"].pop("name")
    register["required"].remove("name")
    return {
        "$schema": DIALECT,
        "title": "Device profile of Ampyard",
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
        "definitions": definitions,
    }


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def _ref(model: type[Section]) -> dict[str, str]:
    return {"$ref": f"#/definitions/{model.__name__}"}
