"""The one who switches the contactors of a matrix, step by step, each proven by its feedback (R9)."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.api import DeviceError, Health, HealthChanged, Sink
from drivers.dc.matrix import Choice, Need, deal
from drivers.dc.moves import Action, Close, Follow, Off, Open, Own, Shown, next_step
from drivers.dc.stack import Contactor, Stack

FOLLOWS_S = 2.0
"""A contactor that has not followed its command by then is faulty."""
RETRY_S = 60.0
"""A stack with a faulty contactor is tried again after so long."""
LOOK_S = 0.1
DECIDE_S = 0.25

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a decision must stand before a stack is moved for it; not at all for an owner that needs its own."""

    lend_s: float = 3.0
    home_s: float = 10.0


class Wants(Protocol):
    """An outlet, as the mover sees it."""

    @property
    def id(self) -> str: ...

    def need(self) -> Need: ...

    @property
    def voltage_mv(self) -> int | None: ...

    def steer(self) -> None:
        """Aim the stacks that are there now."""


@dataclass(slots=True)
class Course:
    """Where a stack is to go, since when another place is thought better, and what it waits for."""

    wanted: str | None = None
    better: str | None = None
    better_s: float = 0.0
    follows: tuple[str, ...] = ()
    follows_s: float = 0.0
    retry_s: float = 0.0
    known_s: float = 0.0
    """When the contactors last showed all that they are to show."""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class MoverParts:
    stacks: Sequence[Stack]
    outlets: Sequence[Wants]
    sink: Sink
    patience: Patience = field(default_factory=Patience)
    follows_s: float = FOLLOWS_S
    retry_s: float = RETRY_S


class Mover:
    """`run` is its one task and all that it starts; nobody else writes a coil."""

    def __init__(self, parts: MoverParts) -> None:
        self._parts = parts
        self._courses = {stack.id: Course() for stack in parts.stacks}
        self._wakes = {stack.id: asyncio.Event() for stack in parts.stacks}
        self._told: dict[str, tuple[bool, str]] = {}

    def changed(self) -> None:
        """Some contactor was read."""
        for wake in self._wakes.values():
            wake.set()

    async def run(self) -> None:
        """Until cancelled. Then every stack that moves belongs to nobody, and its contactors stay as they are."""
        moving = [stack for stack in self._parts.stacks if stack.contactors]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._decide())
                for stack in moving:
                    tasks.create_task(self._keep(stack))
        finally:
            for stack in moving:
                stack.own(None)

    # Who gets which.

    async def _decide(self) -> None:
        while True:
            self._deal(time.monotonic())
            await asyncio.sleep(DECIDE_S)

    def _deal(self, now_s: float) -> None:
        needs = {outlet.id: outlet.need() for outlet in self._parts.outlets}
        dealt = deal(tuple(needs.values()), [self._choice(stack) for stack in self._parts.stacks])
        for stack in self._parts.stacks:
            if stack.contactors:
                self._consider(stack, dealt[stack.id], needs, now_s)

    def _choice(self, stack: Stack) -> Choice:
        course = self._courses[stack.id]
        reach = tuple(stack.contactors) or (stack.setup.evse,)
        volts = {outlet.id: outlet.voltage_mv for outlet in self._parts.outlets}
        usable = course.fault is None
        return Choice(
            stack=stack.id,
            home=stack.setup.evse,
            at=stack.at,
            gives_w={outlet: stack.gives_w(volts.get(outlet)) if usable else 0 for outlet in reach},
            modules=stack.modules,
            model=stack.model.id,
            together=stack.model.profile.address.together,
            movable=bool(stack.contactors) and usable,
        )

    def _consider(self, stack: Stack, better: str, needs: Mapping[str, Need], now_s: float) -> None:
        course, home = self._courses[stack.id], stack.setup.evse
        if course.wanted is None:
            return
        if better != course.better:
            course.better, course.better_s = better, now_s
        patience = self._parts.patience
        needed = needs[home].wants_w > 0 if home in needs else False
        wait_s = 0.0 if better == home and needed else patience.home_s if better == home else patience.lend_s
        if better != course.wanted and now_s - course.better_s >= wait_s:
            course.wanted = better
            self._wakes[stack.id].set()

    # One stack's way.

    async def _keep(self, stack: Stack) -> None:
        wake = self._wakes[stack.id]
        while True:
            wake.clear()
            await self._step(stack)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await wake.wait()

    async def _step(self, stack: Stack) -> None:
        now_s, course = time.monotonic(), self._courses[stack.id]
        shown = {name: _shown(contactor, now_s) for name, contactor in stack.contactors.items()}
        if _locate(stack, shown) and course.wanted is None:
            course.wanted = stack.at or stack.setup.evse  # where it was found: somebody may be charging there
        if course.fault is not None and now_s < course.retry_s:
            return
        wanted = course.wanted or stack.setup.evse
        if not any(None in (one.commanded, one.closed) for one in shown.values()):
            course.known_s = now_s
        action = next_step(wanted, shown, proven_off=stack.owner is None and stack.group.proven_off)
        if not isinstance(action, Own):
            self._leave(stack)
        try:
            await self._act(stack, action, now_s)
        except DeviceError as error:
            self._tell(stack, f"its contactors cannot be switched: {error}", healthy=False)

    async def _act(self, stack: Stack, action: Action, now_s: float) -> None:
        course = self._courses[stack.id]
        if isinstance(action, Follow):
            await self._follow(stack, action.outlets, now_s)
            return
        course.follows = ()
        match action:
            case Own(outlet):
                self._own(stack, outlet)
            case Off(text, known):
                self._wait(stack, text, now_s if known else course.known_s)
            case Open(outlets):
                for outlet in outlets:
                    await _switch(stack.contactors[outlet], on=False)
            case Close(outlet):
                await self._close(stack, outlet)

    def _wait(self, stack: Stack, text: str, known_s: float) -> None:
        """A contactor that was just switched, or not yet read, is unknown for a moment."""
        known = time.monotonic() - known_s < self._parts.follows_s
        stubborn = stack.stubborn()
        self._tell(stack, "; ".join((text, *stubborn)), healthy=stack.healthy and known and not stubborn)

    def _own(self, stack: Stack, outlet: str) -> None:
        self._courses[stack.id].fault = None
        if stack.owner != outlet:
            stack.own(outlet)
            _log.info("power modules %s serve %s", stack.id, outlet)
            self._steer(outlet)
        self._tell(stack, f"serves {outlet}", healthy=True)

    def _leave(self, stack: Stack) -> None:
        outlet = stack.owner
        if outlet is None:
            return
        stack.own(None)
        self._steer(outlet)

    async def _close(self, stack: Stack, outlet: str) -> None:
        """Only here a contactor is closed: the others are open, by command and by feedback of this very moment."""
        self._tell(stack, f"goes to {outlet}", healthy=stack.healthy)
        stack.places |= {outlet}
        await _switch(stack.contactors[outlet], on=True)

    async def _follow(self, stack: Stack, outlets: tuple[str, ...], now_s: float) -> None:
        course = self._courses[stack.id]
        if course.follows != outlets:
            course.follows, course.follows_s = outlets, now_s
        if now_s - course.follows_s < self._parts.follows_s:
            return
        names = ", ".join(outlets)
        commanded = [outlet for outlet in outlets if _shown(stack.contactors[outlet], now_s).commanded]
        for outlet in commanded:
            await _switch(stack.contactors[outlet], on=False)
        fault = (
            f"the contactor to {names} does not close" if commanded else f"the contactor to {names} does not open"
        )
        course.follows, course.fault, course.retry_s = (), fault, now_s + self._parts.retry_s
        self._tell(stack, f"{fault}: check it and its auxiliary contact", healthy=False)

    def _steer(self, outlet: str) -> None:
        for one in self._parts.outlets:
            if one.id == outlet:
                one.steer()

    def _tell(self, stack: Stack, text: str, *, healthy: bool) -> None:
        stack.text, stack.healthy = text, healthy
        if self._told.get(stack.id) == (healthy, text):
            return
        self._told[stack.id] = (healthy, text)
        health = Health.OK if healthy else Health.LOST
        self._parts.sink(HealthChanged(stack.id, health, text, time.monotonic()))


def _shown(contactor: Contactor, now_s: float) -> Shown:
    coil = contactor.board.coil(contactor.coil, now_s)
    feedback = contactor.board.feedback(contactor.feedback, now_s)
    return Shown(None if coil is None else coil.on, None if feedback is None else feedback.on)


def _locate(stack: Stack, shown: Mapping[str, Shown]) -> bool:
    """Tell the stack where it is, and return whether that is known now; else it stays as it was."""
    if any(one.closed is None for one in shown.values()):
        return False
    stack.located(tuple(outlet for outlet, one in shown.items() if one.closed))
    return True


async def _switch(contactor: Contactor, *, on: bool) -> None:
    await contactor.board.switch(contactor.coil, on=on)
