"""The charging rules of site.toml: each means something, and each can come to its turn."""

from collections.abc import Iterator

from controller.charging.charging_rules import ChargingRule, RuleBook, When, never_reached
from controller.charging.local_time import DAY_MIN, DAYS, EVERY_DAY, Window
from controller.charging.modes import ByDeadline, Fixed, Mode, Priority, Standard, Surplus
from controller.charging.tokens import is_random
from controller.config.circuits import milli
from controller.config.document import Document, RuleTable, WhenTable, uid_text
from controller.config.problems import doubles
from controller.runtime.slices import EvseSlice, MeterSlice

PARAMETERS = {
    "standard": {"weight"},
    "priority": {"priority", "weight"},
    "deadline": {"energy_kwh", "by"},
    "surplus": set[str](),
    "fixed": {"max_current_a", "weight"},
}
REQUIRED = {"deadline": ("energy_kwh", "by"), "fixed": ("max_current_a",)}
OPTIONAL = ("priority", "weight", "max_current_a", "energy_kwh", "by")


def read_rules(
    document: Document, evses: tuple[EvseSlice, ...], meters: tuple[MeterSlice, ...], *, problems: list[str]
) -> RuleBook:
    """The rules in their order. Those whose mode lacks something are reported and left out."""
    found = [f"rules[{name}].id: is used twice" for name in doubles(rule.id for rule in document.rules)]
    for table in document.rules:
        found += (f"rules[{table.id}].{what}" for what in _faults(table, document, evses))
    book = RuleBook(
        tuple(
            ChargingRule(table.id, _when(table.when, document), mode)
            for table in document.rules
            if (mode := _mode(table)) is not None
        ),
        document.site.time_zone,
        _export_measured(document, meters),
    )
    found += (
        f"rules[{rule.id}].mode: {why_not}"
        for rule in book.rules
        if isinstance(rule.mode, Surplus) and (why_not := book.hindrance(rule.mode))
    )
    if not found:
        found += _unreachable(book, frozenset(evse.id for evse in document.evses))
    if book.needs_time and book.zone is None:
        found.append('site.time_zone: is missing, and rules go by local time; for instance "Europe/Berlin"')
    problems += found
    return book


def _export_measured(document: Document, meters: tuple[MeterSlice, ...]) -> bool:
    """R8: only the power of a phase gives its current a sign. A meter that could not be read has its own fault."""
    blind = {meter.id for meter in meters if "active_power_l1" not in meter.profile.registers}
    return any(one.parent is None and one.meter is not None and one.meter not in blind for one in document.circuits)


def _unreachable(book: RuleBook, evses: frozenset[str]) -> Iterator[str]:
    for rule, hiding in never_reached(book.rules, evses):
        names = " and ".join(repr(name) for name in hiding)
        yield f"rules[{rule.id}]: never matches, because of {names} before it; move it up, or remove it"


def _faults(table: RuleTable, document: Document, evses: tuple[EvseSlice, ...]) -> Iterator[str]:
    yield from _wrong_parameters(table)
    yield from (f"when.{what}" for what in _wrong_times(table.when))
    yield from (f"when.{what}" for what in _unknown_payers(table.when, document))
    yield from (f"when.{what}" for what in _unknown_things(table.when, document))
    if table.mode == "fixed" and table.max_current_a is not None:
        yield from _below_minimum(table, milli(table.max_current_a), evses)


def _wrong_parameters(table: RuleTable) -> Iterator[str]:
    allowed = PARAMETERS[table.mode]
    for key in OPTIONAL:
        if getattr(table, key) is not None and key not in allowed:
            owners = " or ".join(mode for mode, keys in PARAMETERS.items() if key in keys)
            yield f"{key}: belongs to mode {owners}, not to {table.mode}"
    for key in REQUIRED.get(table.mode, ()):
        if getattr(table, key) is None:
            yield f"{key}: is missing; mode {table.mode} needs it"


def _wrong_times(when: WhenTable) -> Iterator[str]:
    if (when.begin is None) != (when.end is None):
        yield "from: is missing" if when.begin is None else "to: is missing"
    elif when.begin is not None and when.begin == when.end:
        yield "to: is the same as from; leave both out for the whole day"


def _unknown_things(when: WhenTable, document: Document) -> Iterator[str]:
    known = {evse.id for evse in document.evses}
    yield from (f"evses: there is no EVSE {evse!r}" for evse in when.evses if evse not in known)
    if when.input is not None and when.input not in {one.id for one in document.inputs}:
        yield f"input: there is no input {when.input!r}"


def _below_minimum(table: RuleTable, max_ma: int, evses: tuple[EvseSlice, ...]) -> Iterator[str]:
    """R7: an EVSE offers nothing, or at least its minimum."""
    for evse in evses:
        if max_ma < evse.point.min_ma and (not table.when.evses or evse.id in table.when.evses):
            least_a = evse.point.min_ma / 1000
            yield f"max_current_a: below the minimum of EVSE {evse.id!r}, {least_a:g} A: it would never charge"


def _unknown_payers(when: WhenTable, document: Document) -> Iterator[str]:
    """A CSMS may know cards and groups that the file does not; without one nobody else can charge."""
    if random := [user for user in when.users if is_random(uid_text(user)) and not _named(user, document)]:
        yield f"users: {random[0]!r} is random, another one at each tap (4 bytes from 08)"
    if document.csms is not None:
        return
    tokens = {token.uid for token in document.tokens}
    for user in when.users:
        if uid_text(user) not in tokens and not _named(user, document):
            yield f"users: {user!r} is neither the name nor the uid of a [[tokens]] entry, and there is no CSMS"
    groups = {token.group.casefold() for token in document.tokens if token.group}
    for group in when.groups:
        if group.casefold() not in groups:
            yield f"groups: no [[tokens]] entry is in group {group!r}, and there is no CSMS that could tell one"


def _named(user: str, document: Document) -> list[str]:
    return [token.uid for token in document.tokens if token.name == user]


def _uids(user: str, document: Document) -> list[str]:
    """All cards of that name; else the card, in whatever way its number was written, or a CSMS' own id."""
    plain = uid_text(user)
    is_uid = any(token.uid == plain for token in document.tokens) or _looks_like_uid(plain)
    return _named(user, document) or [plain if is_uid else user]


def _looks_like_uid(text: str) -> bool:
    return 8 <= len(text) <= 20 and len(text) % 2 == 0 and set(text) <= set("0123456789ABCDEF")


def _when(when: WhenTable, document: Document) -> When:
    groups = frozenset(group.casefold() for group in when.groups)
    return When(
        users=frozenset(uid.casefold() for user in when.users for uid in _uids(user, document)),
        groups=groups,
        members=frozenset(
            token.uid.casefold() for token in document.tokens if (token.group or "").casefold() in groups
        ),
        evses=frozenset(when.evses),
        window=_window(when),
        input=when.input,
    )


def _window(when: WhenTable) -> Window | None:
    if not when.days and when.begin is None and when.end is None:
        return None
    days = frozenset(DAYS.index(day) for day in when.days) or EVERY_DAY
    return Window(days, when.begin or 0, DAY_MIN if when.end is None else when.end)


def _mode(table: RuleTable) -> Mode | None:
    weight = table.weight or 1
    match table.mode:
        case "standard":
            return Standard(weight)
        case "priority":
            return Priority(table.priority or 1, weight)
        case "surplus":
            return Surplus()
        case "fixed":
            return None if table.max_current_a is None else Fixed(milli(table.max_current_a), weight)
        case "deadline":
            if table.energy_kwh is None or table.by is None:
                return None
            return ByDeadline(round(table.energy_kwh * 1000), table.by)
