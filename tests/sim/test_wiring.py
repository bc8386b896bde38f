"""Kirchhoff's law on the tree, and the overload account."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.wiring import Circuit, Wiring

AMPS = st.lists(st.floats(-100, 100), min_size=3, max_size=3)


@st.composite
def trees(draw: st.DrawFn) -> list[Circuit]:
    count = draw(st.integers(1, 8))
    return [
        Circuit(
            f"c{i}", None if i == 0 else f"c{draw(st.integers(0, i - 1))}", (50.0, 60.0, 70.0), load_a=draw(AMPS)
        )
        for i in range(count)
    ]


@given(trees(), st.data())
def test_parent_carries_its_own_load_its_outlets_and_its_children(
    circuits: list[Circuit], data: st.DataObject
) -> None:
    wiring = Wiring(circuits)
    names = st.sampled_from([c.name for c in circuits])
    draws: list[tuple[str, Sequence[float]]] = data.draw(st.lists(st.tuples(names, AMPS), max_size=6))
    wiring.settle(draws, powered=True)
    for circuit in circuits:
        for phase in range(3):
            own = circuit.load_a[phase] + sum(amps[phase] for name, amps in draws if name == circuit.name)
            below = sum(c.drawn_a[phase] for c in circuits if c.parent == circuit.name)
            assert circuit.drawn_a[phase] == pytest.approx(own + below, abs=1e-6)


def overloaded(*amps: float) -> Circuit:
    circuit = Circuit("main", None, (10.0, 10.0, 10.0))
    wiring = Wiring([circuit])
    for a in amps:
        wiring.settle([("main", [a, 0.0, 0.0])], powered=True)
        wiring.account(0.05)
    return circuit


def test_overload_time_is_counted_per_phase_and_its_longest_run_apart() -> None:
    circuit = overloaded(11, 11, 11, 9, 12, 12)
    assert circuit.over_s == pytest.approx([0.25, 0, 0])
    assert circuit.longest_over_s == pytest.approx([0.15, 0, 0])
    assert circuit.worst_ratio == pytest.approx([1.2, 0, 0])


def test_exactly_the_rating_is_no_overload() -> None:
    assert overloaded(10.0, 10.0).over_s == [0, 0, 0]


def test_a_fuse_minds_export_as_well() -> None:
    assert overloaded(-11.0).over_s == pytest.approx([0.05, 0, 0])


def test_without_mains_nothing_flows() -> None:
    circuit = Circuit("main", None, (10.0, 10.0, 10.0), load_a=[5.0, 5.0, 5.0])
    wiring = Wiring([circuit])
    wiring.settle([], powered=False)
    assert circuit.drawn_a == [0, 0, 0]
