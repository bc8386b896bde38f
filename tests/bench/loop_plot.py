"""How three loops take the same step, drawn."""

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.closed_loop.plant import Loop
from tests.closed_loop.steps import StepCase, take

SHOWN_S = ((-3.0, 22.0), (-20.0, 180.0))


def plot(path: Path, loops: Mapping[str, Callable[[], Loop]], case: StepCase) -> None:
    """Highest phase of the circuit against time, near the step and far."""
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    for name, loop in loops.items():
        history = take(case, loop=loop(), watched_s=200.0, step_s=0.1).plant.history
        seconds = [at_s - case.step_s for at_s, _ in history]
        ratios = [max(amps["main"]) / case.rating_a for _, amps in history]
        for panel in panels:
            panel.plot(seconds, ratios, label=name, linewidth=1.4)
    for panel, shown in zip(panels, SHOWN_S, strict=True):
        panel.axhline(1.0, color="black", linewidth=0.8, linestyle="--")
        panel.axhline(1.45, color="red", linewidth=0.8, linestyle=":")
        panel.set_xlim(*shown)
        panel.set_ylim(0.6, 1.5)
        panel.set_xlabel("seconds after the step of the building")
    panels[0].set_ylabel("highest phase / rating")
    panels[1].legend(loc="upper right", fontsize="small")
    figure.suptitle("The worst step: EVs dead for 5 s, charger latency 0.5 s, meter each 0.25 s")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
