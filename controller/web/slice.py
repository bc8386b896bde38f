"""Configuration of the page. Apart from the server, so that reading it does not import FastAPI."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebSlice:
    """Where the page listens; port 0 takes a free one.

    `names` are further host names under which browsers may reach the page (a DNS entry, a reverse proxy).
    Addresses, localhost and the machine's own name are always accepted.
    """

    host: str
    port: int
    names: tuple[str, ...] = ()
