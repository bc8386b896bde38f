"""Limits from outside and digital inputs of site.toml: what they cap, who may say them, what silence means."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from controller.allocation.circuits import Circuit, SupplyPoint, Tree
from controller.allocation.image import Layout, Scope
from controller.allocation.limits import RATING
from controller.charging.local_time import DAYS, EVERY_DAY, Window
from controller.config.catalogue import Catalogue
from controller.config.document import LimitTable, WindowTable
from controller.config.sensors import wrong_register
from controller.runtime.dimming import LEAST_W, budget_w, counted
from controller.runtime.limit_slices import InputSlice, LimitSlice, LimitsSlice, Source, Span, Unit, WhenLost

EN14A = "en14a"
MOST = 100_000_000
"""Accepted where nothing else is said: 100 kA, 100 MW."""
MEANS = {
    Source.REST: {"expires_s", "when_lost", "min", "max"},
    Source.MQTT: {"expires_s", "when_lost", "min", "max"},
    Source.MODBUS: {"expires_s", "when_lost", "min", "max", "register_"},
    Source.INPUT: {"input", "value"},
    Source.CALENDAR: {"windows"},
}
"""Which keys belong to which source."""
NEEDS = {
    Source.REST: ("when_lost",),
    Source.MQTT: ("when_lost",),
    Source.MODBUS: ("when_lost", "expires_s", "register_"),
    Source.INPUT: ("input", "value"),
    Source.CALENDAR: ("windows",),
}
KEYS = ("expires_s", "when_lost", "min", "max", "register_", "input", "value", "windows")
TARGETS = (("circuit", Scope.CIRCUIT), ("charging_of", Scope.CHARGING), ("evse", Scope.EVSE))


def read_limits(catalogue: Catalogue, layout: Layout) -> LimitsSlice:
    """The limits and inputs as they shall be; those with faults are reported and left out."""
    document = catalogue.document
    _check_names(catalogue)
    _check_rules(catalogue)
    found = tuple(_limit(table, catalogue, layout) for table in document.limits)
    inputs = tuple(InputSlice(table.id, int(table.active == "high"), table.stop_all) for table in document.inputs)
    if any(table.source == "calendar" for table in document.limits) and document.site.time_zone is None:
        catalogue.complain(
            "site.time_zone", 'is missing, and calendars go by local time; for instance "Europe/Berlin"'
        )
    return LimitsSlice(tuple(one for one in found if one is not None), inputs, document.site.time_zone)


def _check_names(catalogue: Catalogue) -> None:
    """Limits and inputs stand in reasons and alarms beside everything else."""
    document = catalogue.document
    taken = {RATING}
    for entries in (document.circuits, document.buses, document.meters, document.evses, document.readers):
        taken.update(one.id for one in entries)
    taken.update(one.id for one in document.power_modules)
    ours = [("limits", one.id) for one in document.limits] + [("inputs", one.id) for one in document.inputs]
    for kind, name in ours:
        if name in taken:
            catalogue.complain(f"{kind}[{name}].id", "is used elsewhere; each needs its own")
        taken.add(name)


def _check_rules(catalogue: Catalogue) -> None:
    known = {table.id for table in catalogue.document.inputs}
    for rule in catalogue.document.rules:
        if rule.when.input is not None and rule.when.input not in known:
            catalogue.complain(f"rules[{rule.id}].when.input", f"there is no input {rule.when.input!r}")


# limits


def _limit(table: LimitTable, catalogue: Catalogue, layout: Layout) -> LimitSlice | None:
    where = f"limits[{table.id}]"
    before = len(catalogue.problems)
    for what in _faults(table, catalogue, layout):
        catalogue.complain(f"{where}.{what.partition(': ')[0]}", what.partition(": ")[2])
    if len(catalogue.problems) > before:
        return None
    scope, target = _targets(table)[0]
    unit = Unit(table.unit) if table.unit else Unit.KW
    return LimitSlice(
        id=table.id,
        source=Source(table.source),
        scope=scope,
        target=target,
        unit=unit,
        lowest=unit.inside(table.min or Decimal(0)),
        highest=MOST if table.max is None else unit.inside(table.max),
        when_lost=_when_lost(table, unit, layout),
        expires_s=table.expires_s,
        log=_uses_en14a(table) if table.log is None else table.log,
        input=table.input,
        value=_value(table, unit, layout),
        spans=tuple(_span(window, unit) for window in table.windows),
    )


def _targets(table: LimitTable) -> list[tuple[Scope, str]]:
    named = [(scope, getattr(table, key)) for key, scope in TARGETS]
    return [(scope, target) for scope, target in named if target is not None]


def _uses_en14a(table: LimitTable) -> bool:
    return EN14A in (table.value, table.when_lost)


def _when_lost(table: LimitTable, unit: Unit, layout: Layout) -> WhenLost | None:
    match table.when_lost:
        case Decimal() as value:
            return unit.inside(value)
        case "en14a":
            return _budget_w(table, layout)
        case other:
            return other


def _value(table: LimitTable, unit: Unit, layout: Layout) -> int | None:
    match table.value:
        case Decimal() as value:
            return unit.inside(value)
        case "en14a":
            return _budget_w(table, layout)
        case _:
            return None


def _budget_w(table: LimitTable, layout: Layout) -> int:
    return budget_w(_dimmed(table, layout))


def _dimmed(table: LimitTable, layout: Layout) -> int:
    """How many devices a dimming of that circuit counts."""
    below = _below(table.charging_of or "", layout.circuits, layout.evses)
    return counted(point.max_ma * layout.voltage_mv * point.phases // 1_000_000 for point in below)


def _below(circuit: str, circuits: Sequence[Circuit], evses: Sequence[SupplyPoint]) -> list[SupplyPoint]:
    places = {one.id: place for place, one in enumerate(circuits)}
    try:
        paths = Tree.of(circuits).paths
    except ValueError:  # reported with the circuits
        return []
    return [point for point in evses if places.get(circuit) in paths.get(point.circuit, ())]


def _span(window: WindowTable, unit: Unit) -> Span:
    days = frozenset(DAYS.index(day) for day in window.days) or EVERY_DAY
    return Span(Window(days, window.begin, window.end), unit.inside(window.value))


def _faults(table: LimitTable, catalogue: Catalogue, layout: Layout) -> Iterator[str]:
    yield from _wrong_target(table, catalogue)
    yield from _wrong_keys(table)
    yield from _wrong_unit(table, layout)
    yield from _wrong_values(table)
    if table.input is not None and table.input not in {one.id for one in catalogue.document.inputs}:
        yield f"input: there is no input {table.input!r}"
    for place, window in enumerate(table.windows, 1):
        if window.begin == window.end:
            yield f'windows[{place}].to: is the same as from; a whole day is from "00:00" to "24:00"'
    if table.register_ is not None:
        yield from (f"register.{what}" for what in wrong_register(table.register_, catalogue))
        if table.expires_s is not None and table.expires_s < 2 * table.register_.period_s:
            yield "expires_s: is less than two of register.period_s, so that one lost answer would count"


def _wrong_target(table: LimitTable, catalogue: Catalogue) -> Iterator[str]:
    targets = _targets(table)
    if len(targets) != 1:
        yield "circuit: name exactly one of circuit, charging_of and evse"
    circuits = {one.id for one in catalogue.document.circuits}
    if table.circuit is not None and table.circuit not in circuits:
        yield f"circuit: there is no circuit {table.circuit!r}"
    if table.charging_of is not None and table.charging_of not in circuits:
        yield f"charging_of: there is no circuit {table.charging_of!r}"
    if table.evse is not None and table.evse not in {one.id for one in catalogue.document.evses}:
        yield f"evse: there is no EVSE {table.evse!r}"


def _wrong_keys(table: LimitTable) -> Iterator[str]:
    source = Source(table.source)
    for key in KEYS:
        given = getattr(table, key) not in (None, ())
        name = key.rstrip("_")
        if given and key == "when_lost" and source is Source.INPUT:
            yield "when_lost: an input that cannot be read counts as active; remove it"
        elif given and key not in MEANS[source]:
            owners = " or ".join(one.value for one, keys in MEANS.items() if key in keys)
            yield f"{name}: belongs to source {owners}, not to {table.source}"
        elif not given and key in NEEDS[source]:
            yield f"{name}: is missing; source {table.source} needs it"


def _wrong_unit(table: LimitTable, layout: Layout) -> Iterator[str]:
    if not _uses_en14a(table):
        if table.unit is None:
            yield "unit: is missing; a (per phase), w or kw (all phases)"
        return
    if table.unit == "a":
        yield "unit: en14a is a power: w or kw"
    if table.charging_of is None:
        yield "charging_of: en14a dims charging; name the circuit whose chargers it dims"
    elif _below(table.charging_of, layout.circuits, layout.evses) and not _dimmed(table, layout):
        yield f"charging_of: no charger there takes more than {LEAST_W} W, so that en14a dims none"


def _wrong_values(table: LimitTable) -> Iterator[str]:
    if table.min is not None and table.max is not None and table.min > table.max:
        yield "min: is above max"
