"""Section 14a EnWG by numbers (loadbalance 4.2)."""

import pytest

from controller.runtime.dimming import budget_w, counted


@pytest.mark.parametrize(
    ("devices", "expected_w"),
    [(0, 0), (1, 4200), (2, 7560), (3, 10_500), (4, 13_020), (8, 18_900), (9, 19_320), (20, 40_110)],
)
def test_the_formula_of_the_regulator(devices: int, expected_w: int) -> None:
    assert budget_w(devices) == expected_w


def test_a_device_counts_from_more_than_4200_watts() -> None:
    assert counted([3680, 4200, 4201, 11_040]) == 2
