"""The settings of the CSMS edge: one table of OCPP variables, two spellings, one stored value each (R33)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from controller.charging.rules import AuthorisationRules, Rules
from controller.csms.slice import CsmsError, CsmsSlice
from controller.csms.table import BY_NAME, TABLE, Access, DataType, Variable


class Home(Protocol):
    """Where the values live: the store."""

    async def variables(self, csms: str) -> Mapping[str, str]: ...

    async def set_variables(self, csms: str, values: Mapping[str, str]) -> None: ...


class VariableError(CsmsError):
    """A variable does not exist, may not be set, or not to this value. `key` is the name as it was given."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


def find(name: str) -> Variable | None:
    """The variable of this 2.x ("Component.Variable[Instance]") or 1.6 name."""
    return BY_NAME.get(name)


def normal(variable: Variable, value: object) -> str:
    """`value` as it is stored and told.

    Raises:
        VariableError: not of the variable's type or range.
    """
    text = str(value).lower() if isinstance(value, bool) else str(value).strip()
    why = _FAULTY[variable.type](variable, text)
    if why is not None:
        raise VariableError(variable.name, why)
    return text.lower() if variable.type is DataType.BOOLEAN else text


def checked(name: str, value: object) -> tuple[Variable, str]:
    """A writable variable and its normal value.

    Raises:
        VariableError: unknown, not writable, or a bad value.
    """
    variable = find(name)
    if variable is None:
        raise VariableError(name, "no such variable")
    if variable.access is Access.READ_ONLY:
        raise VariableError(name, "is read-only")
    try:
        return variable, normal(variable, value)
    except VariableError as error:
        raise VariableError(name, error.why) from error


def first_values(initial: Mapping[str, object]) -> dict[str, str]:
    """`[csms.initial]` as it goes into an empty store.

    Raises:
        VariableError: its key is that of the site's configuration.
    """
    values: dict[str, str] = {}
    for name, value in initial.items():
        variable, text = checked(name, value)
        if variable.access is Access.WRITE_ONLY:
            raise VariableError(name, "is a secret; use password_file")
        if values.setdefault(variable.name, text) != text:
            raise VariableError(name, f"is {variable.name}, which is given twice")
    return values


class Variables:
    """Values of one CSMS, shared by its stations. `listeners` hear the name of each variable that changed."""

    def __init__(self, home: Home, csms: str, stored: Mapping[str, str]) -> None:
        self.listeners: list[Callable[[str], None]] = []
        self._home = home
        self._csms = csms
        self._values = {variable.name: variable.default for variable in TABLE} | dict(stored)

    @classmethod
    async def load(cls, home: Home, csms: CsmsSlice) -> "Variables":
        """Read the stored values; the configuration's first values count only if there are none.

        Raises:
            VariableError: a first value is wrong.
        """
        first = first_values(csms.initial)
        stored = await home.variables(csms.id)
        if not stored and first:
            await home.set_variables(csms.id, first)
            stored = first
        return cls(home, csms.id, {name: text for name, text in stored.items() if _still_fits(name, text)})

    @property
    def values(self) -> Mapping[str, str]:
        return self._values

    def integer(self, name: str) -> int:
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        return self._values[name] == "true"

    def members(self, name: str) -> frozenset[str]:
        return frozenset(_members(self._values[name]))

    def rules(self) -> Rules:
        return rules(self._values)

    async def set(self, name: str, value: object) -> Variable:
        """Check, store, and only then change; in effect on return.

        Raises:
            VariableError: nothing has changed.
        """
        variable, text = checked(name, value)
        await self._home.set_variables(self._csms, {variable.name: text})
        self._values[variable.name] = text
        for listener in tuple(self.listeners):
            listener(variable.name)
        return variable


def rules(values: Mapping[str, str]) -> Rules:
    """What the core takes of the variables. Names that are missing have their defaults."""
    text = {variable.name: variable.default for variable in TABLE} | dict(values)

    def flag(name: str) -> bool:
        return text[name] == "true"

    life_s = int(text["AuthCacheCtrlr.LifeTime"])
    return Rules(
        connection_timeout_s=int(text["TxCtrlr.EVConnectionTimeOut"]),
        sample_interval_s=int(text["SampledDataCtrlr.TxUpdatedInterval"]),
        stop_on_invalid=flag("TxCtrlr.StopTxOnInvalidId"),
        authorisation=AuthorisationRules(
            authorize_offline=flag("AuthCtrlr.LocalAuthorizeOffline"),
            pre_authorize=flag("AuthCtrlr.LocalPreAuthorize"),
            offline_unknown=flag("AuthCtrlr.OfflineTxForUnknownIdEnabled"),
            cache_enabled=flag("AuthCacheCtrlr.Enabled"),
            cache_life_s=life_s or None,
            list_enabled=flag("LocalAuthListCtrlr.Enabled"),
            authorize_remote=flag("AuthCtrlr.AuthorizeRemoteStart"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """One line for people. `value` is None where it is a secret or is computed while the station runs."""

    variable: Variable
    value: str | None


def listing(values: Mapping[str, str], pattern: str = "") -> Iterator[Listed]:
    """All variables whose name, in either spelling, contains `pattern`; upper and lower case are the same."""
    wanted = pattern.casefold()
    for variable in TABLE:
        if wanted in variable.name.casefold() or wanted in (variable.key or "").casefold():
            yield shown(variable, values)


def shown(variable: Variable, values: Mapping[str, str]) -> Listed:
    hidden = variable.access is Access.WRITE_ONLY or variable.computed
    return Listed(variable, None if hidden else values.get(variable.name, variable.default))


async def put(home: Home, csms: str, assignment: tuple[str, object]) -> tuple[Variable, str]:
    """Check and store one value while no station runs; a running one takes it at its next start.

    Raises:
        VariableError: nothing was stored.
    """
    variable, text = checked(*assignment)
    await home.set_variables(csms, {variable.name: text})
    return variable, text


SetVariable = Callable[[str, object], Awaitable[Variable]]


def _still_fits(name: str, text: str) -> bool:
    """A value of another release may have no place any more, or be out of range; the default is better then."""
    try:
        checked(name, text)
    except VariableError:
        return False
    return True


def _members(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _faulty_boolean(_: Variable, text: str) -> str | None:
    return None if text.lower() in {"true", "false"} else "must be true or false"


def _faulty_integer(variable: Variable, text: str) -> str | None:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        return "must be an integer"
    low, high = variable.limits
    return None if low <= int(text) <= high else f"must be from {low} to {high}"


def _faulty_string(variable: Variable, text: str) -> str | None:
    low, high = variable.limits
    if not low <= len(text) <= high:
        return f"must have {low} to {high} characters"
    return None if text.isprintable() else "must be printable"


def _faulty_members(variable: Variable, text: str) -> str | None:
    members = _members(text)
    unknown = [member for member in members if member not in variable.members]
    if unknown:
        return f"{unknown[0]!r} is none of {', '.join(variable.members)}"
    return "names a member twice" if len(set(members)) < len(members) else None


def _faulty_decimal(variable: Variable, text: str) -> str | None:
    if not (text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 20):
        return "must be a decimal number"
    low, high = variable.limits
    return None if low <= Decimal(text) <= high else f"must be from {low} to {high}"


_FAULTY: Mapping[DataType, Callable[[Variable, str], str | None]] = {
    DataType.BOOLEAN: _faulty_boolean,
    DataType.INTEGER: _faulty_integer,
    DataType.DECIMAL: _faulty_decimal,
    DataType.STRING: _faulty_string,
    DataType.DATE_TIME: _faulty_string,
    DataType.MEMBER_LIST: _faulty_members,
    DataType.SEQUENCE_LIST: _faulty_members,
    DataType.OPTION_LIST: _faulty_members,
}
