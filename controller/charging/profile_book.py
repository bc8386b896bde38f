"""The charging profiles installed at one station: what a new one replaces, and what ends with its session."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from controller.charging.charging_profiles import (
    MAX_INSTALLED,
    STATION,
    ChargingProfile,
    Purpose,
    RateUnit,
    Refusal,
    Terms,
    fault_of,
)
from controller.charging.session import (
    Authorising,
    EvseState,
    Payer,
    Running,
    Starting,
    Stopping,
    Transaction,
    Waiting,
)


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile at an EVSE, or at the `STATION`.

    `start` is the remote start that brought a TxProfile along (K05), until its transaction has begun.
    """

    evse: str
    profile: ChargingProfile
    start: str = ""


@dataclass(frozen=True, slots=True)
class EvseFacts:
    """What decides whether a profile can be obeyed. `phase` is the supply phase of a single-phase EVSE, from 1.

    `dc`: it is limited in watts only. Amperes would be those at the outlet, whose voltage the EV chooses.
    """

    phases: int
    phase: int | None
    transaction: str | None
    dc: bool = False


@dataclass(frozen=True, slots=True)
class Criteria:
    """Profiles that fit everything that is given; an id alone says it all. `ids` None: any."""

    ids: tuple[int, ...] | None = None
    evse: str | None = None
    purpose: Purpose | None = None
    stack_level: int | None = None

    def fit(self, one: Installed) -> bool:
        return (
            (self.ids is None or one.profile.id in self.ids)
            and self.evse in {None, one.evse}
            and self.purpose in {None, one.profile.purpose}
            and self.stack_level in {None, one.profile.stack_level}
        )


@dataclass(frozen=True, slots=True)
class Book:
    """All profiles of a station, in the order in which they came. Ids are unique."""

    installed: tuple[Installed, ...] = ()

    def select(self, criteria: Criteria) -> tuple[Installed, ...]:
        return tuple(one for one in self.installed if criteria.fit(one))


@dataclass(frozen=True, slots=True)
class Change:
    """From one book to the next."""

    removed: tuple[Installed, ...] = ()
    added: tuple[Installed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)

    def of(self, book: Book) -> Book:
        gone = {one.profile.id for one in (*self.removed, *self.added)}
        return Book((*(one for one in book.installed if one.profile.id not in gone), *self.added))

    @property
    def back(self) -> "Change":
        return Change(self.added, self.removed)


def install(book: Book, new: Installed, terms: Terms, evses: Mapping[str, EvseFacts]) -> Change | Refusal:
    """Set a profile. `evses` are all of the station."""
    profile = new.profile
    if new.evse != STATION and new.evse not in evses:
        return Refusal("UnknownEvse", f"no EVSE {new.evse!r}")
    if profile.purpose is Purpose.TX and not new.start:
        found = _for_running(new, terms, evses)
        if isinstance(found, Refusal):
            return found
        new = found
    return next(_hindrances(new, evses), None) or _placed(book, new, terms)


def start_key(payer: Payer) -> str:
    """Names a start by the token that asked for it, so that no other session gets its profile."""
    number = "" if payer.remote_start_id is None else payer.remote_start_id
    return f"{number}:{payer.token.uid}"


def settle(book: Book, state: EvseState, *, attaching: bool) -> Change:
    """What the session of an EVSE means for its TxProfiles.

    A transaction that has begun takes those that came with its start; what belongs to no session goes.
    `attaching`: a remote start is on its way there, and its session cannot be seen yet.
    """
    removed, added = [], []
    for one in book.installed:
        if one.evse != state.evse or one.profile.purpose is not Purpose.TX:
            continue
        after = _settled(one, state, attaching=attaching)
        if after is one:
            continue
        removed.append(one)
        if after is not None:
            added.append(after)
    return Change(tuple(removed), tuple(added))


def transaction_of(state: EvseState) -> Transaction | None:
    match state.phase:
        case Running(transaction) | Stopping(transaction):
            return transaction
        case _:
            return None


def payer_of(state: EvseState) -> Payer | None:
    match state.phase:
        case Authorising(payer=payer) | Waiting(payer=payer) | Starting(payer=payer):
            return payer
        case Running(transaction) | Stopping(transaction):
            return transaction.payer
        case _:
            return None


def _settled(one: Installed, state: EvseState, *, attaching: bool) -> Installed | None:
    transaction, payer = transaction_of(state), payer_of(state)
    if not one.start:
        return one if transaction is not None and one.profile.transaction == transaction.id else None
    if payer is None or start_key(payer) != one.start:
        return one if attaching else None
    if transaction is None:
        return one
    return Installed(one.evse, replace(one.profile, transaction=transaction.id))


def _for_running(new: Installed, terms: Terms, evses: Mapping[str, EvseFacts]) -> Installed | Refusal:
    """K01.FR.03, 09, 16, 33."""
    named = new.profile.transaction
    if new.evse == STATION:
        return Refusal("InvalidProfile", "a TxProfile is for one EVSE (K01.FR.16)")
    running = evses[new.evse].transaction
    if named is None and terms.names_transaction:
        return Refusal("MissingParam", "a TxProfile names its transaction (K01.FR.03)")
    if running is None or named not in {None, running}:
        return Refusal("TxNotFound", "no such transaction runs on this EVSE")
    return replace(new, profile=replace(new.profile, transaction=running))


def _hindrances(new: Installed, evses: Mapping[str, EvseFacts]) -> Iterator[Refusal]:
    fault = fault_of(new.profile)
    if fault is not None:
        yield fault
    if new.profile.purpose is Purpose.STATION_MAX and new.evse != STATION:
        yield Refusal("InvalidProfile", "a limit of the station is set at EVSE 0")
    if new.evse != STATION and evses[new.evse].dc and new.profile.schedule.unit is RateUnit.AMPERE:
        yield Refusal("UnsupportedParam", f"{new.evse} is a DC outlet: chargingRateUnit must be W")
    concerned = evses.values() if new.evse == STATION else [evses[new.evse]]
    for facts in concerned:
        yield from _phase_hindrances(new.profile, facts)


def _phase_hindrances(profile: ChargingProfile, facts: EvseFacts) -> Iterator[Refusal]:
    """Phases are not switched: what is wired is used (K01.FR.43, 48)."""
    for period in profile.schedule.periods:
        if period.phases is not None and period.phases < facts.phases:
            yield Refusal("UnsupportedParam", f"numberPhases {period.phases}: {facts.phases} phases are wired")
        if period.phase_to_use is not None and period.phase_to_use != facts.phase:
            yield Refusal("UnsupportedParam", "phaseToUse: the phase cannot be chosen")


def _placed(book: Book, new: Installed, terms: Terms) -> Change | Refusal:
    others = [one for one in book.installed if one.profile.id != new.profile.id]
    rivals = [one for one in others if _rivals(one, new)]
    if not terms.replaces_level:
        clash = next((one for one in rivals if _clash(one, new)), None)
        if clash is not None:
            return Refusal("DuplicateProfile", f"profile {clash.profile.id} has the same purpose and stackLevel")
    replaced = [one for one in rivals if one.evse == new.evse] if terms.replaces_level else []
    if len(others) - len(replaced) >= MAX_INSTALLED:
        return Refusal("OutOfStorage", f"{MAX_INSTALLED} profiles are installed")
    own = [one for one in book.installed if one.profile.id == new.profile.id]
    return Change((*own, *replaced), (new,))


def _rivals(one: Installed, new: Installed) -> bool:
    """Same purpose and level, and one of them might hold where the other does."""
    old, profile = one.profile, new.profile
    if (old.purpose, old.stack_level) != (profile.purpose, profile.stack_level):
        return False
    if profile.purpose is Purpose.TX:
        return (one.evse, old.transaction, one.start) == (new.evse, profile.transaction, new.start)
    return one.evse == new.evse or STATION in {one.evse, new.evse}


def _clash(one: Installed, new: Installed) -> bool:
    """On the same EVSE only while both are valid; a default of all beside that of one never (K01.FR.52, 53)."""
    if new.profile.purpose is Purpose.TX or one.evse != new.evse:
        return True
    return _before(one.profile, new.profile) and _before(new.profile, one.profile)


def _before(one: ChargingProfile, other: ChargingProfile) -> bool:
    """`one` becomes valid before `other` ends to be."""
    return one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to
