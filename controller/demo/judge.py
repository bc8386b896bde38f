"""The verdict on a demonstration, from the simulator's truth alone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REACTION_S = 1.0 + 1.0 + 0.5 + 2.0 + 5.0
"""R4: meter period, cycle, bus, the slowest charger's latency, and the EV's five seconds."""
WORST_RATIO = 1.45
ROUNDED_WH = 1
"""Registers finer than 1 Wh are rounded once at each end."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A stay as the simulator's billing register counted it, in Wh at plug-in and after the car had left."""

    evse: int
    name: str
    uid: str
    before_wh: float
    after_wh: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """`circuits` and `csms` as the simulator tells them; registers by EVSE name at start and end."""

    circuits: Sequence[Mapping[str, Any]]
    csms: Mapping[str, Any]
    stays: Sequence[Observed]
    registers_start: Mapping[str, float]
    registers_end: Mapping[str, float]
    ledger: str
    """What is wrong with the ledger; empty: it is intact."""
    events: Sequence[str]
    """What of the script did happen (outage, kill, step)."""


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    ok: bool
    text: str


def judge(evidence: Evidence) -> tuple[Finding, ...]:
    findings = [_circuit(circuit) for circuit in evidence.circuits]
    findings += [_stay(stay, evidence.csms["transactions"]) for stay in evidence.stays]
    findings.append(_nothing_else(evidence))
    findings += [_no_free_energy(name, evidence) for name in sorted(evidence.registers_end)]
    findings.append(_protocol(evidence.csms))
    findings.append(Finding("ledger", not evidence.ledger, evidence.ledger or "intact"))
    return tuple(findings)


def _circuit(circuit: Mapping[str, Any]) -> Finding:
    longest_s, worst = max(circuit["longest_over_s"]), max(circuit["worst_ratio"])
    text = f"longest above rating {longest_s:.1f} s of {REACTION_S:g} s, worst {worst:.2f} x of {WORST_RATIO:g} x"
    return Finding(f"R4 circuit {circuit['name']}", longest_s <= REACTION_S and worst <= WORST_RATIO, text)


def _stay(stay: Observed, transactions: Sequence[Mapping[str, Any]]) -> Finding:
    check = f"R25 {stay.name} card {stay.uid[-4:]}"
    mine = [transaction for transaction in transactions if transaction["id_token"] == stay.uid]
    if len(mine) != 1:
        return Finding(check, ok=False, text=f"{len(mine)} transactions at the CSMS, expected one")
    transaction = mine[0]
    if not transaction["complete"] or transaction["meter_stop_wh"] is None:
        return Finding(check, ok=False, text=f"incomplete at the CSMS: {dict(transaction)}")
    start_off = abs(transaction["meter_start_wh"] - stay.before_wh)
    stop_off = abs(transaction["meter_stop_wh"] - stay.after_wh)
    counted = f"{stay.before_wh:.1f} to {stay.after_wh:.1f} Wh"
    billed = f"{transaction['meter_start_wh']} to {transaction['meter_stop_wh']} Wh"
    ok = start_off <= ROUNDED_WH and stop_off <= ROUNDED_WH
    return Finding(check, ok=ok, text=f"register {counted}, billed {billed}")


def _nothing_else(evidence: Evidence) -> Finding:
    known = {stay.uid for stay in evidence.stays}
    others = [t["id_token"] for t in evidence.csms["transactions"] if t["id_token"] not in known]
    return Finding("nothing invented", not others, f"transactions of nobody: {others}" if others else "nothing")


def _no_free_energy(name: str, evidence: Evidence) -> Finding:
    counted = evidence.registers_end[name] - evidence.registers_start[name]
    stays = [stay for stay in evidence.stays if stay.name == name]
    billed = sum(stay.after_wh - stay.before_wh for stay in stays)
    ok = abs(counted - billed) <= ROUNDED_WH
    return Finding(f"R15 {name}", ok=ok, text=f"register moved {counted:.1f} Wh, in sessions {billed:.1f} Wh")


def _protocol(csms: Mapping[str, Any]) -> Finding:
    total = csms["total"]
    faults = list(csms["violations"])
    faults += [f"{total[key]} {key}" for key in ("changed_repeats", "out_of_order", "orphans") if total[key]]
    text = "; ".join(faults) or f"{total['events']} transaction messages, {total['duplicates']} repeated unchanged"
    return Finding("CSMS", not faults, text)
