"""A site with DC outlets: SECCs and contactors behind a Modbus TCP server, simulated power modules on a CAN bus."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction

from drivers.api import DeviceEvent, EvseRead, HealthChanged, Setpoint
from drivers.can.frame import Socketcand
from drivers.can.host import CanWire
from drivers.can.module_profile import ModuleModel
from drivers.dc.cluster import DcCluster
from drivers.dc.mover import Patience
from drivers.dc.plan import ClusterPlan, OutletPlan, StackPlan
from drivers.modbus.bus import ModbusBus
from drivers.profile import builtin_folder, load
from drivers.setups import DcSetup, Endpoint, StackSetup, SwitchSetup
from sim.can.modules import SimModule
from sim.can.ports import SocketcandServer
from sim.can.source import Stage
from sim.can.wire import CanWire as SimWire
from tests.drivers.can.rig import FAMILIES, quick, shipped, until

SECC = load(builtin_folder() / "seccs" / "ampyard-secc.toml")
INFY, UU, SCU, HUAWEI = FAMILIES
BOARD = 99
PLUGGED_C, CABLE_CHECK, PRE_CHARGE, CHARGING = 2, 1, 2, 3


@dataclass
class Load:
    """The battery at one outlet, as a module sees it."""

    volts: float = 350.0
    ohms: float = 0.05
    most_a: float = 500.0

    def takes_a(self, set_v: float) -> float:
        return min(max(0.0, (set_v - self.volts) / self.ohms), self.most_a)

    def shown_v(self, amperes: float) -> float:
        return self.volts + amperes * self.ohms


@dataclass
class Way:
    """What hangs at a stack's output: the battery of the one outlet whose contactor is closed."""

    loads: dict[str, Load]
    closed: dict[str, bool]
    worst: int = 0
    """Most contactors of this stack that were closed at once."""
    broken_under_load: bool = False

    @property
    def load(self) -> Load | None:
        found = [self.loads[name] for name, closed in self.closed.items() if closed]
        return found[0] if found else None

    def takes_a(self, set_v: float) -> float:
        return 0.0 if self.load is None else self.load.takes_a(set_v)

    def shown_v(self, amperes: float) -> float:
        return 0.0 if self.load is None else self.load.shown_v(amperes)


@dataclass
class Secc:
    """Registers of one SECC, whose own logic counts as long as it is not frozen."""

    words: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(64), 0))
    frozen: bool = False
    mute: bool = False
    deaf: bool = False
    """Refuses every write."""
    writes: list[tuple[int, int]] = field(default_factory=list)

    def set(self, **values: int) -> None:
        for name, value in values.items():
            self.words[SECC.registers[name].address] = value

    def get(self, name: str) -> int:
        return self.words[SECC.registers[name].address]

    def charge(self, volts: int = 400, amperes: int = 100) -> None:
        self.set(
            status=PLUGGED_C,
            stage=CHARGING,
            request=1,
            insulation=2,
            contactors=1,
            target_voltage=volts * 10,
            target_current=amperes * 10,
        )


class Server:
    """Modbus TCP, just enough: functions 1 to 6 and 16, silence and refusal on demand."""

    def __init__(self) -> None:
        self.units: dict[int, Secc] = {}
        self.coils: dict[int, bool] = {}
        self.inputs: dict[int, bool] = {}
        self.board_mute = False
        self.written: list[tuple[int, bool]] = []
        """Coils, in the order in which they were written."""
        self.switched: Callable[[int, bool], None] = lambda coil, on: None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readexactly(7)
                number, _, length, unit = struct.unpack(">HHHB", head)
                answer = self._answer(unit, await reader.readexactly(length - 1))
                if answer is not None:
                    writer.write(struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer)
        self._writers.discard(writer)
        writer.close()

    def _answer(self, unit: int, pdu: bytes) -> bytes | None:
        function, address, count = struct.unpack(">BHH", pdu[:5])
        if unit == BOARD:
            return None if self.board_mute else self._board(function, address, count)
        secc = self.units[unit]
        if secc.mute:
            return None
        if function == 3:
            words = [secc.words.get(address + place, 0) for place in range(count)]
            return struct.pack(f">BB{count}H", 3, 2 * count, *words)
        if secc.deaf:
            return struct.pack(">BB", 0x80 | function, 4)
        words = list(struct.unpack(f">{count}H", pdu[6:]))
        for place, word in enumerate(words):
            secc.words[address + place] = word
            secc.writes.append((address + place, word))
        return struct.pack(">BHH", 16, address, count)

    def _board(self, function: int, address: int, count: int) -> bytes:
        if function == 5:
            self.coils[address] = count != 0
            self.written.append((address, count != 0))
            self.switched(address, count != 0)
            return struct.pack(">BHH", 5, address, count)
        table = self.coils if function == 1 else self.inputs
        bits = sum(table.get(address + place, False) << place for place in range(count))
        size = (count + 7) // 8
        return struct.pack(">BB", function, size) + bits.to_bytes(size, "little")


@dataclass
class Site:
    server: Server
    can_server: SocketcandServer
    sim_wire: SimWire
    cluster: DcCluster
    modules: dict[str, list[SimModule]]
    ways: dict[str, Way]
    events: list[DeviceEvent]
    modbus: ModbusBus
    can: CanWire
    task: asyncio.Task[None]
    plan: ClusterPlan
    patience: Patience
    tasks: list[asyncio.Task[None]]
    stuck: set[int] = field(default_factory=set)
    """Coils whose contactor does not follow."""

    async def stop(self) -> None:
        """As the service is stopped: everything at once."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def crash_and_start_again(self) -> None:
        """The new process knows nothing: neither of modules nor of contactors."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.cluster = DcCluster(
            self.plan,
            modbus={"lan": self.modbus},
            can={"can0": self.can},
            sink=self.events.append,
            patience=self.patience,
        )
        self.task = asyncio.create_task(self.cluster.run())

    def secc(self, place: int = 1) -> Secc:
        return self.server.units[place]

    def amperes(self, outlet: str = "DC1") -> float:
        """What really flows into an outlet."""
        return sum(
            module.amperes
            for stack, modules in self.modules.items()
            if self.ways[stack].closed.get(outlet)
            for module in modules
        )

    @property
    def all_amperes(self) -> float:
        return sum(module.amperes for modules in self.modules.values() for module in modules)

    async def allow(
        self, kw: float, outlet: str = "DC1", *, for_s: float = 30.0, enabled: bool = True, ac_ma: int = 100_000
    ) -> None:
        until_s = asyncio.get_running_loop().time() + for_s
        await self.cluster.outlets[outlet].apply(Setpoint(ac_ma, enabled, until_s, power_w=round(kw * 1000)))

    async def delivers(self, amperes: float, outlet: str = "DC1", within_s: float = 20.0) -> None:
        try:
            await until(lambda: abs(self.amperes(outlet) - amperes) < 1.0, within_s=within_s)
        except AssertionError:
            said = self.cluster.outlets[outlet].latest
            raise AssertionError(
                f"{self.amperes(outlet)} A, not {amperes}: {self.cluster.stacks()} {said}"
            ) from None

    def said(self, device: str) -> list[HealthChanged]:
        return [one for one in self.events if isinstance(one, HealthChanged) and one.device == device]

    def error(self, outlet: str = "DC1") -> str | None:
        latest = self.cluster.outlets[outlet].latest
        return None if latest is None else latest.error

    def readings(self, outlet: str = "DC1") -> list[EvseRead]:
        return [one for one in self.events if isinstance(one, EvseRead) and one.evse == outlet]


def outlet_plan(place: int, *, max_power_w: int = 60_000) -> OutletPlan:
    setup = DcSetup(
        id=f"DC{place}",
        bus="lan",
        unit=place,
        max_power_w=max_power_w,
        efficiency=Fraction("0.94"),
        phases=3,
        phase_mv=230_000,
        min_ma=1000,
        max_ma=400_000,
        watchdog_timeout_s=5.0,
    )
    return OutletPlan(setup, SECC)


def model(profile_id: str, **timing: float) -> ModuleModel:
    return replace(shipped(profile_id), profile=quick(profile_id, **timing))


def stack_plan(
    number: int, addresses: Sequence[int], home: int, *, of: ModuleModel, reach: Sequence[int] = ()
) -> StackPlan:
    switches = tuple(
        SwitchSetup(f"DC{place}", "lan", BOARD, coil=10 * number + place, feedback=100 + 10 * number + place)
        for place in reach
    )
    return StackPlan(StackSetup(f"stack-{number}", "can0", tuple(addresses), f"DC{home}", switches), of)


def _modules(profile_id: str, plan: StackPlan, wire: SimWire, way: Way, timeout_s: float | None) -> list[SimModule]:
    kind = FAMILIES[profile_id]
    stages = [Stage(way, rated_a=100.0, timeout_s=timeout_s) for _ in plan.setup.addresses]
    return [kind(wire, at, stage) for at, stage in zip(plan.setup.addresses, stages, strict=True)]


@asynccontextmanager
async def site(
    outlets: Sequence[OutletPlan],
    stacks: Sequence[StackPlan],
    *,
    profile_id: str = UU,
    timeout_s: float | None = None,
    coils: dict[int, bool] | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[Site]:
    wire, server, events = SimWire(), Server(), list[DeviceEvent]()
    loads = {outlet.id: Load() for outlet in outlets}
    server.coils = dict(coils or {})
    server.inputs = {100 + coil: on for coil, on in server.coils.items()}
    ways = {stack.id: Way(loads, _closed(stack, server)) for stack in stacks}
    modules = {stack.id: _modules(profile_id, stack, wire, ways[stack.id], timeout_s) for stack in stacks}
    server.units = {outlet.setup.unit: Secc() for outlet in outlets}
    can_server = SocketcandServer(wire)
    await server.start()
    await can_server.start()
    modbus = ModbusBus("lan", Endpoint("127.0.0.1", server.port), events.append)
    can = CanWire(
        "can0", Socketcand("127.0.0.1", can_server.port, "can0", 125_000), events.append, back_off_s=(0.05,)
    )
    plan = ClusterPlan(tuple(outlets), tuple(stacks))
    patience = patience or Patience(0.2, 0.5)
    cluster = DcCluster(plan, modbus={"lan": modbus}, can={"can0": can}, sink=events.append, patience=patience)
    work = [cluster.run, modbus.run, can.run]
    tasks = [asyncio.create_task(run()) for run in work]
    found = Site(
        server,
        can_server,
        wire,
        cluster,
        modules,
        ways,
        events,
        modbus,
        can,
        tasks[0],
        plan,
        patience,
        tasks,
    )
    server.switched = lambda coil, on: _follow(found, stacks, coil, on)
    ticking = asyncio.create_task(_tick(found))
    try:
        yield found
    finally:
        for task in (*tasks, found.task, ticking):
            task.cancel()
        await asyncio.gather(*tasks, found.task, ticking, return_exceptions=True)
        await server.stop()
        await can_server.stop()


def _closed(stack: StackPlan, server: Server) -> dict[str, bool]:
    if not stack.setup.switches:
        return {stack.setup.evse: True}
    return {switch.evse: server.coils.get(switch.coil, False) for switch in stack.setup.switches}


def _follow(found: Site, stacks: Sequence[StackPlan], coil: int, on: bool) -> None:
    """The contactor moves a little later than its coil, and its auxiliary contact with it."""
    if coil not in found.stuck:
        asyncio.get_running_loop().call_later(0.05, _move, found, stacks, coil, on)


def _move(found: Site, stacks: Sequence[StackPlan], coil: int, on: bool) -> None:
    for stack in stacks:
        for switch in stack.setup.switches:
            if switch.coil == coil:
                way, flows = found.ways[stack.id], any(one.amperes > 1 for one in found.modules[stack.id])
                way.broken_under_load |= flows and way.closed[switch.evse] != on
                way.closed[switch.evse] = on
                way.worst = max(way.worst, sum(way.closed.values()))
                found.server.inputs[switch.feedback] = on


async def _tick(found: Site) -> None:
    """The SECCs' own logic: their counters, and what they measure."""
    while True:
        await asyncio.sleep(0.05)
        for outlet, secc in zip(found.cluster.outlets, found.server.units.values(), strict=True):
            if not secc.frozen:
                secc.set(alive=(secc.get("alive") + 1) % 0x10000)
                amperes = found.amperes(outlet)
                secc.set(voltage_dc=3500 if amperes else 0, current_dc=round(amperes * 10))


async def ready(found: Site, *outlets: str) -> None:
    """All modules are proven off, and the SECCs are heard."""
    await until(lambda: all(view.bound_ma == 0 for view in found.cluster.stacks()), "modules proven off")
    await until(
        lambda: all(found.cluster.outlets[name].latest is not None for name in outlets or found.cluster.outlets),
        "SECC read",
    )
