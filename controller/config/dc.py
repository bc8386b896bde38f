"""DC outlets of site.toml (R9): an SECC, the stacks that can feed it, and what both may take from the supply."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from controller.allocation.circuits import Rotation, SupplyPoint
from controller.allocation.proof import FallBackFacts
from controller.config.catalogue import Catalogue
from controller.config.circuits import milli
from controller.config.document import EvseTable
from controller.runtime.slices import PlantSlice
from drivers.profile import DeviceProfile
from drivers.setups import DcSetup

if TYPE_CHECKING:
    from drivers.dc.plan import StackPlan

EFFICIENCY = Decimal("0.92")
"""Of a rectifier at half load; rather too low, so that the circuit counts with more than it carries."""
LEAST_A = Decimal(1)
"""The 6 A of IEC 61851-1 are the least that a pilot can say to an AC charger in the car; here there is none."""
STEP_MA = 100
WATCHDOG_S = 10.0
SWITCHED_WITHIN_S = 1.0
"""From what a module does to the reading that shows it."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What an outlet can deliver at most, and from which stacks."""

    power_w: int
    permille: int
    stacks: "Sequence[StackPlan]"

    def input_ma(self, phases: int, phase_mv: int) -> int:
        """Current per phase at which all of it comes out, as a setpoint that is not below it."""
        exact_ma = -(-self.power_w * 1_000_000_000 // (self.permille * phases * phase_mv))
        return -(-exact_ma // STEP_MA) * STEP_MA

    @property
    def latency_s(self) -> float:
        slowest_s = max((one.model.profile.timing.settle_s for one in self.stacks), default=0.0)
        return slowest_s + SWITCHED_WITHIN_S


def feeding(evse: str, stacks: "Iterable[StackPlan]") -> "list[StackPlan]":
    """The stacks that are connected to an outlet, or can be."""
    return [one for one in stacks if evse in ({switch.evse for switch in one.setup.switches} or {one.setup.evse})]


def stack_w(stack: "StackPlan") -> int:
    return stack.model.profile.limits.power_w * len(stack.setup.addresses)


def read_outlet(
    table: EvseTable, profile: DeviceProfile, *, catalogue: Catalogue, stacks: "Sequence[StackPlan]"
) -> DcSetup:
    where = f"evses[{table.id}]"
    supply = _supply(table, feeding(table.id, stacks))
    phase_mv = catalogue.document.site.voltage_v * 1000
    setup = DcSetup(
        id=table.id,
        bus=table.bus,
        unit=catalogue.unit(where, table, profile),
        max_power_w=supply.power_w,
        efficiency=Fraction(supply.permille, 1000),
        phases=table.phases,
        phase_mv=phase_mv,
        min_ma=milli(LEAST_A if table.min_current_a is None else table.min_current_a),
        max_ma=min(milli(table.max_current_a), supply.input_ma(table.phases, phase_mv)),
        watchdog_timeout_s=table.watchdog_timeout_s
        or (profile.watchdog.timeout_s if profile.watchdog else None)
        or WATCHDOG_S,
        outlet=table.outlet,
    )
    if table.outlet > profile.modbus.outlets:
        catalogue.complain(f"{where}.outlet", f"{table.profile!r} has {profile.modbus.outlets}")
    for what in (*_faults(table), *_wrong_currents(setup), *_wrong_watchdog(setup, profile), *_apart(supply)):
        catalogue.complain(f"{where}.{what.partition(': ')[0]}", what.partition(": ")[2])
    return setup


def dc_point(table: EvseTable, setup: DcSetup, rotation: Rotation, *, stacks: "Sequence[StackPlan]") -> SupplyPoint:
    """As the allocator knows it: the current of its input (R9)."""
    supply = _supply(table, feeding(table.id, stacks))
    return SupplyPoint(
        id=table.id,
        circuit=table.circuit,
        rotation=rotation,
        phases=table.phases,
        min_ma=setup.min_ma,
        max_ma=setup.max_ma,
        step_ma=STEP_MA,
        latency_s=supply.latency_s,
        most_raise_ma=0 if table.largest_raise_a is None else milli(table.largest_raise_a),
        dc_permille=supply.permille,
    )


def _supply(table: EvseTable, stacks: "Sequence[StackPlan]") -> Supply:
    """What its cable carries, and all stacks together that can be connected."""
    permille = milli(EFFICIENCY if table.efficiency is None else table.efficiency)
    most_w = 0 if table.max_power_kw is None else milli(table.max_power_kw)
    return Supply(min(most_w, sum(map(stack_w, stacks))) if stacks else most_w, permille, stacks)


def _faults(table: EvseTable) -> Iterator[str]:
    if table.failsafe_current_a:
        yield "failsafe_current_a: must be 0: without its SECC or the controller a DC outlet is off (R9)"
    if table.max_power_kw is None:
        yield "max_power_kw: is missing; the most that the outlet and its cable may deliver, DC"


def _wrong_currents(setup: DcSetup) -> Iterator[str]:
    if setup.min_ma <= 0:
        yield "min_current_a: must be above 0"
    elif 0 < setup.max_ma < setup.min_ma:
        yield f"min_current_a: is above {setup.max_ma / 1000:g} A, all that the outlet can take"


def _wrong_watchdog(setup: DcSetup, profile: DeviceProfile) -> Iterator[str]:
    if profile.watchdog is None:
        return
    low, high = profile.watchdog.timeout_min_s or 0.0, profile.watchdog.timeout_max_s or 3600.0
    if not low <= setup.watchdog_timeout_s <= high:
        yield f"watchdog_timeout_s: {profile.identity.id} takes {low:g} to {high:g} s"


def _apart(supply: Supply) -> Iterator[str]:
    """Stacks side by side on one output have one voltage."""
    limits = [one.model.profile.limits for one in supply.stacks]
    low = max((one.voltage_min_mv for one in limits), default=0)
    high = min((one.voltage_max_mv for one in limits), default=1)
    if low >= high:
        names = " and ".join(one.setup.id for one in supply.stacks)
        yield (
            f"profile: {names} have no common voltage: one needs at least {low / 1000:g} V, another gives at most "
            f"{high / 1000:g} V; connect only stacks of like modules to one outlet"
        )


def only_dc(table: EvseTable) -> Iterator[str]:
    """What an AC charger's entry must not have."""
    for key in ("max_power_kw", "efficiency"):
        if getattr(table, key) is not None:
            yield f"{key}: belongs to DC outlets, whose profile describes an secc; remove it"


def dc_facts(setup: DcSetup, stacks: "Sequence[StackPlan]") -> FallBackFacts:
    """Without its SECC, a CAN bus or us each module switches off by itself, if its model is known to.

    What the driver needs to notice the loss comes on top. After a black-out nothing flows: the contactors of the
    outlet are open, and the EV has to ask anew.
    """
    able = feeding(setup.id, stacks)
    times_s = [one.model.profile.timing.switches_off_s for one in able]
    known_s = [time_s for time_s in times_s if time_s is not None]
    return FallBackFacts(
        evse=setup.id,
        bus=setup.bus,
        watchdog_timeout_s=max(known_s) if able and len(known_s) == len(times_s) else None,
        failsafe_ma=0,
        holds_last=False,
        power_up_ma=0,
        also=tuple(sorted({one.setup.bus for one in able})),
    )


def dc_notes(plant: PlantSlice) -> Iterator[str]:
    """R9, and what no software can see."""
    outlets = [evse for evse in plant.evses if isinstance(evse.setup, DcSetup)]
    if outlets:
        names = ", ".join(evse.id for evse in outlets)
        yield (
            f"{names}: required of the installer (R9): each SECC must be able to cut its power modules by hardware "
            "(interlock of their enable input or AC contactor) on insulation fault, emergency stop or its own "
            "failure; Ampyard caps power and assigns modules, and protects nobody"
        )
        yield (
            f"{names}: efficiency must be the lowest of the whole range, fans included, and what idle modules draw "
            "belongs to max_other_load_a of their circuit; else its input is more than what counts"
        )
    for evse in outlets:
        if evse.meter is not None:
            yield f"evses[{evse.id}].meter: {evse.meter} must measure the DC side at the outlet: it is billed (R9)"
    for cluster in plant.clusters:
        for stack in cluster.stacks:
            if stack.model.profile.timing.switches_off_s is None:
                yield (
                    f"power_modules[{stack.setup.id}]: nobody knows when {stack.model.profile.id} switches off by "
                    "itself, so the maximum of its outlets is reserved for ever when it is lost"
                )
