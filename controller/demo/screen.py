"""The live table in the terminal."""

from collections import deque
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

LINES = 8


class Screen:
    """Shows the controller's view and what is being done to it. Without a terminal it prints the news only."""

    def __init__(self, url: str) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._url = url
        self._news: deque[str] = deque(maxlen=LINES)
        self._view: dict[str, Any] | None = None

    def __enter__(self) -> "Screen":
        self._console.print(f"The page is at {self._url}", style="bold")
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, seconds: float, text: str) -> None:
        line = f"{seconds:6.1f} s  {text}"
        self._news.append(line)
        if self._live is None:
            self._console.print(line, markup=False)

    def show(self, view: dict[str, Any] | None) -> None:
        """Redraw; None: the controller does not answer at the moment."""
        if self._live is not None:
            self._live.update(self._picture(view), refresh=True)

    def _picture(self, view: dict[str, Any] | None) -> RenderableType:
        self._view = view or self._view
        head = Text(f"{self._url}   " + ("running" if view else "the controller is down"), style="bold")
        parts: list[RenderableType] = [head]
        if self._view is not None:
            parts += [_evses(self._view), _circuits(self._view), Text(_link(self._view))]
        return Group(*parts, Text("\n".join(self._news)))


def _evses(view: dict[str, Any]) -> Table:
    table = Table("EVSE", "State", "Offered A", "Drawn A", "Session Wh", "Limited by", box=None)
    for evse in view["evses"]:
        session = evse["transaction"]
        energy = "" if session is None or session["energy_wh"] is None else str(session["energy_wh"])
        table.add_row(
            evse["id"],
            evse["status"],
            _amperes(evse["offered_ma"]),
            _phases(evse["drawn_ma"]),
            energy,
            evse["reason"],
        )
    return table


def _circuits(view: dict[str, Any]) -> Table:
    table = Table("Circuit", "Load A", "Limit A", "Rating A", box=None)
    for circuit in view["circuits"]:
        table.add_row(
            circuit["id"], _phases(circuit["load_ma"]), _phases(circuit["limit_ma"]), _phases(circuit["rating_ma"])
        )
    return table


def _link(view: dict[str, Any]) -> str:
    return "\n".join(
        f"CSMS {link['identity']}: {'connected' if link['connected'] else 'no connection'}, "
        f"{link['outbox_depth']} records queued"
        for link in view["csms"]
    )


def _amperes(milliamperes: int) -> str:
    return f"{milliamperes / 1000:.1f}"


def _phases(values: list[int] | None) -> str:
    return "?" if values is None else " ".join(_amperes(value).rjust(5) for value in values)
