"""The stacks of one outlet as one source: what they can give, what they get, what they may be delivering."""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.can.group_setup import GroupReading, Target
from drivers.can.module import ModuleState
from drivers.can.sharing import Member, shares
from drivers.dc.held import Held
from drivers.dc.rule import Output
from drivers.dc.stack import Stack

_ABLE = {ModuleState.OFF, ModuleState.ON, ModuleState.UNPROVEN}


@dataclass(frozen=True, slots=True)
class Reach:
    """By the profiles: voltages of the stacks that an outlet owns, current of all that are connected to it.

    One that leaves counts in both what can flow and what does, so that the others need not make room for it.
    """

    lowest_mv: int = 0
    highest_mv: int = 0
    most_ma: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What modules measure that can be ordered; `held`: what the others may deliver; `bound_ma` counts all of them.

    `told_mv`, `told_ma`: for the SECC. What a module measured last is the best that is known of a silent one.
    """

    voltage_mv: int | None
    measured_w: int
    held: Held
    bound_ma: int
    told_mv: int
    told_ma: int

    @property
    def most_w(self) -> int:
        return self.measured_w + self.held.power_w


class ModuleSupply:
    """Stacks come and go by the mover's hand: `owned` may be aimed, `connected` count."""

    def __init__(self, outlet: str, stacks: Sequence[Stack]) -> None:
        self._outlet, self._stacks = outlet, stacks

    @property
    def owned(self) -> tuple[Stack, ...]:
        return tuple(stack for stack in self._stacks if stack.owner == self._outlet)

    @property
    def connected(self) -> tuple[Stack, ...]:
        return tuple(stack for stack in self._stacks if self._outlet == stack.owner or self._outlet in stack.places)

    @property
    def possible(self) -> tuple[Stack, ...]:
        """Those that can ever deliver here."""
        return tuple(stack for stack in self._stacks if self._outlet in (stack.setup.evse, *stack.contactors))

    def reach(self) -> Reach:
        limits = [stack.model.profile.limits for stack in self.owned]
        if not limits:
            return Reach()
        return Reach(
            lowest_mv=min(one.voltage_min_mv for one in limits),
            highest_mv=max(one.voltage_max_mv for one in limits),
            most_ma=sum(stack.model.profile.limits.current_ma * stack.modules for stack in self.connected),
        )

    def stop(self) -> None:
        for stack in self.owned:
            stack.aim(None)

    def deliver(self, output: Output) -> int:
        """Order that much from the stacks together, and return what they can be asked for in all."""
        owned = self.owned
        able = [stack.group.most_ma(output.voltage_mv) for stack in owned]
        members = [
            Member(
                place,
                stack.reading().bound_ma,
                able[place] and able[place] + stack.group.held_ma(output.voltage_mv),
            )
            for place, stack in enumerate(owned)
        ]
        others_ma = sum(stack.reading().bound_ma for stack in self.connected if stack not in owned)
        orders = shares(max(0, output.current_ma - others_ma), members)
        running = sum(stack.modules for place, stack in enumerate(owned) if orders.get(place))
        for place, stack in enumerate(owned):
            current_ma = orders.get(place, 0)
            others = running - stack.modules if current_ma else 0
            target = Target(output.voltage_mv, current_ma, output.valid_until_s, others)
            stack.aim(target if current_ma else None)
        return sum(able)

    def delivered(self) -> Delivered:
        connected = [(stack, stack.reading()) for stack in self.connected]
        volts = [reading.voltage_mv for _, reading in connected if reading.voltage_mv]
        live = [view for _, reading in connected for view in reading.modules if view.bound_ma]
        return Delivered(
            voltage_mv=max(volts, default=None),
            measured_w=sum(_measured_w(stack, reading) for stack, reading in connected),
            held=_together([_held(stack, reading) for stack, reading in connected]),
            bound_ma=sum(reading.bound_ma for _, reading in connected),
            told_mv=max((view.last_mv or 0 for view in live), default=0),
            told_ma=sum(view.last_ma or 0 for view in live),
        )

    def troubles(self) -> tuple[str, ...]:
        """What keeps modules of the outlet from delivering, each by its name."""
        return tuple(
            f"{stack.id}/{view.address}: {view.state.value}"
            for stack in self.connected
            for view in stack.reading().modules
            if view.state not in _ABLE
        )


def _measured_w(stack: Stack, reading: GroupReading) -> int:
    unheld = stack.unheld(reading)
    reached = [view for view in reading.modules if view not in unheld]
    return sum((view.last_mv or 0) * (view.current_ma or 0) for view in reached) // 1_000_000


def _held(stack: Stack, reading: GroupReading) -> Held:
    limits, bounds_ma = stack.model.profile.limits, [view.bound_ma for view in stack.unheld(reading)]
    power_w = sum(min(limits.power_w, each_ma * limits.voltage_max_mv // 1_000_000) for each_ma in bounds_ma)
    return Held(sum(bounds_ma), power_w, ends=not bounds_ma or stack.switches_off_s is not None)


def _together(parts: Sequence[Held]) -> Held:
    return Held(
        sum(part.current_ma for part in parts),
        sum(part.power_w for part in parts),
        ends=all(part.ends for part in parts),
    )
