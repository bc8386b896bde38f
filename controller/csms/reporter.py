"""What the CSMS is told of the EVSEs outside transactions: status on change, values and inventory on request."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from controller.charging.view import EvseView, Look
from controller.clock import Clock
from controller.csms.dialect import Dialect, Message
from controller.csms.lanes import Lane
from controller.csms.link import CallRefusedError
from controller.csms.requests import Ids
from controller.csms.rpc import Payload
from controller.csms.wire import timestamp

log = logging.getLogger(__name__)

ITEMS_PER_REPORT = 20
STATION = 0
"""Connector number of the station itself in 1.6."""


@dataclass(frozen=True, slots=True)
class Reporting:
    """What a reporter works with. `on_air`: whether the station may send unasked."""

    dialect: Dialect
    ids: Ids
    look: Look
    clock: Clock
    call: Callable[[Message, Lane], Awaitable[Payload]]
    on_air: Callable[[], bool]


class Reporter:
    """Remembers which status the CSMS has been told of each connector."""

    def __init__(self, tools: Reporting) -> None:
        self._tools = tools
        self._told: dict[int, Mapping[str, object]] = {}

    def views(self) -> dict[str, EvseView]:
        """Of this station's EVSEs, as far as the site shows them."""
        return {view.id: view for view in self._tools.look().evses if view.id in self._tools.ids}

    def busy(self, evses: Sequence[str]) -> tuple[str, ...]:
        """Those with a transaction."""
        views = self.views()
        return tuple(evse for evse in evses if evse in views and views[evse].transaction is not None)

    def running(self, transaction: str) -> bool:
        views = self.views().values()
        return any(view.transaction is not None and view.transaction.transaction == transaction for view in views)

    def forget(self) -> None:
        """The CSMS knows no status: all will be told."""
        self._told.clear()

    async def tell_changes(self) -> None:
        """A status that the CSMS refuses counts as told, or it would come again for ever.

        Raises:
            CallFailedError: the rest is still to be told.
        """
        for number, message in self._statuses(self._tools.ids.evses):
            content = {key: value for key, value in message.payload.items() if key != "timestamp"}
            if not self._tools.on_air():
                return
            if self._told.get(number) == content:
                continue
            try:
                await self._tools.call(message, Lane.REST)
            except CallRefusedError as error:
                log.warning("status refused: %s", error)
            self._told[number] = content

    async def say_statuses(self, evses: Sequence[str]) -> None:
        for _, message in self._statuses(evses):
            await self._tools.call(message, Lane.REST)

    async def say_samples(self, evses: Sequence[str]) -> None:
        views, at = self.views(), self._tools.clock.now().wall
        for evse in evses:
            number = self._tools.ids.number(evse)
            if evse not in views or number is None:
                continue
            message = self._tools.dialect.samples(number, views[evse], at)
            if message is not None:
                await self._tools.call(message, Lane.REST)

    async def report(self, request_id: int, data: Sequence[Payload]) -> None:
        """NotifyReport in parts (B07)."""
        at = timestamp(self._tools.clock.now().wall)
        for number, first in enumerate(range(0, len(data), ITEMS_PER_REPORT)):
            part = list(data[first : first + ITEMS_PER_REPORT])
            more = first + ITEMS_PER_REPORT < len(data)
            payload = {"requestId": request_id, "generatedAt": at, "seqNo": number, "tbc": more, "reportData": part}
            await self._tools.call(Message("NotifyReport", payload), Lane.REST)

    def _statuses(self, evses: Sequence[str]) -> list[tuple[int, Message]]:
        dialect, views, at = self._tools.dialect, self.views(), self._tools.clock.now().wall
        numbers = [(self._tools.ids.number(evse), views[evse]) for evse in evses if evse in views]
        told = [(number, dialect.status(number, view, at)) for number, view in numbers if number is not None]
        if dialect.whole_status is None or set(evses) != set(self._tools.ids.evses) or not views:
            return told
        whole = dialect.whole_status(any(view.operative for view in views.values()), at)
        return [(STATION, whole), *told]
