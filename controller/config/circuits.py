"""The wiring tree of site.toml: one root, no cycles, parents first."""

from decimal import Decimal

from controller.allocation.circuits import Circuit
from controller.config.document import CircuitTable, Document
from drivers.api import Phases


def milli(value: Decimal) -> int:
    """Amperes to milliamperes, kilowatts to watts."""
    return int(value * 1000)


def phases_ma(values: tuple[Decimal, Decimal, Decimal]) -> Phases:
    return Phases(*(milli(value) for value in values))


def read_circuits(document: Document, problems: list[str]) -> tuple[Circuit, ...]:
    """The circuits, parents before children; what hangs on nothing is reported and left out."""
    tables = {table.id: table for table in document.circuits}
    _check_links(document, tables, problems)
    ordered: list[Circuit] = []
    placed: set[str | None] = {None}
    waiting = list(tables.values())
    while ready := [table for table in waiting if table.parent in placed]:
        ordered += [_circuit(table) for table in ready]
        placed |= {table.id for table in ready}
        waiting = [table for table in waiting if table.id not in placed]
    problems += [
        f"circuits[{table.id}].parent: leads in a circle, not to the grid connection"
        for table in waiting
        if _circles(table, tables)
    ]
    return tuple(ordered)


def _circles(table: CircuitTable, tables: dict[str, CircuitTable]) -> bool:
    """Whether it hangs on itself; what hangs on a missing circuit is reported there."""
    above = tables.get(table.parent or "")
    for _ in tables:
        if above is None or above is table:
            break
        above = tables.get(above.parent or "")
    return above is table


def _check_links(document: Document, tables: dict[str, CircuitTable], problems: list[str]) -> None:
    roots = [table.id for table in document.circuits if table.parent is None]
    if len(roots) != 1:
        found = ", ".join(roots) or "none"
        problems.append(f"circuits: exactly one has no parent, the grid connection; found {found}")
    meters = {meter.id for meter in document.meters}
    for table in document.circuits:
        if table.parent is not None and table.parent not in tables:
            problems.append(f"circuits[{table.id}].parent: there is no circuit {table.parent!r}")
        if table.meter is not None and table.meter not in meters:
            problems.append(f"circuits[{table.id}].meter: there is no meter {table.meter!r}")
        if min(table.rating_a) <= 0:
            problems.append(f"circuits[{table.id}].rating_a: must be above 0 on each phase")


def _circuit(table: CircuitTable) -> Circuit:
    return Circuit(
        id=table.id,
        parent=table.parent,
        rating_ma=phases_ma(table.rating_a),
        usable_permille=round(table.usable_share * 1000),
        max_other_ma=phases_ma(table.max_other_load_a),
        meter=table.meter,
        max_w=None if table.max_power_kw is None else milli(table.max_power_kw),
        unbalance_ma=None if table.unbalance_a is None else milli(table.unbalance_a),
    )
