"""What all commands share: where the configuration is, how a failure is told, how the running service is asked."""

import os
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from controller.web.slice import WebSlice

CONFIG_VARIABLE = "AMPYARD_CONFIG"
CONFIG_HERE = Path("site.toml")
CONFIG_INSTALLED = Path("/etc/ampyard/site.toml")

ANSWER_S = 20.0
EXIT_FAILED = 1
EXIT_UNAVAILABLE = 69
"""The service, or what it stores, cannot be reached (sysexits.h EX_UNAVAILABLE)."""


def default_config() -> Path:
    """Where the configuration is when nobody says it; also from a folder that this user may not look into."""
    return CONFIG_HERE if os.access(CONFIG_HERE, os.F_OK) else CONFIG_INSTALLED


CONFIG_HELP = "The site's configuration."
CONFIG_DEFAULT = f"./{CONFIG_HERE}, or {CONFIG_INSTALLED} where that does not exist"
Config = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        help=CONFIG_HELP,
        envvar=CONFIG_VARIABLE,
        default_factory=default_config,
        show_default=CONFIG_DEFAULT,
    ),
]
ConfigArgument = Annotated[
    Path,
    typer.Argument(
        help=CONFIG_HELP, envvar=CONFIG_VARIABLE, default_factory=default_config, show_default=CONFIG_DEFAULT
    ),
]


def fail(text: str, status: int) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(text, markup=False)
    raise typer.Exit(status)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table, never wrapped: for people on any terminal, and for grep."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def local_address(web: WebSlice) -> str:
    """Where the page is reached from this machine: a server on all addresses is on the loopback one too."""
    try:
        everywhere = ip_address(web.host).is_unspecified
    except ValueError:
        everywhere = False
    host = "localhost" if everywhere else web.host
    return f"[{host}]:{web.port}" if ":" in host else f"{host}:{web.port}"
