"""Rules of what a device profile says of itself to be probed. PURE: a draft in, texts `key: what` out."""

from collections.abc import Iterator

from drivers.profile_probe import KEYS, Expectation, Otherwise, ProbeTable
from drivers.profile_schema import Register
from drivers.rules.draft import Draft


def problems(draft: Draft) -> Iterator[str]:
    for place, probe in enumerate(draft.probes):
        for fault in _faults(draft, probe):
            yield f"probe.{place}.{fault}"


def _faults(draft: Draft, probe: ProbeTable) -> Iterator[str]:
    register = draft.registers.get(probe.register_)
    if probe.register_ not in draft.named:
        yield f"register: no register {probe.register_}"
    if not _says_something(probe):
        yield f"register: nothing is expected of it; one of {', '.join(KEYS)} is missing"
    if probe.either and not probe.otherwise:
        yield "either: there is no other reading"
    if register is not None:
        yield from _expected(probe, register)
    for place, other in enumerate(probe.otherwise):
        faults = () if register is None else _expected(other, register)
        yield from (f"otherwise.{place}.{fault}" for fault in (*faults, *_changes(draft, other)))


def _changes(draft: Draft, other: Otherwise) -> Iterator[str]:
    for name, changes in other.registers.items():
        if name not in draft.named:
            yield f"registers.{name}: no such register"
        for key in {"name", "access"} & set(changes):
            yield f"registers.{name}.{key}: must be the same in every reading"


def _says_something(expected: Expectation) -> bool:
    return any(getattr(expected, key) is not None for key in KEYS)


def _expected(expected: Expectation, register: Register) -> Iterator[str]:
    if not register.readable:
        yield f"register: {register.name} cannot be read"
    if expected.low is not None and expected.high is not None and expected.low > expected.high:
        yield f"low: {expected.low} is above high {expected.high}"
    if expected.numeric and register.is_text:
        yield f"low: {register.name} is a text"
    if expected.of_text and not register.is_text:
        yield f"begins: {register.name} is no text"
    for choice in expected.one_of or ():
        if isinstance(choice, str) != register.is_text:
            yield f"one_of: {choice!r} does not fit type {register.type}"
