"""R2 for a configuration: its fall-back facts, the proof's rows, and what an installer should know besides."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from controller.allocation.proof import FallBackFacts, ProofRow, prove
from controller.config.dc import dc_facts, dc_notes
from controller.config.problems import ConfigError
from controller.config.read import read
from controller.config.slices import SiteConfig
from controller.runtime.slices import EvseSlice
from drivers.modbus.meter import has_signs
from drivers.setups import DcSetup, Endpoint, Line

if TYPE_CHECKING:
    from drivers.dc.plan import StackPlan


def load(path: Path) -> SiteConfig:
    """A configuration that is sound in itself and whose circuits are proven.

    Raises:
        ConfigError: with every problem.
    """
    config = read(path)
    if problems := unproven(proof(config)):
        raise ConfigError(problems)
    return config


def proof(config: SiteConfig) -> tuple[ProofRow, ...]:
    stacks = [stack for cluster in config.plant.clusters for stack in cluster.stacks]
    return prove(config.plant.layout, [_facts(evse, stacks) for evse in config.plant.evses])


def _facts(evse: EvseSlice, stacks: "Sequence[StackPlan]") -> FallBackFacts:
    setup = evse.setup
    if isinstance(setup, DcSetup):
        return dc_facts(setup, stacks)
    return FallBackFacts(
        evse=evse.id,
        bus=evse.bus,
        watchdog_timeout_s=setup.watchdog_timeout_s if evse.profile.watchdog else None,
        failsafe_ma=setup.failsafe_ma,
        holds_last=evse.profile.identity.fall_back == "hold_last",
        power_up_ma=setup.power_up_ma,
    )


def unproven(rows: tuple[ProofRow, ...]) -> list[str]:
    """One problem per row that does not hold, with what adds up to it."""
    return [
        f"circuits[{row.circuit}].rating_a: {row.case}: {row.phase} may carry {row.sum_ma / 1000:g} A of "
        f"{row.rating_ma / 1000:g} A: "
        + ", ".join(f"{one.source} {one.current_ma / 1000:g} A ({one.why})" for one in row.contributions)
        for row in rows
        if not row.ok
    ]


def notes(config: SiteConfig) -> Iterator[str]:
    """What is allowed but should be known (R8, R15, R35)."""
    for evse in config.plant.evses:
        name = evse.profile.identity.id
        if evse.profile.enable is None:
            yield f"evses[{evse.id}]: {name} cannot be locked; without a session it is held at 0 A only"
        if isinstance(evse.setup, DcSetup):
            continue
        if evse.profile.watchdog is None:
            yield f"evses[{evse.id}]: {name} has no watchdog; its maximum is reserved when it is lost"
        if evse.setup.power_up_ma is None:
            yield (
                f"evses[{evse.id}]: {name} says nothing of its current after a black-out, so its maximum counts; "
                "measure it (supply off and on with a car connected) and state power_up_current_a"
            )
    yield from dc_notes(config.plant)
    wires = {bus.id: bus.wire for bus in config.plant.buses}
    for meter in config.plant.meters:
        wire = wires[meter.bus]
        if isinstance(wire, Line | Endpoint) and not has_signs(wire, meter.profile):
            yield f"meters[{meter.id}]: {meter.profile.id} shows no direction; not where power is exported (R8)"
    yield from _of_links(config)


def _of_links(config: SiteConfig) -> Iterator[str]:
    """What others on the way could read or forge."""
    if config.mqtt is not None and not config.mqtt.tls:
        yield "mqtt: without tls whoever reaches the wire can read and forge limits; only on the site's own network"
    if config.csms is not None and config.csms.lab:
        yield "csms.lab: the link may be unencrypted and without password; never on a site that bills"
