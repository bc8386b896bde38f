"""The allocation against the best there is, which HiGHS finds for the same cars and links in its own way."""

import pytest

from tests.bench.allocation_optimum import VERY_TIGHT, admitted_share, gap_a, shape
from tests.bench.sites import Shape, site

CHUNKS = [range(first, first + 125) for first in range(0, 2000, 125)]


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"from-{seeds.start}")
def test_the_filling_is_the_lexicographic_max_min_optimum(seeds: range) -> None:
    for seed in seeds:
        assert gap_a(site(seed, shape(seed))) <= 1e-6, seed


@pytest.mark.parametrize("evses", [10, 30, 100])
def test_as_many_cars_charge_on_very_tight_sites_as_nearly_can(evses: int) -> None:
    found = [admitted_share(site(seed, Shape(evses, tight=VERY_TIGHT))) for seed in range(100)]
    shares = [share for share in found if share is not None]
    assert len(shares) > 90
    assert sum(shares) / len(shares) >= 0.99
    assert min(shares) >= 0.90
