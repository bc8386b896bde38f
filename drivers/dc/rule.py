"""Whether power modules may deliver, and what (R9). PURE, and the one place that decides it."""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.dc.demand import Demand, Insulation, Stage


@dataclass(frozen=True, slots=True)
class Grant:
    """What the controller allows: `released` once the SECC acknowledged its release."""

    power_w: int
    valid_until_s: float
    released: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the SECC's profile and the modules of the outlet can bear."""

    stale_s: float
    prepare_ma: int
    lowest_mv: int
    highest_mv: int
    most_ma: int


@dataclass(frozen=True, slots=True)
class Output:
    """What the modules of an outlet may deliver together, and until when that holds without a newer word."""

    voltage_mv: int
    current_ma: int
    valid_until_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing may be delivered. `fault`: something is wrong, not just no demand."""

    text: str
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """The SECC's last word, and when its counter last moved."""

    demand: Demand | None
    moved_s: float | None


def output(heard: Heard, grant: Grant | None, bounds: Bounds, *, now_s: float) -> Output | Refused:
    demand = heard.demand
    if demand is None:
        return Refused("the SECC was not heard yet")
    refused = next(_missing(heard, demand, bounds, now_s), None) or next(_not_granted(grant, now_s), None)
    if refused is not None or grant is None or heard.moved_s is None:
        return refused or Refused("not allowed")
    voltage_mv, current_ma = demand.target_mv, demand.target_ma
    if voltage_mv is None or current_ma is None:
        return Refused("the SECC asks for no believable voltage and current", fault=True)
    if voltage_mv <= 0 or not bounds.lowest_mv <= voltage_mv <= bounds.highest_mv:
        return Refused(_impossible(voltage_mv, bounds), fault=True)
    granted_ma = grant.power_w * 1_000_000 // voltage_mv
    most_ma = bounds.most_ma if demand.stage is Stage.CHARGING else min(bounds.prepare_ma, bounds.most_ma)
    allowed_ma = max(0, min(current_ma, granted_ma, most_ma))
    until_s = min(demand.t_s + bounds.stale_s, heard.moved_s + bounds.stale_s, grant.valid_until_s)
    return Output(voltage_mv, allowed_ma, until_s)


def _missing(heard: Heard, demand: Demand, bounds: Bounds, now_s: float) -> Iterator[Refused]:
    """What the SECC would have to say, or not to say, for anything to be delivered."""
    if now_s >= demand.t_s + bounds.stale_s:
        yield Refused(f"nothing was heard of the SECC for {bounds.stale_s:g} s", fault=True)
    if heard.moved_s is None:
        yield Refused("the SECC has not shown yet that it runs: its counter has not moved")
    elif now_s >= heard.moved_s + bounds.stale_s:
        yield Refused(f"the SECC's counter has stood still for {bounds.stale_s:g} s: it hangs", fault=True)
    if None in (demand.requested, demand.stage, demand.insulation, demand.contactors):
        yield Refused("the SECC does not tell request, stage, insulation and contactors", fault=True)
    if not demand.requested:
        yield Refused("the SECC asks for nothing")
    yield from _unsafe(demand)


def _unsafe(demand: Demand) -> Iterator[Refused]:
    stage, insulation = demand.stage, demand.insulation
    if stage not in (Stage.CABLE_CHECK, Stage.PRE_CHARGE, Stage.CHARGING):
        yield Refused("the SECC is in no stage of charging")
        return
    tested = (Insulation.GOOD, Insulation.TESTING) if stage is Stage.CABLE_CHECK else (Insulation.GOOD,)
    if insulation not in tested:
        state = "not told" if insulation is None else insulation.value
        yield Refused(f"insulation is {state} in stage {stage.value}", fault=True)
    if stage is Stage.CHARGING and demand.contactors is not True:
        yield Refused("the outlet's contactors are open in stage charging", fault=True)


def _not_granted(grant: Grant | None, now_s: float) -> Iterator[Refused]:
    if grant is None:
        yield Refused("no setpoint yet")
    elif now_s >= grant.valid_until_s:
        yield Refused("the setpoint has expired", fault=True)
    elif not grant.released:
        yield Refused("not released")


def _impossible(voltage_mv: int, bounds: Bounds) -> str:
    if bounds.highest_mv == 0:
        return "no power module is connected"
    reach = f"{bounds.lowest_mv / 1000:g} to {bounds.highest_mv / 1000:g} V"
    return f"the SECC asks for {voltage_mv / 1000:g} V, the modules give {reach}"
