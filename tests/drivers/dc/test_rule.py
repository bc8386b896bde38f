"""The output rule, exhaustively: every combination of what an SECC can say."""

import itertools
from dataclasses import replace

import pytest

from drivers.dc.demand import Demand, Insulation, Stage
from drivers.dc.rule import Bounds, Grant, Heard, Output, Refused, output

NOW_S = 100.0
BOUNDS = Bounds(stale_s=1.0, prepare_ma=2000, lowest_mv=150_000, highest_mv=1_000_000, most_ma=200_000)
GRANT = Grant(power_w=40_000, valid_until_s=110.0, released=True)
DEMAND = Demand(
    t_s=99.8,
    alive=7,
    stage=Stage.CHARGING,
    requested=True,
    contactors=True,
    insulation=Insulation.GOOD,
    target_mv=400_000,
    target_ma=150_000,
)


def decide(
    demand: Demand | None = DEMAND,
    grant: Grant | None = GRANT,
    *,
    moved_s: float | None = 99.5,
    bounds: Bounds = BOUNDS,
    now_s: float = NOW_S,
) -> Output | Refused:
    return output(Heard(demand, moved_s), grant, bounds, now_s=now_s)


def refused(found: Output | Refused) -> str:
    assert isinstance(found, Refused), found
    return found.text


ALLOWED = {
    (Stage.CABLE_CHECK, Insulation.TESTING, True): 2000,
    (Stage.CABLE_CHECK, Insulation.TESTING, False): 2000,
    (Stage.CABLE_CHECK, Insulation.GOOD, True): 2000,
    (Stage.CABLE_CHECK, Insulation.GOOD, False): 2000,
    (Stage.PRE_CHARGE, Insulation.GOOD, True): 2000,
    (Stage.PRE_CHARGE, Insulation.GOOD, False): 2000,
    (Stage.CHARGING, Insulation.GOOD, True): 100_000,
}
"""The only combinations of stage, insulation and contactors in which anything flows."""


@pytest.mark.parametrize("stage", [*Stage, None])
@pytest.mark.parametrize("insulation", [*Insulation, None])
@pytest.mark.parametrize("contactors", [True, False, None])
@pytest.mark.parametrize("requested", [True, False, None])
def test_r9_of_all_that_an_secc_can_say_only_seven_combinations_let_anything_flow(
    stage: Stage | None, insulation: Insulation | None, contactors: bool | None, requested: bool | None
) -> None:
    demand = replace(DEMAND, stage=stage, insulation=insulation, contactors=contactors, requested=requested)
    wanted_ma = None
    if requested and stage is not None and insulation is not None and contactors is not None:
        wanted_ma = ALLOWED.get((stage, insulation, contactors))
    for released, moved_s, fresh, valid in itertools.product([True, False], [99.5, 98.9, None], [0, 1], [0, 1]):
        found = decide(
            replace(demand, t_s=99.8 if fresh else 99.0),
            Grant(40_000, 110.0 if valid else 100.0, released),
            moved_s=moved_s,
        )
        if wanted_ma is not None and released and moved_s == 99.5 and fresh and valid:
            assert found == Output(400_000, wanted_ma, 100.5)
        else:
            assert isinstance(found, Refused), (released, moved_s, fresh, valid)


@pytest.mark.parametrize(
    ("target_mv", "target_ma", "current_ma"),
    [
        (400_000, 150_000, 100_000),  # 40 kW at 400 V
        (400_000, 30_000, 30_000),
        (400_000, 0, 0),
        (200_000, 300_000, 200_000),  # 40 kW at 200 V, and all that the modules give
        (333_000, 150_000, 120_120),  # rounded down
        (1_000_000, 150_000, 40_000),
        (150_000, 400_000, 200_000),
    ],
)
def test_the_current_is_the_least_of_target_power_and_modules(
    target_mv: int, target_ma: int, current_ma: int
) -> None:
    found = decide(replace(DEMAND, target_mv=target_mv, target_ma=target_ma))
    assert isinstance(found, Output)
    assert found.current_ma == current_ma
    assert found.voltage_mv * found.current_ma <= 40_000 * 1_000_000


@pytest.mark.parametrize("stage", [Stage.CABLE_CHECK, Stage.PRE_CHARGE])
@pytest.mark.parametrize(
    ("target_ma", "power_w", "wanted_ma"), [(1000, 40_000, 1000), (9000, 40_000, 2000), (9000, 400, 1000)]
)
def test_before_charging_the_bounds_hold_too(stage: Stage, target_ma: int, power_w: int, wanted_ma: int) -> None:
    found = decide(replace(DEMAND, stage=stage, target_ma=target_ma), replace(GRANT, power_w=power_w))
    assert isinstance(found, Output)
    assert found.current_ma == wanted_ma


@pytest.mark.parametrize(
    ("found", "text", "fault"),
    [
        (decide(None), "not heard yet", False),
        (decide(now_s=100.8), "nothing was heard of the SECC for 1 s", True),
        (decide(moved_s=None), "has not moved", False),
        (decide(moved_s=99.0), "counter has stood still for 1 s", True),
        (decide(replace(DEMAND, insulation=None)), "does not tell", True),
        (decide(replace(DEMAND, requested=False)), "asks for nothing", False),
        (decide(replace(DEMAND, stage=Stage.NONE)), "no stage", False),
        (decide(replace(DEMAND, insulation=Insulation.BAD)), "insulation is bad in stage charging", True),
        (decide(replace(DEMAND, contactors=False)), "contactors are open in stage charging", True),
        (decide(grant=None), "no setpoint yet", False),
        (decide(grant=replace(GRANT, valid_until_s=100.0)), "the setpoint has expired", True),
        (decide(grant=replace(GRANT, released=False)), "not released", False),
        (decide(replace(DEMAND, target_mv=None)), "no believable voltage", True),
        (decide(replace(DEMAND, target_ma=None)), "no believable voltage", True),
        (decide(replace(DEMAND, target_mv=0)), "asks for 0 V, the modules give 150 to 1000 V", True),
        (decide(replace(DEMAND, target_mv=1_000_100)), "asks for 1000.1 V", True),
        (decide(bounds=Bounds(1.0, 2000, 0, 0, 0)), "no power module is connected", True),
    ],
)
def test_every_refusal_says_what_is_missing_and_whether_it_is_a_fault(
    found: Output | Refused, text: str, fault: bool
) -> None:
    assert text in refused(found)
    assert isinstance(found, Refused)
    assert found.fault is fault


def test_no_voltage_at_an_outlet_without_modules_is_refused_and_not_divided_by() -> None:
    nothing = replace(BOUNDS, lowest_mv=0, highest_mv=0, most_ma=0)
    assert refused(decide(replace(DEMAND, target_mv=0), bounds=nothing)) == "no power module is connected"
    assert "0 V" in refused(decide(replace(DEMAND, target_mv=0), bounds=replace(BOUNDS, lowest_mv=0)))


def test_an_output_ends_with_whatever_runs_out_first() -> None:
    def until_s(found: Output | Refused) -> float:
        assert isinstance(found, Output)
        return found.valid_until_s

    assert until_s(decide()) == 100.5
    assert until_s(decide(replace(DEMAND, t_s=99.2))) == 100.2
    assert until_s(decide(grant=replace(GRANT, valid_until_s=100.1))) == 100.1
    assert refused(decide(now_s=100.5))


def test_a_pause_is_an_output_of_nothing() -> None:
    assert decide(grant=replace(GRANT, power_w=0)) == Output(400_000, 0, 100.5)
