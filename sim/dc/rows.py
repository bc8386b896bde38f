"""[[power_modules]] of a scenario, and what is wrong there although each row is right."""

from collections.abc import Iterator

from sim.can.module_profile import ModuleProfile, load_module_profile
from sim.device_profile import UnknownProfileError
from sim.fields import Fields
from sim.scenario import Scenario, StackSpec, SwitchSpec

Place = tuple[str, int, str, int]


def read_stack(row: Fields) -> StackSpec:
    stack = StackSpec(
        id=row.text("id"),
        profile=_profile(row),
        bus=row.text("bus"),
        addresses=row.integers("addresses"),
        evse=row.text("evse"),
        latency_s=row.number("latency_s", 0.02, high=5),
        ramp_a_s=row.number("ramp_a_s", 400.0, low=1, high=1e5),
        switches=tuple(_switch(switch) for switch in row.tables("switches")),
    )
    for address in stack.addresses:
        if not stack.profile.first <= address <= stack.profile.last:
            row.complain("addresses", f"{address} is not within {stack.profile.first}..{stack.profile.last}")
    row.finish()
    return stack


def _profile(row: Fields) -> ModuleProfile:
    try:
        return load_module_profile(row.text("profile"))
    except UnknownProfileError as fault:
        row.complain("profile", str(fault))
        return ModuleProfile.nothing()


def _switch(row: Fields) -> SwitchSpec:
    switch = SwitchSpec(
        row.text("evse"), row.text("bus"), row.integer("unit", 1, low=1, high=247),
        row.integer("coil", high=255), row.integer("feedback", high=255),
    )  # fmt: skip
    row.finish()
    return switch


def dc_contradictions(scenario: Scenario) -> Iterator[str]:
    """Every problem of DC outlets and power modules, with the key path that it is about."""
    kinds = {bus.id: bus.kind for bus in scenario.buses}
    yield from _outlets(scenario)
    yield from _ids(scenario)
    for stack in scenario.stacks:
        path = f"power_modules.{stack.id}"
        if kinds.get(stack.bus) != "can":
            yield f"{path}.bus: {stack.bus} is no CAN bus"
        yield from _ways(scenario, stack, path)
        for switch in stack.switches:
            if kinds.get(switch.bus) not in ("modbus-tcp", "modbus-rtu"):
                yield f"{path}.switches.{switch.evse}.bus: {switch.bus} is no Modbus bus"
    yield from _panels(scenario)


def _outlets(scenario: Scenario) -> Iterator[str]:
    fed = {stack.evse for stack in scenario.stacks}
    outlets = {evse.id for evse in scenario.evses if evse.dc is not None}
    for name in sorted(outlets - fed):
        yield f"evses.{name}: no power module belongs to this DC outlet"
    for meter in scenario.meters:
        if meter.evse in outlets:
            yield f"meters.{meter.id}.evse: {meter.evse} is a DC outlet, this meter measures AC"


def _ids(scenario: Scenario) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    places: dict[tuple[str, str, int], str] = {}
    for stack in scenario.stacks:
        if ("id", stack.id) in seen:
            yield f"power_modules: {stack.id} is there more than once"
        seen.add(("id", stack.id))
        for address in stack.addresses:
            other = places.setdefault((stack.bus, stack.profile.family, address), stack.id)
            if other != stack.id or stack.addresses.count(address) > 1:
                yield f"power_modules.{stack.id}.addresses: {address} on {stack.bus} is {other}'s"


def _ways(scenario: Scenario, stack: StackSpec, path: str) -> Iterator[str]:
    outlets = {evse.id: evse for evse in scenario.evses if evse.dc is not None}
    names = [switch.evse for switch in stack.switches]
    for name in (stack.evse, *names):
        if name not in outlets:
            yield f"{path}.evse: there is no DC outlet {name}"
        elif stack.evse in outlets and outlets[name].circuit != outlets[stack.evse].circuit:
            yield f"{path}.switches.{name}: is on another circuit than {stack.evse}, where its mains are"
    if names and stack.evse not in names:
        yield f"{path}.switches: the one to {stack.evse} is missing"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{path}.switches: {name} is there more than once"


def _panels(scenario: Scenario) -> Iterator[str]:
    devices = {(device.bus, device.unit): device.id for device in scenario.devices}
    devices |= {(panel.bus, panel.unit): panel.id for panel in scenario.panels}
    taken: set[Place] = set()
    for stack in scenario.stacks:
        for switch in stack.switches:
            path = f"power_modules.{stack.id}.switches.{switch.evse}"
            if (switch.bus, switch.unit) in devices:
                yield f"{path}: bus {switch.bus}, unit {switch.unit} is {devices[switch.bus, switch.unit]}"
            for table, address in (("coil", switch.coil), ("feedback", switch.feedback)):
                place = (switch.bus, switch.unit, table, address)
                if place in taken:
                    yield f"{path}.{table}: {address} of unit {switch.unit} is another contactor's"
                taken.add(place)
