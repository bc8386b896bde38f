"""The profile of an SECC, and every mistake that can be made in one."""

from pathlib import Path

import pytest

from drivers.profile import ProfileError, builtin_folder, load
from drivers.profile_kinds import check_any, load_any

SAID = (builtin_folder() / "seccs" / "ampyard-secc.toml").read_text()


def own(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in SAID
    file = folder / "ampyard-secc.toml"
    file.write_text(SAID.replace(old, new, 1))
    return file


TARGET_END = ", low = 0, high = 1500 }\ntarget_current"
VOLTS = 'unit = "V", scale = 0.1, access = "r", class = "fast", low'
CURRENT_END = 'access = "r", class = "fast", low = 0, high = 3000 }\nvoltage'
INSULATION = 'insulation = { address = 3, table = "holding", type = "u16", access = '
SETPOINT = '[setpoint]\nmin_a = 6\nmax_a = 32\nstep_a = 1\npause = "zero"\n\n[watchdog]'
LIMIT = 'scale = 10, access = "rw", write_fc = 16'
SOC = '[supply]\nrequest = { register = "soc"'
SLIPS = {
    "supply.alive: no register pulse": ('alive = "alive"', 'alive = "pulse"'),
    "supply.alive: request says something else": ('alive = "alive"', 'alive = "request"'),
    "supply.stale_s": ("stale_s = 1.0", "stale_s = 10"),
    "supply.prepare_current_ma": ("prepare_current_ma = 2000", "prepare_current_ma = 20000"),
    "supply.request.on: 70000 is no raw value of request": ("on = 1 }", "on = 70000 }"),
    "supply.insulation: two of good, testing are the same raw value": ("testing = 1", "testing = 2"),
    "supply.stage: two of": ("pre_charge = 2", "pre_charge = 3"),
    "supply.contactors": ("closed = 1", "open = 1"),
    "registers.soc.class: must be fast": ('[supply]\nrequest = { register = "request"', SOC),
    "enable: missing": ("[enable]", "[commission]"),
    "state.register": ('[state]\nregister = "status"', "[state]"),
    "registers.target_voltage: missing": ("target_voltage = {", "target_volts = {"),
    "registers.target_voltage.high: missing": (TARGET_END, " }\ntarget_current"),
    "registers.target_voltage.unit: missing": (VOLTS, 'access = "r", class = "fast", low'),
    "registers.target_current.class: must be fast": (CURRENT_END, CURRENT_END.replace("fast", "slow")),
    "is never writable (R11)": (f'{INSULATION}"r"', f'{INSULATION}"rw", write_fc = 16'),
    "registers.limit_power.access: must be writable": (LIMIT, 'scale = 10, access = "r"'),
    "watchdog.method: setpoint is not for kind secc": ('method = "heartbeat"', 'method = "setpoint"'),
    "setpoint: is not for kind secc": ("[watchdog]", SETPOINT),
    "supply: is not for kind charger": ('kind = "secc"', 'kind = "charger"'),
    "supply: is not for kind meter": ('kind = "secc"', 'kind = "meter"'),
}


@pytest.mark.parametrize("fault", SLIPS)
def test_a_mistake_is_named(tmp_path: Path, fault: str) -> None:
    found = check_any(own(tmp_path, *SLIPS[fault]))
    assert any(fault in problem for problem in found), found


def test_a_file_without_supply_is_no_secc(tmp_path: Path) -> None:
    start, end = SAID.index("[supply]"), SAID.index("[enable]")
    file = own(tmp_path)
    file.write_text(SAID[:start] + SAID[end:])
    assert any("supply: missing" in problem for problem in check_any(file))


def test_every_kind_is_loaded_and_checked_by_its_own_rules(tmp_path: Path) -> None:
    module = builtin_folder() / "power-modules" / "scu-dpm1000.toml"
    assert load_any(own(tmp_path)) == load(own(tmp_path))
    assert check_any(module) == ()
    assert load_any(module).id == "scu-dpm1000"
    lonely = tmp_path / module.name
    lonely.write_text(module.read_text())
    assert any("dbc: scu-dpm1000.dbc cannot be read" in problem for problem in check_any(lonely))
    lonely.write_text("id = 1")
    with pytest.raises(ProfileError, match="kind"):
        load_any(lonely)
    assert check_any(tmp_path / "missing.toml")
