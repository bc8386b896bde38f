"""Tells the CSMS of limits from outside it: set, changed by enough to matter, released (K11-K13, R32).

What the site's own sharing does is no such limit (K04). OCPP 1.6 has no message for it.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from controller.charging.view import LimitView, Look, SiteView
from controller.csms.dialect import Message
from controller.csms.lanes import Lane
from controller.csms.limits import ExternalLimit, LimitSource
from controller.csms.link import CallRefusedError
from controller.csms.requests import Ids
from controller.csms.rpc import Payload
from controller.csms.variables import Variables

log = logging.getLogger(__name__)

SIGNIFICANCE = "SmartChargingCtrlr.LimitChangeSignificance"
WITH_SCHEDULES = "SmartChargingCtrlr.NotifyChargingLimitWithSchedules"
_SOURCES = {"input": LimitSource.GRID, "calendar": LimitSource.OTHER}
"""A digital input is how a grid operator dims; what speaks a protocol is an energy manager."""


@dataclass(frozen=True, slots=True)
class LimitReporting:
    """What the reporter works with. `encode` makes the message, None: the version has none."""

    identity: str
    ids: Ids
    look: Look
    variables: Variables
    encode: Callable[[ExternalLimit, bool], Message] | None
    call: Callable[[Message, Lane], Awaitable[Payload]]
    on_air: Callable[[], bool]


class LimitReporter:
    """Remembers which limits the CSMS has been told of."""

    def __init__(self, tools: LimitReporting) -> None:
        self._tools = tools
        self._told: dict[str, ExternalLimit] = {}

    def forget(self) -> None:
        """The CSMS knows of none."""
        self._told.clear()

    def present(self) -> tuple[ExternalLimit, ...]:
        """Those in force that concern this station."""
        return tuple(_present(self._tools))

    async def tell_changes(self) -> None:
        """What the CSMS refuses counts as told, or it would come again for ever.

        Raises:
            CallFailedError: the rest is still to be told.
        """
        encode = self._tools.encode
        if encode is None:
            return
        now = {limit.id: limit for limit in self.present()}
        with_schedules = self._tools.variables.flag(WITH_SCHEDULES)
        for limit in (*self._released(now), *self._changed(now)):
            if not self._tools.on_air():
                return
            try:
                await self._tools.call(encode(limit, with_schedules), Lane.REST)
            except CallRefusedError as error:
                log.warning("limit %s refused: %s", limit.id, error)
            self._told[limit.id] = limit
            if limit.released:
                del self._told[limit.id]

    def _released(self, now: Mapping[str, ExternalLimit]) -> list[ExternalLimit]:
        return [told.free() for name, told in self._told.items() if name not in now]

    def _changed(self, now: Mapping[str, ExternalLimit]) -> list[ExternalLimit]:
        percent = float(self._tools.variables.values[SIGNIFICANCE])
        return [limit for name, limit in now.items() if _matters(self._told.get(name), limit, percent)]


def _matters(told: ExternalLimit | None, limit: ExternalLimit, percent: float) -> bool:
    """SC.03: a change below this percentage of what was told may be kept back."""
    if told is None or (told.value_ma is None) != (limit.value_ma is None):
        return True
    before, after = told.value, limit.value
    return abs(after - before) * 100 > percent * before if percent else after != before


def _present(tools: LimitReporting) -> Iterator[ExternalLimit]:
    view = tools.look()
    for place, limit in enumerate(view.limits, 1):
        if limit.value_ma is None and limit.value_w is None:
            continue
        source = _SOURCES.get(limit.source.split(" ")[0], LimitSource.ENERGY_MANAGER)
        if limit.scope == "evse":
            number = tools.ids.number(limit.target)
            if number is not None:
                yield ExternalLimit(limit.id, source, number, limit.value_ma, limit.value_w, -place)
        elif _concerns(limit, view, tools):
            yield ExternalLimit(limit.id, source, None, limit.value_ma, limit.value_w, -place)


def _concerns(limit: LimitView, view: SiteView, tools: LimitReporting) -> bool:
    if limit.scope == "group":
        return limit.target == tools.identity
    parents = {circuit.id: circuit.parent for circuit in view.circuits}
    return any(limit.target in _above(evse.circuit, parents) for evse in view.evses if evse.id in tools.ids)


def _above(circuit: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    """The circuit and those that feed it."""
    place: str | None = circuit
    for _ in range(len(parents) + 1):
        if place is None:
            return
        yield place
        place = parents.get(place)
