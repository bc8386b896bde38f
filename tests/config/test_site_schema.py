"""What an editor is told of site.toml: all that the product takes, and the slips that it can see."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.__main__ import main
from controller.config.document import ROTATIONS, SINGLE_PHASE, TWO_PHASE, Document
from controller.config.library import Library
from controller.config.problems import ConfigError
from controller.config.read import examine
from controller.config.site_keys import DESCRIPTIONS, EXAMPLES
from controller.config.site_schema import FILE, schema, tables_of, text, told
from sim.scenario_file import load_scenario
from sim.site_file import write_site
from sim.upstream import Upstream
from sim.world import World
from tests.config.conftest import EXAMPLE
from tests.config.test_any_data import PROFILES, changed, places

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema_rs.Draft7Validator(json.loads(text()))
TABLES = list(dict.fromkeys(tables_of(Document)))


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def whole_example() -> str:
    """With all that is commented out there: every key."""
    return re.sub(r"(?m)^#(?! )", "", (ROOT / "systemd" / "site.example.toml").read_text(encoding="utf-8"))


WHOLE = tomllib.loads(whole_example())


def refused(data: object) -> list[str]:
    return [f"{error.instance_path}: {error.message}" for error in VALIDATOR.iter_errors(data)]


def test_the_shipped_schema_is_that_of_the_code() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), (
        "controller/config/site.schema.json is old; write it anew with "
        "python -c 'from controller.config.site_schema import text; print(text(), end=\"\")' "
        "> controller/config/site.schema.json"
    )


def test_it_is_a_sound_schema_of_the_dialect_that_editors_speak() -> None:
    assert jsonschema_rs.meta.is_valid(json.loads(text()))
    words = set(re.findall(r'"([a-zA-Z]+)": ', text()))
    assert not {"prefixItems", "$defs", "ge", "le", "gt"} & words, "words of another dialect"
    assert '"null"' not in text(), "TOML has none"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_is_described_and_no_other(table: type[Any]) -> None:
    """A new key of site.toml needs a sentence in controller/config/site_keys.py."""
    wanted = {field.alias or name for name, field in table.model_fields.items()}
    assert set(told(DESCRIPTIONS, table)) == wanted
    assert set(told(EXAMPLES, table)) <= wanted
    for key, said in told(DESCRIPTIONS, table).items():
        assert re.fullmatch(r"\S.{8,}\.", said), (key, "is no sentence")


def test_every_text_is_used() -> None:
    bases = {base for table in TABLES for base in table.__mro__}
    assert set(DESCRIPTIONS) <= bases
    assert set(EXAMPLES) <= bases


def properties(node: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for key, value in node.get("properties", {}).items():
            yield key, value
        for value in node.values():
            yield from properties(value)


def test_examples_and_defaults_fit_what_they_are_of() -> None:
    whole = schema()
    seen = 0
    for key, value in properties(whole):
        one = jsonschema_rs.Draft7Validator({**value, "definitions": whole["definitions"]})
        for example in (*value.get("examples", ()), *([value["default"]] if "default" in value else [])):
            assert one.is_valid(example), (key, example)
            seen += 1
    assert seen > 60


def test_units_ranges_and_words_are_those_of_the_tables() -> None:
    tables = schema()["definitions"]
    evse = tables["EvseTable"]["properties"]
    amount = {"type": "number", "minimum": 0, "maximum": 10_000}
    assert amount.items() <= evse["max_current_a"].items()
    assert "amperes" in evse["max_current_a"]["description"]
    assert set(evse["rotation"]["enum"]) == ROTATIONS_OF_ANY_PHASES
    one, three = tables["CircuitTable"]["properties"]["rating_a"]["anyOf"]
    assert (one, three["items"], three["minItems"], three["maxItems"]) == (amount, [amount] * 3, 3, 3)
    assert tables["CircuitTable"]["properties"]["usable_share"]["default"] == 0.95
    assert tables["SiteTable"]["properties"]["billed_by"]["enum"] == ["csms", "site", "free"]
    assert re.fullmatch(tables["WindowTable"]["properties"]["to"]["pattern"], "24:00")
    assert not re.fullmatch(tables["WindowTable"]["properties"]["from"]["pattern"], "24:00")


@pytest.mark.parametrize(
    "path", [EXAMPLE, ROOT / "tests/runtime/small_site.toml", ROOT / "systemd/site.example.toml"]
)
def test_a_site_of_this_repository_fits(path: Path) -> None:
    assert refused(read(path)) == []


def test_every_key_of_the_example_fits() -> None:
    assert refused(WHOLE) == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "sim" / "scenarios").glob("*.toml")))
async def test_the_site_that_the_simulator_writes_fits(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name)
    world, upstream = World(scenario), Upstream(scenario, tmp_path)
    try:
        await world.start()
        await upstream.start()
        write_site(world, upstream, tmp_path)
    finally:
        await upstream.stop()
        await world.stop()
    assert refused(read(tmp_path / "site.toml")) == []


def test_the_tables_of_the_tests_of_whole_sites_fit() -> None:
    """What those append to a site of the simulator."""
    found = 0
    for path in sorted((ROOT / "tests" / "site").glob("test_*.py")):
        for quoted in re.findall(
            r'"""\n(\[\[(?:rules|limits|power_modules|buses)\]\].*?)"""', path.read_text(), re.DOTALL
        ):
            assert refused({**read(EXAMPLE), **tomllib.loads(quoted)}) == [], (path, quoted)
            found += 1
    assert found >= 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('supply = "three-phase-star"', 'supply = "delta"'),
        ("voltage_v = 230", "voltage_v = 400"),
        ("voltage_v = 230", "voltage = 230"),
        ("cycle_s = 1.0", 'cycle_s = "1 s"'),
        ("rating_a = 160", "rating_a = [160, 160]"),
        ("rating_a = 160", 'rating_a = "160 A"'),
        ("rating_a = 160", "rating_a = -1"),
        ("rating_a = 160", "rating_a = true"),
        ("rating_a = 160  ", ""),
        ("usable_share = 0.95", "usable_share = 95"),
        ('kind = "modbus-rtu"', 'kind = "modbus"'),
        ('parity = "E"', 'parity = "even"'),
        ("stop_bits = 1", "stop_bits = 3"),
        ('rotation = "L2L3L1"', 'rotation = "L4L5L6"'),
        ("phases = 3", "phases = 4"),
        ("max_current_a = 16", "max_current = 16"),
        ('evses = ["A1", "A2"]', "evses = []"),
        ("oldest_first = false", 'oldest_first = "no"'),
        ('uid = "04A1B2C3D4E5F6"', 'uid = "04A1B2"'),
        ('mode = "deadline"', 'mode = "soon"'),
        ('by = "07:00"', "by = 07:00:00"),
        ('by = "07:00"', 'by = "7:00"'),
        ('by = "07:00"', 'by = "24:00"'),
        ('days = ["mo", "tu", "we", "th", "fr"]', 'days = ["Monday"]'),
        ('to = "20:00"', 'to = "25:00"'),
        ("priority = 5", "priority = 10"),
        ('source = "rest"', 'source = "email"'),
        ("when_lost = 63", 'when_lost = "never"'),
        ('type = "float32"', 'type = "f32"'),
        ('type = "u32"', 'type = "f32"'),
        ("line = 17", "line = -17"),
        ('version = "2.0.1"', 'version = "2.1"'),
        ("port = 8883", 'port = "8883"'),
        ("stop_all = true", "stop_all = 1"),
        ("[web]", "[page]"),
    ],
)
def test_a_slip_is_refused_by_the_schema_and_by_the_product(old: str, new: str, tmp_path: Path) -> None:
    example = whole_example().replace("#", "   #")
    if old not in example:
        example = example.replace('type = "u32"', old)
    assert old in example
    data = tomllib.loads(example.replace(old, new, 1))
    data = json.loads(json.dumps(data, default=str))
    assert refused(data)
    with pytest.raises(ConfigError):
        examine(data, tmp_path, Library(PROFILES))


ROTATIONS_OF_ANY_PHASES = {*ROTATIONS, *TWO_PHASE, *SINGLE_PHASE}

PLACES = [place for place in places(WHOLE) if place]
PLAUSIBLE = st.one_of(
    st.booleans(),
    st.integers(-1, 300),
    st.sampled_from([0.25, 0.5, 2, 3600, 9600, 10_000, 65_535, 921_600, 100_000_000]),
    st.floats(0, 1),
    st.text(max_size=4),
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,47}\Z"),
    st.from_regex(r"\A([01][0-9]|2[0-4]):[0-5][0-9]\Z"),
    st.from_regex(r"\A(([0-9a-fA-F]{2})[: ]?){3,11}\Z"),
    st.sampled_from(["24:00", "en14a", "hold", "L1", "L3L1", "even", "N", "Europe/Berlin", "0.0.0.0:1", "[::1]:1"]),
    st.sampled_from([{}, [], [1, 2, 3], [63.5, 63, 0], ["mo"], ["A1"], {"scale": 2}, [{"id": "x", "rating_a": 1}]]),
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(PLACES), PLAUSIBLE, st.booleans())
def test_what_the_product_can_read_no_editor_refuses(place: Any, value: object, cut: bool) -> None:
    data = changed(WHOLE, place, value, cut=cut)
    try:
        document = Document.model_validate(data)
    except ValidationError:
        return
    if {evse.rotation for evse in document.evses} <= ROTATIONS_OF_ANY_PHASES:  # looked at behind the document
        assert refused(data) == [], (place, value)


@pytest.mark.parametrize("uid", ["04a1b2c3", "04:A1:B2:C3:D4:E5:F6", "04 A1 B2 C3 ", "0102030405060708090A"])
def test_a_card_may_be_written_as_readers_print_it(uid: str) -> None:
    data = {**read(EXAMPLE), "tokens": [{"uid": uid}]}
    assert Document.model_validate(data).tokens[0].uid == uid.replace(":", "").replace(" ", "").upper()
    assert refused(data) == []


def test_the_command_prints_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ampyard", "schema"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in {0, None}
    assert capsys.readouterr().out == text()
