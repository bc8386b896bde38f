"""What a layout means for the numbering of links, worked out once and kept as long as the layout stays.

The first links are the phases of the circuits (`circuits.Tree`). Behind them come those of one tick: caps that hold
a sum of phases, or a group of EVSEs, or the difference between phases (`caps`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.allocation.circuits import Circuit, Tree
from controller.allocation.image import Layout


@dataclass(frozen=True, slots=True)
class Wiring:
    """`links` by EVSE and number of phases in use (0 to 3); `below` by circuit's place: ids of EVSEs."""

    layout: Layout
    tree: Tree
    links: Mapping[str, tuple[tuple[int, ...], ...]]
    below: tuple[tuple[str, ...], ...]
    other_ma: tuple[int, ...]

    @classmethod
    def of(cls, layout: Layout, known: "Wiring | None") -> "Wiring":
        """The known one while the layout is the same object.

        Raises:
            ValueError: the circuits are no tree with parents first.
        """
        if known is not None and known.layout is layout:
            return known
        tree = Tree.of(layout.circuits)
        below: list[list[str]] = [[] for _ in layout.circuits]
        for point in layout.evses:
            for place in tree.paths[point.circuit]:
                below[place].append(point.id)
        links = {point.id: tuple(tree.links(point, count) for count in range(4)) for point in layout.evses}
        other = tuple(amount for phases in tree.other_ma() for amount in phases)
        return cls(layout, tree, links, tuple(tuple(ids) for ids in below), other)

    @property
    def circuits(self) -> tuple[Circuit, ...]:
        return self.layout.circuits
