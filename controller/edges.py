"""The edges of a site: its CSMS stations, MQTT and the local page. Whatever becomes of them, control goes on.

After a crash loop (R38) the page alone is run; the others are held, and tried again after a quarter of an hour.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

from controller.appliance.starts import CRASHES, RETRY_S, WINDOW_S
from controller.config.slices import SiteConfig
from controller.csms.variables import Variables
from controller.mqtt.slice import MqttSlice
from controller.runtime.edge_slot import EdgeSlot, RunningEdge
from controller.runtime.supervise import Supervised
from controller.runtime.upstream import Upstream, UpstreamParts
from controller.web.slice import WebSlice
from drivers.api import BusFigures

_log = logging.getLogger(__name__)


class Edges:
    """`page_changed` tells the page that there is something new to see, as soon as there is a page."""

    def __init__(self, web: WebSlice, parts: UpstreamParts, figures: Callable[[], Sequence[BusFigures]]) -> None:
        self.upstream = Upstream(parts)
        self.page = Supervised("local page", self._serve_page, parts.clock)
        self.page_changed: Callable[[], None] | None = None
        self._web = web
        self._parts = parts
        self._figures = figures
        self._mqtt = EdgeSlot("MQTT", self._build_mqtt, parts.clock)
        self._safe_mode: str | None = None

    def change_to(self, config: SiteConfig, variables: Variables | None, tasks: asyncio.TaskGroup) -> None:
        """The page is not among them: its address changes only with a restart."""
        self.upstream.change_to(config.csms, variables, tasks)
        self._mqtt.change_to(config.mqtt, tasks)

    def changed(self) -> None:
        """There is something new to see."""
        self.upstream.site_changed()
        self._mqtt.changed()
        if self.page_changed is not None:
            self.page_changed()

    @property
    def supervised(self) -> tuple[Supervised, ...]:
        return (*self.upstream.supervised, *self._mqtt.supervised, self.page)

    @property
    def alarms(self) -> tuple[str, ...]:
        return (*((self._safe_mode,) if self._safe_mode else ()), *self._mqtt.alarms)

    def enter_safe_mode(self) -> None:
        """Control, local authorisation and the page go on; whatever a CSMS may send cannot end them (R38)."""
        self.upstream.held = self._mqtt.held = True
        since = self._parts.clock.now().wall
        self._safe_mode = (
            f"safe mode since {since:%Y-%m-%d %H:%M} UTC: the controller crashed {CRASHES} times in "
            f"{WINDOW_S / 60:g} minutes; the CSMS link is off, records are kept for it; see the journal; "
            "a restart of the service by hand tries again, "
            f"and so does the controller after {RETRY_S / 60:g} minutes"
        )
        _log.error("%s", self._safe_mode)

    async def leave_safe_mode(self, tasks: asyncio.TaskGroup) -> None:
        """After a while."""
        await asyncio.sleep(RETRY_S)
        _log.warning("safe mode ends: the CSMS link is tried again")
        self._safe_mode = None
        self.upstream.release(tasks)
        self._mqtt.release(tasks)

    async def _serve_page(self) -> None:
        """The page comes after control runs: importing it takes longer than the first cycle."""
        web, metrics = await asyncio.to_thread(_import_page)
        server = web.WebServer(
            self._web,
            ask=self._parts.ask,
            look=self._parts.look,
            metrics=metrics.Metrics(self._parts.look, self._figures).render,
            figures=self._figures,
        )
        self.page_changed = server.changed
        await server.run()

    async def _build_mqtt(self, mqtt: MqttSlice) -> RunningEdge:
        edge = await asyncio.to_thread(import_module, "controller.mqtt.edge")
        built: RunningEdge = edge.MqttEdge(mqtt, ask=self._parts.ask, look=self._parts.look)
        return built


def _import_page() -> tuple[ModuleType, ModuleType]:
    return import_module("controller.web.server"), import_module("controller.metrics.registry")
