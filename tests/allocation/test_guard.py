"""The guard: by hand, and against errors planted in the allocator."""

import pytest

from controller.allocation import sharing
from controller.allocation.circuits import Rotation
from controller.allocation.control import tick
from controller.allocation.filling import Fill
from controller.allocation.guard import Ceiling, Claim, violations
from controller.allocation.image import ReasonKind
from controller.allocation.memory import Memory
from controller.allocation.request import Request
from controller.allocation.rounding import Rounded
from drivers.api import Phases
from tests.allocation.builders import charging, circuit, image, layout, metered, point, setpoints, three

SITE = layout(
    [circuit("main", 32, meter="grid"), circuit("a", 20, "main")],
    [point("A1", "a"), point("A2", "a", phases=1, rotation=Rotation.L2L3L1), point("M1")],
)
CEILINGS = [
    Ceiling("main", frozenset({"A1", "A2", "M1"}), three(4), three(32)),
    Ceiling("a", frozenset({"A1", "A2"}), three(0), three(20)),
]


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        ([Claim("A1", 10_000, 3), Claim("A2", 10_000, 1), Claim("M1", 8000, 3)], []),
        ([Claim("A1", 11_000, 3), Claim("A2", 10_000, 1)], ["a, L2: 21000 mA of 20000 mA"]),
        ([Claim("A1", 14_000, 3), Claim("M1", 15_000, 1)], ["main, L1: 33000 mA of 32000 mA"]),
        ([Claim("A1", 5000, 3)], ["A1: 5000 mA is no setpoint of it"]),
        ([Claim("A1", 6500, 3)], ["A1: 6500 mA is no setpoint of it"]),
        ([Claim("A1", 40_000, 3, fixed=True)], []),
        ([Claim("A1", 28_500, 1, fixed=True), Claim("M1", 6000, 3)], ["main, L1: 38500 mA of 32000 mA"]),
    ],
)
def test_guard_adds_every_circuit_and_phase(claims: list[Claim], wrong: list[str]) -> None:
    assert violations(SITE, claims, CEILINGS) == wrong


def test_an_error_planted_in_the_sharing_sends_failsafe_currents(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [charging(name, 9.5, 16) for name in ("A1", "A2", "M1")]
    seen = image(10.0, now, grid=metered(9.5, Phases(36_000, 52_000, 36_000)))
    _, sound = tick(SITE, Memory(), seen)
    assert setpoints(sound) == {"A1": 10_000, "A2": 9000, "M1": 9000}
    assert sound.alarms == ()

    def too_much(ordered: list[Request], _shares: list[float], room: list[int]) -> Rounded:
        return Rounded([request.most_ma for request in ordered], list(room))

    monkeypatch.setattr(sharing, "round_down", too_much)
    _, plan = tick(SITE, Memory(), seen)
    assert setpoints(plan) == {"A1": 6000, "A2": 6000, "M1": 6000}
    assert {one.reason.kind for one in plan.evses} == {ReasonKind.GUARD}
    assert any(text.startswith("guard: a, L2") for text in plan.alarms)


def test_an_error_planted_in_the_filling_alone_is_caught_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(ordered: list[Request], _room: list[int]) -> Fill:
        return Fill([float(request.most_ma) for request in ordered], [None for _ in ordered])

    monkeypatch.setattr(sharing, "fill", greedy)
    _, plan = tick(SITE, Memory(), image(10.0, [charging(name, 9.5, 16) for name in ("A1", "A2", "M1")]))
    assert {one.reason.kind for one in plan.evses} == {ReasonKind.GUARD}
