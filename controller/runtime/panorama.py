"""Keeps the site's view: built when somebody looks, at most once per change."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.allocation.image import Plan
from controller.charging.found import ScanView
from controller.charging.view import ChoiceView, CsmsView, DeviceView, SiteView
from controller.clock import Clock
from controller.runtime.cycle import Cycle
from controller.runtime.demand import Demands
from controller.runtime.limit_desk import LimitDesk
from controller.runtime.look import EvseSource, bindings, circuit_views, evse_view
from controller.runtime.plant import Plant
from controller.runtime.supervise import Supervised
from drivers.api import Health


@dataclass(frozen=True, slots=True)
class Nameplate:
    """Which box this is."""

    site: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Sights:
    """Where the parts of the view come from. `alarms` are those that no part below tells by itself."""

    plant: Plant
    cycle: Cycle
    demands: Demands
    limits: LimitDesk
    clock: Clock
    csms: Callable[[], tuple[CsmsView, ...]]
    supervised: Callable[[], tuple[Supervised, ...]]
    choices: Callable[[], tuple[ChoiceView, ...]]
    alarms: Callable[[], tuple[str, ...]]
    tap_message: Callable[[str], str | None]
    scan: Callable[[], ScanView] = ScanView


class Panorama:
    def __init__(self, plate: Nameplate, sights: Sights) -> None:
        self.plate = plate
        self._sights = sights
        self._view: SiteView | None = None
        self._started_s = sights.clock.mono()

    def changed(self) -> None:
        """What was seen is old."""
        self._view = None

    def look(self) -> SiteView:
        if self._view is None:
            self._view = self._build()
        return self._view

    def _build(self) -> SiteView:
        sights = self._sights
        now = sights.clock.now()
        plan = sights.cycle.plan
        planned = {evse.id: evse for evse in plan.evses}
        return SiteView(
            site=self.plate.site,
            name=self.plate.name,
            version=self.plate.version,
            time_utc=now.wall.isoformat(timespec="seconds"),
            time_trusted=now.trusted,
            uptime_s=int(now.mono_s - self._started_s),
            evses=tuple(evse_view(source, planned.get(source.id), now) for source in self._sources()),
            circuits=circuit_views(sights.plant.controlled.layout.circuits, plan),
            csms=sights.csms(),
            devices=tuple(self._devices()),
            choices=sights.choices(),
            alarms=tuple(self._alarms(plan)),
            cycle_s=sights.cycle.duration_s,
            limits=sights.limits.views(bindings(plan)),
            inputs=sights.limits.inputs.views(),
            scan=sights.scan(),
        )

    def _sources(self) -> Iterator[EvseSource]:
        plant = self._sights.plant
        for point in plant.controlled.layout.evses:
            unit = plant.evses[point.id]
            message = self._sights.tap_message(point.id)
            mode = self._sights.demands.of(unit.controlled.owner)
            stacks = tuple(name for name, at in plant.wires.stacks.items() if at == point.id)
            yield EvseSource(
                point.id, unit.controlled, unit.register, point.circuit, point.max_ma, message, mode, stacks
            )

    def _devices(self) -> Iterator[DeviceView]:
        plant = self._sights.plant
        kinds = {
            **dict.fromkeys(plant.buses(), "bus"),
            **dict.fromkeys(plant.meters, "meter"),
            **dict.fromkeys(plant.readers, "reader"),
            **{name: "input" if name in self._sights.limits.inputs else "register" for name in plant.sensors},
        }
        for name, kind in kinds.items():
            health, text = plant.health.get(name, (Health.UNKNOWN, ""))
            yield DeviceView(name, kind, health.value, text)
        yield from self._stacks()

    def _stacks(self) -> Iterator[DeviceView]:
        """Each stack of power modules with who has it, then its modules."""
        plant = self._sights.plant
        silent = plant.wires.silent
        for name, at in plant.wires.stacks.items():
            health, text = plant.health.get(name, (Health.UNKNOWN, ""))
            yield DeviceView(
                name, "stack", health.value, "; ".join(filter(None, (f"at {at}" if at else "idle", text)))
            )
            for module, (state, told) in plant.health.items():
                if module.startswith(f"{name}/"):
                    yield DeviceView(module, "module", state.value, told, silent=module in silent)

    def _alarms(self, plan: Plan) -> Iterator[str]:
        yield from plan.alarms
        yield from (one.alarm for one in self._sights.supervised() if one.alarm)
        for name, (health, text) in self._sights.plant.health.items():
            if health is Health.LOST:
                what = "cannot be used" if name in self._sights.plant.wires.stacks else "does not answer"
                yield f"{name} {what}: {text}"
        yield from (unit.watcher.alarm for unit in self._sights.plant.evses.values() if unit.watcher.alarm)
        yield from self._sights.demands.alarms()
        yield from self._sights.limits.alarms()
        yield from self._sights.alarms()
