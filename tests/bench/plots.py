"""Plots of benchmarks, as PNG files."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure


def ours_and_theirs(path: Path, peer: str, seconds: Mapping[int, tuple[float, float]]) -> None:
    """Means by number of EVSEs: ours, and the peer's on the same sites."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    sizes = sorted(seconds)
    for place, label in enumerate(("Ampyard", peer)):
        axes.plot(sizes, [1000 * seconds[size][place] for size in sizes], marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="EVSEs", ylabel="ms", title="One allocation of the same sites")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png")


def cost_against_size(path: Path, seconds: Mapping[int, tuple[float, float]]) -> None:
    """Median and p99 by number of EVSEs."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    sizes = sorted(seconds)
    for place, label in enumerate(("median", "p99")):
        axes.plot(sizes, [1000 * seconds[size][place] for size in sizes], marker="o", label=label)
    axes.plot(
        [100, 1000], [1.0, 10.0], linestyle="none", marker="_", markersize=18, color="black", label="to reach"
    )
    axes.set(xscale="log", yscale="log", xlabel="EVSEs", ylabel="ms", title="One allocation")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png")
