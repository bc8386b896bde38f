"""What is read of an SECC, and whether its logic runs."""

from dataclasses import replace

import pytest

from drivers.dc.demand import Demand, Insulation, Pulse, Stage, demand_of
from drivers.modbus import codec
from drivers.modbus.reading import Sample
from tests.drivers.dc.rig import SECC

SAID = {
    "stage": 3,
    "request": 1,
    "insulation": 2,
    "contactors": 1,
    "alive": 17,
    "target_voltage": 4005,
    "target_current": 1203,
    "voltage_dc": 3987,
    "current_dc": 1199,
}


def image(**changes: int | None) -> dict[str, Sample]:
    words = {**SAID, **changes}
    return {
        name: Sample(codec.point(SECC, name), (word,), 10.0 + place, 0)
        for place, (name, word) in enumerate(words.items())
        if word is not None
    }


def demand(**changes: int | None) -> Demand:
    assert SECC.supply is not None
    found = demand_of(SECC.supply, image(**changes))
    assert found is not None
    return found


def test_a_demand_is_read_with_the_time_of_its_oldest_value() -> None:
    assert demand() == Demand(
        t_s=10.0,
        alive=17,
        stage=Stage.CHARGING,
        requested=True,
        contactors=True,
        insulation=Insulation.GOOD,
        target_mv=400_500,
        target_ma=120_300,
        measured_mv=398_700,
        measured_ma=119_900,
    )


@pytest.mark.parametrize(
    ("raw", "stage"),
    [(0, Stage.NONE), (1, Stage.CABLE_CHECK), (2, Stage.PRE_CHARGE), (4, Stage.NONE), (0xFFFF, Stage.NONE)],
)
def test_a_stage_that_the_profile_does_not_name_is_none(raw: int, stage: Stage) -> None:
    assert demand(stage=raw).stage is stage


@pytest.mark.parametrize(("raw", "state"), [(0, Insulation.BAD), (1, Insulation.TESTING), (3, Insulation.BAD)])
def test_insulation_that_the_profile_does_not_name_is_bad(raw: int, state: Insulation) -> None:
    assert demand(insulation=raw).insulation is state


def test_any_other_word_for_request_and_contactors_means_no() -> None:
    assert demand(request=2).requested is False
    assert demand(contactors=3).contactors is False


def test_what_was_not_read_or_is_not_believable_is_not_known() -> None:
    assert demand(stage=None).stage is None
    assert demand(request=None).requested is None
    assert demand(target_voltage=15_001).target_mv is None
    assert demand(target_current=30_001).target_ma is None
    assert SECC.supply is not None
    assert demand_of(SECC.supply, {}) is None


def test_r9_only_a_counter_that_moves_proves_that_the_logic_runs() -> None:
    pulse = Pulse()
    for t_s, alive in ((1.0, 5), (2.0, 5), (3.0, 5)):
        pulse.seen(replace(demand(), t_s=t_s, alive=alive))
        assert pulse.moved_s is None
    pulse.seen(replace(demand(), t_s=4.0, alive=6))
    assert pulse.moved_s == 4.0
    pulse.seen(replace(demand(), t_s=5.0, alive=6))
    pulse.seen(replace(demand(), t_s=6.0, alive=None))
    assert pulse.moved_s == 4.0
    pulse.seen(replace(demand(), t_s=7.0, alive=0))
    assert pulse.moved_s == 7.0, "it may start again at 0"
    pulse.stop()
    pulse.seen(replace(demand(), t_s=8.0, alive=1))
    assert pulse.moved_s is None, "after a loss it has to move anew"
