"""A bar for work that takes longer than a second; nothing where nobody looks."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def steps(items: Sequence[T], what: str) -> Iterable[T]:
    console = Console()
    return track(items, description=what, transient=True, console=console, disable=not console.is_terminal)
