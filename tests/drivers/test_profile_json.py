import json
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest

from drivers.profile import builtin_folder
from drivers.profile_json import schema, text

FILES = sorted(builtin_folder().rglob("*.toml"))


def test_the_shipped_schema_is_that_of_the_code() -> None:
    said = (builtin_folder() / "schema.json").read_text()
    assert said == text(), (
        "firmware-profiles/schema.json is old; write it anew with "
        "python -c 'from drivers.profile_json import text; print(text(), end=\"\")' > firmware-profiles/schema.json"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_device_profile_fits_the_schema(path: Path) -> None:
    data = tomllib.loads(path.read_text())
    assert [error.message for error in jsonschema_rs.Draft7Validator(schema()).iter_errors(data)] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "charger"', 'kind = "toaster"'),
        ('confidence = "high"', 'colour = "red"'),
        ("min_a = 6", 'min_a = "six"'),
        ("min_a = 6", "min_a = 0"),
        ('pause = "zero"', 'pause = "stop"'),
        ('type = "u16"', 'type = "u17"'),
        ("scale = 0.1", 'scale = "1:10"'),
        ('method = "any_request"', 'method = "hope"'),
        ("baud = 19200", "baud = 1"),
    ],
)
def test_an_editor_is_told_of_a_slip(old: str, new: str) -> None:
    said = (builtin_folder() / "chargers" / "heidelberg-energy-control.toml").read_text()
    assert old in said
    validator = jsonschema_rs.Draft7Validator(json.loads(text()))
    assert validator.is_valid(tomllib.loads(said))
    assert not validator.is_valid(tomllib.loads(said.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("seccs/ampyard-secc", "testing = 1", "trying = 1"),
        ("seccs/ampyard-secc", "stale_s = 1.0", "stale_s = -1.0"),
        ("seccs/ampyard-secc", 'kind = "secc"', 'kind = "power_module"'),
        ("power-modules/infypower-v1.13", "power_w = 30_000", ""),
        ("power-modules/infypower-v1.13", 'driver = "infypower"', 'driver = "modbus"'),
        ("power-modules/infypower-v1.13", 'kind = "power_module"', 'kind = "meter"'),
    ],
)
def test_an_editor_is_told_of_a_slip_in_what_belongs_to_a_dc_outlet(file: str, old: str, new: str) -> None:
    said = (builtin_folder() / f"{file}.toml").read_text()
    assert old in said
    validator = jsonschema_rs.Draft7Validator(json.loads(text()))
    assert validator.is_valid(tomllib.loads(said))
    assert not validator.is_valid(tomllib.loads(said.replace(old, new, 1)))
