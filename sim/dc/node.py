"""The electricity of one output: modules in parallel on a cable, with or without a battery at its end.

Current flows by difference of voltage only: each module raises its own until its setpoint, its rating or its
voltage stops it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.can.source import Stage
from sim.dc.vehicle import DcEv

MODULE_OHMS = 0.05
RISE_V_S = 400.0
DISCHARGE_S = 0.5
"""Time constant of an open output whose modules are off or set lower: a bleeder empties its capacitors."""
HALVINGS = 30


@dataclass(slots=True)
class Terminal:
    """What a stage sees of the node that it is on now."""

    aim_a: float = 0.0
    volts: float = 0.0

    def takes_a(self, set_v: float) -> float:
        return self.aim_a

    def shown_v(self, amperes: float) -> float:
        return self.volts


@dataclass(frozen=True, slots=True)
class Source:
    """A power stage at its terminals."""

    stage: Stage
    terminal: Terminal


def settle(
    sources: Sequence[Source], battery: DcEv | None, volts: float, *, now_s: float, dt_s: float
) -> tuple[float, float]:
    """The node's voltage and current after this step, `volts` before it; the stages are advanced."""
    if battery is None:
        volts = _open(sources, volts, now_s=now_s, dt_s=dt_s)
        amperes = 0.0
    else:
        emf, ohms = battery.open_v, battery.spec.ohms
        common_v = _balance([source.stage for source in sources if source.stage.running], emf, ohms)
        for source in sources:
            source.terminal.aim_a = _pushed_a(source.stage, common_v)
            source.stage.advance(now_s)
        amperes = sum(source.stage.amperes for source in sources)
        volts = emf + ohms * amperes
    for source in sources:
        source.terminal.volts = volts
    return volts, amperes


def _open(sources: Sequence[Source], volts: float, *, now_s: float, dt_s: float) -> float:
    for source in sources:
        source.terminal.aim_a = source.stage.amperes = 0.0
        source.stage.advance(now_s)
    goal_v = max((s.stage.set_v for s in sources if s.stage.running and s.stage.set_a > 0), default=0.0)
    if goal_v >= volts:
        return min(goal_v, volts + RISE_V_S * dt_s)
    return max(goal_v, volts * (1 - dt_s / DISCHARGE_S))


def _balance(stages: Sequence[Stage], emf: float, ohms: float) -> float:
    """Where what the modules push is what the battery takes; the difference falls as the voltage rises."""
    low, high = emf, max((stage.set_v for stage in stages), default=emf)
    if high <= low:
        return emf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if sum(_pushed_a(stage, middle) for stage in stages) > (middle - emf) / ohms:
            low = middle
        else:
            high = middle
    return low


def _pushed_a(stage: Stage, volts: float) -> float:
    if not stage.running:
        return 0.0
    return min(stage.most_a(volts), max(0.0, (stage.set_v - volts) / MODULE_OHMS))
