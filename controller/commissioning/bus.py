"""`ampyard bus`: how busy the wires of the running site are, and where time and answers get lost."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeGuard

import typer

from controller.terminal import ANSWER_S, EXIT_FAILED, EXIT_UNAVAILABLE, Config, aligned, fail, local_address

Row = Mapping[str, object]
COUNTERS = ("transactions", "errors", "timeouts", "busy_s", "lost_s")


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened between two looks. `use` is the share of the time in which the wire was busy."""

    bus: str
    unit: str
    per_s: float
    use: float
    efficiency: float | None
    """Share of the busy time in which somebody answered; None: not counted, or nothing went on."""
    errors: int
    timeouts: int
    told: str


@dataclass(frozen=True, slots=True)
class Look:
    at_s: float
    rows: Mapping[tuple[str, str], Row]
    """By bus and unit; the unit is empty for the whole bus."""


def bus(
    config: Config,
    name: Annotated[str | None, typer.Argument(help="One bus; without it all.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    seconds: Annotated[float, typer.Option(help="Time between two looks.", min=0.2, max=60)] = 2.0,
) -> None:
    """Show use, transactions, errors and timeouts of each bus and unit of the running site."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from controller.config.read import read

    address = local_address(read(config).web)
    before = _look(address)
    _check_name(name, before, config)
    if not watch:
        time.sleep(seconds)
        typer.echo(_table(_only(name, rates(before, _look(address))), seconds))
        return
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        while True:
            time.sleep(seconds)
            now = _look(address)
            live.update(Text(_table(_only(name, rates(before, now)), seconds)), refresh=True)
            before = now


def _check_name(name: str | None, look: Look, config: Path) -> None:
    buses = sorted({bus for bus, _ in look.rows})
    if name is not None and name not in buses:
        fail(f"{config}: there is no bus {name!r} with Modbus devices; there are: {', '.join(buses)}", EXIT_FAILED)


def _look(address: str) -> Look:
    import httpx

    try:
        answer = httpx.get(f"http://{address}/api/buses", timeout=ANSWER_S, trust_env=False)
        answer.raise_for_status()
        return parse(answer.json())
    except (httpx.HTTPError, ValueError) as error:
        fail(f"the service does not answer at {address}: {error}; is it running?", EXIT_UNAVAILABLE)


def parse(said: object) -> Look:
    """What `/api/buses` says.

    Raises:
        ValueError: it is something else.
    """
    at_s = said.get("at_s") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not _is_number(at_s):
        raise ValueError("what answers there is not this service")
    rows: dict[tuple[str, str], Row] = {}
    for one in _tables(said.get("buses")):
        rows[str(one.get("bus")), ""] = one
        for unit in _tables(one.get("units")):
            rows[str(one.get("bus")), str(unit.get("unit"))] = unit
    return Look(float(at_s), rows)


def rates(before: Look, now: Look) -> Iterator[Rates]:
    """Per bus, then per unit. A wire that was opened anew, as the whole service may be, counts from zero."""
    passed_s = now.at_s - before.at_s
    for key, row in now.rows.items():
        old = before.rows.get(key, {})
        if passed_s <= 0 or any(_number(row, name) < _number(old, name) for name in COUNTERS):
            old = {}
        yield _rates(key, row, old, max(passed_s, 0.001))


def _rates(key: tuple[str, str], row: Row, old: Row, passed_s: float) -> Rates:
    grown = {name: _number(row, name) - _number(old, name) for name in COUNTERS}
    busy_s = grown["busy_s"]
    return Rates(
        bus=key[0],
        unit=key[1],
        per_s=grown["transactions"] / passed_s,
        use=min(1.0, busy_s / passed_s),
        efficiency=1 - grown["lost_s"] / busy_s if "lost_s" in row and busy_s > 0 else None,
        errors=int(grown["errors"]),
        timeouts=int(grown["timeouts"]),
        told=_told(row),
    )


def _told(row: Row) -> str:
    devices, turnaround_s = row.get("devices"), row.get("turnaround_s")
    if isinstance(devices, list):
        return ", ".join(map(str, devices))
    answers = f"answers in {turnaround_s * 1000:.0f} ms" if _is_number(turnaround_s) else ""
    return "LOST" if row.get("lost") is True else answers


def _only(name: str | None, all_of_them: Iterator[Rates]) -> list[Rates]:
    return [one for one in all_of_them if name in (None, one.bus)]


def _table(found: Sequence[Rates], seconds: float) -> str:
    heads = ("Bus", "Unit", "Use %", "Answered %", "Transactions/s", "Errors", "Timeouts", f"(in {seconds:g} s)")
    rows = [heads]
    for one in found:
        answered = "" if one.efficiency is None else f"{100 * one.efficiency:.1f}"
        numbers = (f"{100 * one.use:.1f}", answered, f"{one.per_s:.1f}", str(one.errors), str(one.timeouts))
        rows.append((one.bus if not one.unit else "", one.unit, *numbers, one.told))
    return "\n".join(aligned(rows))


def _tables(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return float(value) if _is_number(value) else 0.0


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
