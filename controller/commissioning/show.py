"""What a scan shows on a terminal: its progress, and what it found."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from controller.charging.found import FoundView, KnownView
from controller.terminal import EXIT_FAILED, fail

if TYPE_CHECKING:
    from rich.progress import Progress

Told = Callable[[str, int, int], None]


def progress() -> "Progress":
    """On a terminal a bar; the results go to standard output alone."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def teller(bar: "Progress", text: str = "listening whether somebody else talks") -> Told:
    task = bar.add_task(text, total=None)

    def told(text: str, done: int, of: int) -> None:
        bar.update(task, description=text, completed=done, total=of or None)

    return told


HINT = (
    "Check power, A and B, termination and the unit ids; --baud tries other speeds, --full all units at all "
    "settings (both with the service stopped)."
)


def show(
    found: Sequence[FoundView],
    notes: Sequence[str],
    tables: str,
    known: Sequence[KnownView] = (),
    hint: str = HINT,
) -> None:
    """`hint`: what to do where nothing was found."""
    for note in notes:
        typer.echo(f"note: {note}")
    for one in known:
        typer.echo(f"{one.called} {one.unit}: {', '.join(one.ids) or 'a device'} of this site, not asked")
    if not found:
        fail(
            f"nobody answered{' who is not in site.toml' if known else ''}. {hint}",
            EXIT_FAILED,
        )
    for device in found:
        typer.echo("\n".join(_described(device)))
    if tables:
        typer.echo(f"\n# For site.toml; check each line against the type plate.\n\n{tables}")


def _described(device: FoundView) -> Iterator[str]:
    yield f"{device.wire}, {device.called} {device.unit}:"
    for one in device.proposals:
        why = f" ({'; '.join(one.why)})" if one.why else ""
        yield f"  {one.confidence:<10} {one.profile}{why}"
    if not device.proposals and not device.notes:
        yield "  answers, but fits no device profile: see firmware-profiles/README.md to describe it"
    yield from (f"  note: {note}" for note in device.notes)
