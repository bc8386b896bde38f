"""What a search on a CAN bus found, as tables for site.toml; apart, because few sites have such a bus."""

from collections.abc import Iterator, Sequence

from controller.config.fragment import Names, text
from drivers.can.scan import Modules


def module_fragment(
    found: Sequence[Modules], bus: str, names: Names, *, outlets: Sequence[str] = ()
) -> Iterator[str]:
    """Lines of TOML; which modules work together only somebody on site knows.

    `outlets` are the DC outlets that site.toml has.
    """
    there = f": {', '.join(outlets)}" if outlets else ""
    for one in found:
        together = one.model.profile.address.together
        for start in range(0, len(one.addresses), together):
            part = one.addresses[start : start + together]
            yield from ("", "[[power_modules]]", f"id = {text(names.next('stack'))}")
            yield from (f"profile = {text(one.model.id)}", f"bus = {text(bus)}")
            yield f"addresses = [{', '.join(map(str, part))}]  # those that feed one output"
            outlet = outlets[0] if outlets else names.next("evse")
            yield f"evse = {text(outlet)}  # the outlet that they are wired to{there}"
