"""The device model: variables and facts as GetVariables, SetVariables and NotifyReport show them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from controller.charging.view import EvseView
from controller.csms.ocpp2.encode import CONNECTOR
from controller.csms.ocpp2.status import status_of
from controller.csms.requests import Present
from controller.csms.rpc import Payload
from controller.csms.table import COMPONENTS, PROFILE_COUNT, TABLE, Access, DataType, Variable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable is: a component, of the station (no EVSE), of an EVSE, or of its connector."""

    component: str
    evse: int | None = None
    connector: int | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A read-only variable of the hardware."""

    place: Place
    variable: str
    type: DataType
    value: str


HARDWARE = frozenset({"ChargingStation", "EVSE", "Connector"})
MAX_VALUE = 2500


def facts(present: Present) -> Iterator[Fact]:
    """ChargingStation, EVSE and Connector with their required variables."""
    station = Place("ChargingStation")
    views = [view for view in present.evses if view is not None]
    usable = any(view.operative for view in views)
    yield Fact(station, "AvailabilityState", DataType.OPTION_LIST, "Available" if usable else "Unavailable")
    yield Fact(station, "Available", DataType.BOOLEAN, "true")
    yield Fact(station, "Model", DataType.STRING, "Site controller")
    yield Fact(station, "VendorName", DataType.STRING, "Ampyard")
    yield Fact(station, "FirmwareVersion", DataType.STRING, present.firmware)
    yield Fact(station, "SupplyPhases", DataType.INTEGER, "3")
    for number, view in enumerate(present.evses, 1):
        yield from _evse_facts(number, view)


def _evse_facts(number: int, view: EvseView | None) -> Iterator[Fact]:
    state = "Unavailable" if view is None else status_of(view)
    evse, connector = Place("EVSE", number), Place("Connector", number, CONNECTOR)
    dc = view is not None and view.dc is not None
    for place in (evse, connector):
        yield Fact(place, "AvailabilityState", DataType.OPTION_LIST, state)
        yield Fact(place, "Available", DataType.BOOLEAN, "true")
        yield Fact(place, "SupplyPhases", DataType.INTEGER, "0" if dc else "3")
    yield Fact(evse, "AllowReset", DataType.BOOLEAN, "true")
    yield Fact(evse, "EvseId", DataType.STRING, "" if view is None else view.id)
    yield Fact(connector, "ConnectorType", DataType.STRING, "cCCS2" if dc else "cType2")


@dataclass(frozen=True, slots=True)
class Address:
    """The component and variable that an item of GetVariables or SetVariables names."""

    place: Place
    component_instance: str | None
    variable: str
    instance: str | None
    attribute: str

    @property
    def name(self) -> str:
        instance = f"[{self.instance}]" if self.instance else ""
        return f"{self.place.component}.{self.variable}{instance}"


def address_of(item: Payload) -> Address:
    """Of an item that fits the schema. Names are case-insensitive for the CSMS (CiString)."""
    component, variable = cast(Payload, item["component"]), cast(Payload, item["variable"])
    evse = cast(Payload, component.get("evse") or {})
    place = Place(
        cast(str, component["name"]), cast(int | None, evse.get("id")), cast(int | None, evse.get("connectorId"))
    )
    return Address(
        place,
        cast(str | None, component.get("instance")),
        cast(str, variable["name"]),
        cast(str | None, variable.get("instance")),
        cast(str, item.get("attributeType", "Actual")),
    )


_TABLE: Mapping[str, Variable] = {variable.name.casefold(): variable for variable in TABLE if variable.component}
_COMPONENTS = frozenset(name.casefold() for name in COMPONENTS)


def variable_at(address: Address) -> Variable | None:
    """The setting there, None if it is none."""
    if address.component_instance is not None or address.place.evse is not None:
        return None
    return _TABLE.get(address.name.casefold())


def unknown_status(address: Address, evses: int) -> str:
    """Which part of an address does not exist; `evses` is how many EVSEs do."""
    name, evse = address.place.component.casefold(), address.place.evse
    if address.component_instance is not None:
        return "UnknownComponent"
    if evse is None:
        there = name in _COMPONENTS or name == "chargingstation"
    else:
        there = name in {"evse", "connector"} and 0 < evse <= evses
    return "UnknownVariable" if there else "UnknownComponent"


def read(address: Address, present: Present) -> tuple[str, str | None]:
    """The attributeStatus and value (B06)."""
    variable = variable_at(address)
    if variable is not None:
        return _read_setting(variable, address, present.values)
    for fact in facts(present):
        if _same(fact, address):
            return (
                ("Accepted", fact.value) if address.attribute == "Actual" else ("NotSupportedAttributeType", None)
            )
    return unknown_status(address, len(present.evses)), None


def _read_setting(variable: Variable, address: Address, values: Mapping[str, str]) -> tuple[str, str | None]:
    if address.attribute != "Actual":
        return "NotSupportedAttributeType", None
    if variable.access is Access.WRITE_ONLY:
        return "Rejected", None
    return "Accepted", values.get(variable.name, variable.default)[:MAX_VALUE]


def _same(fact: Fact, address: Address) -> bool:
    if address.component_instance is not None or address.instance is not None:
        return False
    place, wanted = fact.place, address.place
    names = (place.component.casefold(), fact.variable.casefold())
    return names == (wanted.component.casefold(), address.variable.casefold()) and (
        place.evse,
        place.connector,
    ) == (
        wanted.evse,
        wanted.connector,
    )


def report(present: Present, *, full: bool) -> list[Payload]:
    """The reportData of a base report (B07): the settings, and with `full` the hardware too."""
    items = [
        _setting_item(variable, present.values)
        for variable in TABLE
        if variable.component and _told(variable, full)
    ]
    return items + ([_fact_item(fact) for fact in facts(present)] if full else [])


def _told(variable: Variable, full: bool) -> bool:
    """A configuration inventory has what an operator can set."""
    return full or variable.access is not Access.READ_ONLY


def _setting_item(variable: Variable, values: Mapping[str, str]) -> Payload:
    attribute: dict[str, object] = {"type": "Actual", "mutability": variable.access.value, "persistent": True}
    if variable.access is not Access.WRITE_ONLY:
        attribute["value"] = values.get(variable.name, variable.default)[:MAX_VALUE]
    return {
        "component": {"name": variable.component},
        "variable": {"name": variable.variable} | ({"instance": variable.instance} if variable.instance else {}),
        "variableAttribute": [attribute],
        "variableCharacteristics": _characteristics(variable),
    }


def _characteristics(variable: Variable) -> Payload:
    told: dict[str, object] = {"dataType": variable.type.value, "supportsMonitoring": False}
    if variable.unit is not None:
        told["unit"] = variable.unit
    if variable.members:
        told["valuesList"] = ",".join(variable.members)
    bounded = variable.access is Access.READ_WRITE or variable.name == PROFILE_COUNT
    if variable.type in {DataType.INTEGER, DataType.DECIMAL} and bounded:
        told["minLimit"], told["maxLimit"] = variable.limits
    return told


def _fact_item(fact: Fact) -> Payload:
    component: dict[str, object] = {"name": fact.place.component}
    if fact.place.evse is not None:
        connector = {} if fact.place.connector is None else {"connectorId": fact.place.connector}
        component["evse"] = {"id": fact.place.evse} | connector
    return {
        "component": component,
        "variable": {"name": fact.variable},
        "variableAttribute": [{"type": "Actual", "value": fact.value, "mutability": Access.READ_ONLY.value}],
        "variableCharacteristics": {"dataType": fact.type.value, "supportsMonitoring": False},
    }
