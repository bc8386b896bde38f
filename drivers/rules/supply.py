"""Rules of what the profile of an SECC says of its demand (R9). PURE: a draft in, texts `key: what` out."""

from collections.abc import Iterator, Mapping

from drivers.profile_schema import MEASURED, TARGETS, Supply
from drivers.rules.draft import Draft
from drivers.rules.registers import carries, polling

TOLD = ("limit_power", "limit_voltage", "limit_current", "delivered_voltage", "delivered_current")
"""Registers in which an SECC is told what its modules can do and do."""


def problems(draft: Draft) -> Iterator[str]:
    if draft.identity is None or draft.identity.kind != "secc":
        return
    if draft.supply is not None:
        yield from _said(draft, draft.supply)
        yield from _alive(draft, draft.supply.alive)
    yield from _targets(draft)
    yield from _told(draft)
    if draft.watchdog is not None and draft.watchdog.method == "setpoint":
        yield "watchdog.method: setpoint is not for kind secc"


def _raws(supply: Supply) -> Mapping[str, tuple[str, Mapping[str, int]]]:
    """Of each key of the section: the register, and the raw values that mean something."""
    insulation, stage = supply.insulation, supply.stage
    stages = {"cable_check": stage.cable_check, "pre_charge": stage.pre_charge, "charging": stage.charging}
    return {
        "request": (supply.request.register_, {"on": supply.request.on}),
        "contactors": (supply.contactors.register_, {"closed": supply.contactors.closed}),
        "insulation": (insulation.register_, {"good": insulation.good, "testing": insulation.testing}),
        "stage": (stage.register_, stages),
    }


def _said(draft: Draft, supply: Supply) -> Iterator[str]:
    for key, (name, raws) in _raws(supply).items():
        yield from _refer(draft, f"supply.{key}.register", name)
        register = draft.registers.get(name)
        for word, raw in raws.items():
            if register is not None and not carries(register, raw):
                yield f"supply.{key}.{word}: {raw} is no raw value of {name}"
        if len(set(raws.values())) < len(raws):
            yield f"supply.{key}: two of {', '.join(raws)} are the same raw value"


def _alive(draft: Draft, name: str) -> Iterator[str]:
    yield from _refer(draft, "supply.alive", name)
    if draft.supply is not None and name in {register for register, _ in _raws(draft.supply).values()}:
        yield f"supply.alive: {name} says something else; only a counter proves that the SECC's logic runs"


def _refer(draft: Draft, key: str, name: str) -> Iterator[str]:
    if name not in draft.named:
        yield f"{key}: no register {name}"
    register = draft.registers.get(name)
    if register is not None and not (register.is_integer or register.type == "bool"):
        yield f"{key}: {name} is no whole number"
    yield from polling(draft, name, needed=True)


def _targets(draft: Draft) -> Iterator[str]:
    for name in (*TARGETS, *MEASURED):
        yield from polling(draft, name, needed=True)
    for name in TARGETS:
        register = draft.registers.get(name)
        if register is not None and register.high is None:
            yield f"registers.{name}.high: missing, what an SECC may ask for must have an end"


def _told(draft: Draft) -> Iterator[str]:
    for name in TOLD:
        register = draft.registers.get(name)
        if register is not None and not register.writable:
            yield f"registers.{name}.access: must be writable"
