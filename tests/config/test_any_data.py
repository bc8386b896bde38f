"""Whatever somebody types: a configuration or a ConfigError, never anything else."""

import copy
import datetime
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.config import read as reading
from controller.config.library import Library
from controller.config.problems import ConfigError
from controller.config.proof import notes, proof, unproven
from controller.config.slices import SiteConfig
from drivers.can import module_profile
from drivers.profile import builtin_folder, catalogue
from tests.config.conftest import EXAMPLE

NAMES = st.sampled_from(
    ["A1", "A2", "main", "board-a", "grid", "rs485-1", "keba-1", "keba-p30", "rdm6300", "csms", ""]
)
LEAVES = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(-1, 300),
    st.floats(),
    st.text(max_size=8),
    NAMES,
    st.sampled_from(["wss://[x", "ws://h:99999/", "\x00", "modbus-rtu", "site", "0.0.0.0:1", "[::1]:1"]),
    st.dates(datetime.date(1, 1, 1)),
    st.datetimes(),
    st.times(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TABLES = ["site", "web", "circuits", "buses", "meters", "evses", "readers", "tokens", "csms"]
WHOLE = st.dictionaries(st.sampled_from(TABLES) | st.text(max_size=4), VALUES, max_size=9)
Data = Mapping[str, object]
Path_ = tuple[int | str, ...]


def examine(data: Data) -> None:
    """As `read` does behind the TOML parser, and then the proof."""
    config, problems = outcome(data)
    assert (config is None) is bool(problems)
    assert all(":" in problem for problem in problems)
    if config is not None:
        unproven(proof(config))
        list(notes(config))


def outcome(data: Data) -> tuple[SiteConfig | None, tuple[str, ...]]:
    try:
        return reading.examine(data, Path("/nowhere"), Library(PROFILES, lambda: MODULES)), ()
    except ConfigError as error:
        return None, error.problems


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    if isinstance(value, list):
        for place, entry in enumerate(value):
            yield from places(entry, (*path, place))


PROFILES = catalogue(builtin_folder())
MODULES = module_profile.catalogue(builtin_folder())
SOUND = tomllib.loads(EXAMPLE.read_text(encoding="utf-8").replace('password_file = "csms.password"', "lab = true"))
PLACES = [path for path in places(SOUND) if path]
SOUND_DC = tomllib.loads(EXAMPLE.with_name("dc.toml").read_text(encoding="utf-8"))
PLACES_DC = [path for path in places(SOUND_DC) if path]


def changed(data: Data, path: Path_, value: object, *, cut: bool) -> Data:
    data = copy.deepcopy(data)
    inner = cast(dict[int | str, object], data)
    for part in path[:-1]:
        inner = cast(dict[int | str, object], inner[part])
    if cut:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return data


@settings(max_examples=150, deadline=None)
@given(WHOLE)
def test_any_nested_data_is_read_or_refused(data: dict[str, object]) -> None:
    examine(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), VALUES, st.booleans())
def test_a_sound_configuration_with_any_one_value_changed_is_read_or_refused(
    path: Path_, value: object, cut: bool
) -> None:
    examine(changed(SOUND, path, value, cut=cut))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES_DC), VALUES, st.booleans())
def test_a_dc_site_with_any_one_value_changed_is_read_or_refused(path: Path_, value: object, cut: bool) -> None:
    examine(changed(SOUND_DC, path, value, cut=cut))
