"""A registry of our own: nothing of the process or of other libraries gets in unasked."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from controller.charging.view import Look
from controller.metrics import buses, families, limits
from drivers.api import BusFigures

Figures = Callable[[], Sequence[BusFigures]]


class _SiteCollector(Collector):
    """Reads one view per scrape, so that all values of a scrape belong together."""

    def __init__(self, look: Look, figures: Figures) -> None:
        self._look = look
        self._figures = figures

    def describe(self) -> list[Metric]:
        """Empty, so that registering does not look at a site that has not started."""
        return []

    def collect(self) -> Iterator[Metric]:
        view = self._look()
        yield from families.evse_currents(view.evses)
        yield from families.evse_power(view.evses)
        yield from families.dc_outlets(view.evses)
        yield from families.evse_status(view.evses)
        yield from families.evse_mode(view.evses)
        yield from limits.evse_reasons(view.evses)
        yield from families.circuits(view.circuits)
        yield from limits.limits(view.limits)
        yield from limits.inputs(view.inputs)
        yield from families.csms(view.csms)
        yield from families.devices(view.devices)
        yield from families.site(view)
        counted = self._figures()
        yield from buses.buses(counted)
        yield from buses.units(counted)


class Metrics:
    """Renders the text format 0.0.4 of Prometheus. `figures`: how the wires are used."""

    def __init__(self, look: Look, figures: Figures = tuple) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_SiteCollector(look, figures))

    def render(self) -> bytes:
        return generate_latest(self._registry)
