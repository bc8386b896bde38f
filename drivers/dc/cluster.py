"""DC outlets that can share power modules, as one component that is started and stopped as a whole (R36)."""

import asyncio
from collections.abc import Mapping

from drivers.api import Sink
from drivers.can.group_setup import GroupSetup
from drivers.can.host import CanWire
from drivers.dc.board import Board
from drivers.dc.mover import Mover, MoverParts, Patience
from drivers.dc.outlet import DcOutlet
from drivers.dc.plan import ClusterPlan, StackPlan, problems
from drivers.dc.secc import Secc
from drivers.dc.stack import Contactor, Stack, StackView
from drivers.dc.supply import ModuleSupply
from drivers.modbus.bus import ModbusBus


class DcCluster:
    def __init__(
        self,
        plan: ClusterPlan,
        *,
        modbus: Mapping[str, ModbusBus],
        can: Mapping[str, CanWire],
        sink: Sink,
        patience: Patience | None = None,
    ) -> None:
        """Raises ValueError where `problems` finds something, or a bus is missing."""
        if found := problems(plan.outlets, plan.stacks, {name: wire.bitrate for name, wire in can.items()}):
            raise ValueError("; ".join(found))
        if missing := sorted(plan.buses - {*modbus, *can}):
            raise ValueError(f"{plan.id}: there is no bus {', '.join(missing)}")
        self._plan, self._modbus, self._sink = plan, modbus, sink
        self._boards: dict[tuple[str, int], Board] = {}
        self._make_boards()
        self._stacks = [self._stack(stack, can[stack.setup.bus]) for stack in plan.stacks]
        self._seccs = {
            one.id: Secc(modbus[one.setup.bus].place, one.setup, one.profile, sink=sink) for one in plan.outlets
        }
        self.outlets: Mapping[str, DcOutlet] = {
            one.id: DcOutlet(one.setup, self._seccs[one.id], ModuleSupply(one.id, self._stacks), sink=sink)
            for one in plan.outlets
        }
        parts = MoverParts(self._stacks, tuple(self.outlets.values()), sink, patience or Patience())
        self._mover = Mover(parts)

    @property
    def id(self) -> str:
        return self._plan.id

    def stacks(self) -> tuple[StackView, ...]:
        return tuple(stack.view() for stack in self._stacks)

    def forget(self, stack: str, address: int) -> None:
        """A module was taken out or has no mains: somebody looked. It counts no more until it answers.

        Raises:
            KeyError: there is no such stack.
        """
        {one.id: one for one in self._stacks}[stack].group.forget(address)

    async def run(self) -> None:
        """Until cancelled; then every module is ordered off. May be called again afterwards."""
        try:
            self._join()
            async with asyncio.TaskGroup() as tasks:
                for stack in self._stacks:
                    tasks.create_task(stack.group.run())
                for outlet in self.outlets.values():
                    tasks.create_task(outlet.run())
                if self._boards:
                    tasks.create_task(self._mover.run())
        finally:
            self._part()

    def _join(self) -> None:
        for outlet in self._plan.outlets:
            self._modbus[outlet.setup.bus].join(self._seccs[outlet.id])
            self._joined.append((outlet.setup.bus, outlet.id))
        for (bus, _), board in self._boards.items():
            self._modbus[bus].join(board)
            self._joined.append((bus, board.id))
        for stack in self._stacks:
            stack.wire.join(stack.id)

    def _part(self) -> None:
        while self._joined:
            bus, device = self._joined.pop()
            self._modbus[bus].remove(device)
        for stack in self._stacks:
            stack.wire.leave(stack.id)

    def _make_boards(self) -> None:
        self._joined: list[tuple[str, str]] = []
        pairs: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for stack in self._plan.stacks:
            for switch in stack.setup.switches:
                pairs.setdefault((switch.bus, switch.unit), []).append((switch.coil, switch.feedback))
        for (bus, unit), own in pairs.items():
            place, name = self._modbus[bus].place, f"{self.id}/switches {unit}"
            self._boards[bus, unit] = Board(name, place, unit, pairs=own, changed=self._changed)

    def _changed(self) -> None:
        self._mover.changed()

    def _stack(self, plan: StackPlan, wire: CanWire) -> Stack:
        setup = plan.setup
        contactors = {
            switch.evse: Contactor(self._boards[switch.bus, switch.unit], switch.coil, switch.feedback)
            for switch in setup.switches
        }
        group = wire.group(GroupSetup(setup.id, setup.addresses, whole_bus=False), plan.model)
        return Stack(setup, plan.model, wire=wire, group=group, contactors=contactors)
