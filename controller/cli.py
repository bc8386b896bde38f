"""The commands. They parse, call and print; nothing is decided here.

Only what a command needs is imported when it runs: `run` must be in control before anything else is loaded.
"""

import asyncio
import logging
import os
import pwd
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from controller.commissioning.bus import bus
from controller.commissioning.probe import probe
from controller.commissioning.profiles import profiles_app
from controller.commissioning.scan import scan
from controller.config.problems import EXIT_CONFIG, ConfigError
from controller.terminal import ANSWER_S, EXIT_FAILED, EXIT_UNAVAILABLE, Config, ConfigArgument, fail, local_address
from controller.web.slice import WebSlice

if TYPE_CHECKING:
    from controller.config.slices import SiteConfig
    from controller.csms.variables import Listed
    from controller.store.rows import LimitEvent

app = typer.Typer(
    help="Ampyard, the site controller for EV charging.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
variables_app = typer.Typer(help="OCPP variables: list, get and set.", no_args_is_help=True)
app.add_typer(variables_app, name="variables")
limits_app = typer.Typer(help="Limits from outside: what was commanded and when.", no_args_is_help=True)
app.add_typer(limits_app, name="limits")
app.add_typer(profiles_app, name="profiles")
app.command()(probe)
app.command()(scan)
app.command()(bus)


def main() -> None:
    """Entry point of `ampyard`."""
    try:
        app()
    except ConfigError as error:
        _print_problems(error)
        sys.exit(EXIT_CONFIG)


def _print_problems(error: ConfigError) -> None:
    count = len(error.problems)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"[bold]{count} problem{'s' if count != 1 else ''}:[/bold]")
    for problem in error.problems:
        console.print(f"  {problem}", markup=False)


@app.command()
def run(
    config: Config,
    verbose: Annotated[bool, typer.Option(help="Log every step.")] = False,
) -> None:
    """Run the site until it is told to stop."""
    from controller.charging.rows import RowError
    from controller.service import run as run_site
    from controller.store.errors import StoreError

    _log_to_stderr(logging.DEBUG if verbose else logging.INFO)
    try:
        asyncio.run(run_site(config))
    except (StoreError, RowError, OSError) as error:
        fail(str(error), EXIT_UNAVAILABLE)


def _log_to_stderr(level: int) -> None:
    """Plain lines: the journal adds the time."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)


@app.command()
def check(
    file: ConfigArgument,
    details: Annotated[bool, typer.Option(help="Show what adds up to each sum.")] = False,
) -> None:
    """Check a configuration and prove that no circuit ends above its rating, whatever fails."""
    from controller.config.proof import notes, proof, unproven
    from controller.config.read import read

    config = read(file)
    rows = proof(config)
    console = Console(soft_wrap=True, highlight=False)
    table = Table("Case", "Circuit", "Phase", "Sum A", "Rating A", "", box=None)
    for row in rows:
        verdict = "ok" if row.ok else "TOO MUCH"
        table.add_row(
            row.case, row.circuit, row.phase, f"{row.sum_ma / 1000:g}", f"{row.rating_ma / 1000:g}", verdict
        )
        for one in row.contributions if details else ():
            table.add_row("", f"  {one.source}", "", f"{one.current_ma / 1000:g}", "", one.why)
    console.print(table)
    for note in notes(config):
        console.print(f"note: {note}", markup=False)
    if problems := unproven(rows):
        raise ConfigError(problems)
    console.print(f"{file}: {len(config.plant.evses)} EVSEs, {len(config.plant.layout.circuits)} circuits: sound")


@app.command()
def schema() -> None:
    """Print the JSON schema of site.toml, by which editors complete and check it."""
    from controller.config.site_schema import FILE

    typer.echo(FILE.read_text(encoding="utf-8"), nl=False)


@app.command()
def reload(config: Config) -> None:
    """Let the running site take its changed configuration, while cars charge."""
    from controller.config.proof import load

    _command(load(config).web, "reload", {})


@app.command()
def resend(config: Config) -> None:
    """Send again the records that the CSMS had refused and that were set aside."""
    from controller.config.read import read

    _command(read(config).web, "resend", {})


def _command(web: WebSlice, name: str, body: dict[str, str]) -> None:
    """Send a command to the running service and print its answer."""
    import httpx

    address = local_address(web)
    try:
        answer = httpx.post(f"http://{address}/api/commands/{name}", json=body, timeout=ANSWER_S, trust_env=False)
        said = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        fail(f"the service does not answer at {address}: {error}; is it running?", EXIT_UNAVAILABLE)
    if not isinstance(said, dict):
        fail(f"what answers at {address} is not this service", EXIT_UNAVAILABLE)
    text = str(said.get("text") or said.get("error") or said.get("result"))
    if not answer.is_success:
        fail(text, EXIT_FAILED)
    Console(soft_wrap=True).print(text, markup=False)


@variables_app.command("list")
def list_variables(
    config: Config,
    pattern: Annotated[str, typer.Argument(help="Part of the name, in either spelling.")] = "",
) -> None:
    """Show the variables with their values."""
    from controller.csms.variables import listing

    lines = list(listing(_stored_values(config), pattern))
    if not lines:
        fail(f"no variable has {pattern!r} in its name", EXIT_FAILED)
    rows = [("Variable", "1.6 key", "Access", "Value")]
    rows += [
        (line.variable.name, line.variable.key or "", line.variable.access.value, _value(line)) for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, value in rows:
        typer.echo("  ".join([*map(str.ljust, cells, widths), value]).rstrip())


def _value(line: "Listed") -> str:
    return "(not shown)" if line.value is None else line.value


@variables_app.command("get")
def get_variable(name: str, config: Config) -> None:
    """Print one value."""
    from controller.csms.variables import find, shown

    values = _stored_values(config)
    variable = find(name)
    if variable is None:
        fail(f"there is no variable {name!r}; `ampyard variables list` shows them", EXIT_FAILED)
    typer.echo(_value(shown(variable, values)))


@variables_app.command("set", context_settings={"ignore_unknown_options": True})  # or -5 would be an option
def set_variable(name: str, value: str, config: Config) -> None:
    """Write one value: through the running service, or into its store while it does not run."""
    from controller.csms.slice import CsmsError
    from controller.store.errors import Kind, StoreError

    site, csms = _connected(config)
    _check_owner(site.state_dir)
    try:
        asyncio.run(_put(site.state_dir, csms, (name, value)))
    except CsmsError as error:
        fail(str(error), EXIT_FAILED)
    except StoreError as error:
        if error.kind is not Kind.BUSY:
            fail(str(error), EXIT_UNAVAILABLE)
        _command(site.web, "variable", {"name": name, "value": value})


def _connected(config: Path) -> tuple["SiteConfig", str]:
    """The site, and the id of the CSMS that its variables belong to."""
    from controller.config.read import read

    site = read(config)
    if site.csms is None:
        fail("no [csms] is configured, so there are no variables", EXIT_FAILED)
    return site, site.csms.id


def _check_owner(state_dir: Path) -> None:
    """What another user creates there, root too, the service could not open."""
    try:
        owner = state_dir.stat().st_uid
    except FileNotFoundError:
        fail(
            f"the site has not run yet, there is no {state_dir}: put first values into [csms.initial]",
            EXIT_UNAVAILABLE,
        )
    except OSError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    if owner != os.geteuid():
        name = _user_name(owner)
        fail(f"{state_dir} belongs to {name}: sudo -u {name} ampyard variables set ...", EXIT_FAILED)


def _user_name(uid: int) -> str:
    """Of the account; sudo takes #UID where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"


async def _put(state_dir: Path, csms: str, assignment: tuple[str, object]) -> None:
    from controller.csms.variables import put
    from controller.store.store import Store

    store = Store(state_dir)
    await store.open()
    try:
        variable, text = await put(store, csms, assignment)
        typer.echo(f"{variable.name} = {text}")
    finally:
        await store.close()


def _stored_values(config: Path) -> dict[str, str]:
    """The values that the store holds, beside a running service too."""
    from controller.store.errors import StoreError
    from controller.store.peek import stored_variables

    site, csms = _connected(config)
    try:
        return stored_variables(site.state_dir, csms)
    except (StoreError, TimeoutError) as error:
        fail(str(error) or "the store does not answer", EXIT_UNAVAILABLE)


@limits_app.command("log")
def limits_log(
    config: Config,
    limit: Annotated[str | None, typer.Argument(help="Of one limit or input; without it of all.")] = None,
) -> None:
    """Show the log of limits, kept for two years: each change of those with `log = true`, and each stop."""
    from controller.config.read import read
    from controller.store.errors import StoreError
    from controller.store.peek import stored_limit_log

    try:
        events = stored_limit_log(read(config).state_dir, limit)
    except (StoreError, TimeoutError) as error:
        fail(str(error) or "the store does not answer", EXIT_UNAVAILABLE)
    for event in events:
        doubt = "" if event.at.trusted else " (clock not confirmed)"
        typer.echo(
            f"{event.at.wall:%Y-%m-%d %H:%M:%S} UTC{doubt}  {event.subject}  {event.what}  {_cap(event)}".rstrip()
        )


def _cap(event: "LimitEvent") -> str:
    if event.value_ma is not None:
        return f"{event.value_ma / 1000:g} A"
    return "" if event.value_w is None else f"{event.value_w / 1000:g} kW"


@app.command()
def demo(
    minutes: Annotated[float, typer.Option(help="How long; without it until Ctrl-C.")] = 0.0,
    report: Annotated[Path | None, typer.Option(help="Write a JSON report here.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the demonstration site is put.")] = Path("demo-site"),
) -> None:
    """Run a simulated site of 12 charging points with this controller, and show it."""
    from controller.demo.run import Demo, run_demo

    raise typer.Exit(asyncio.run(run_demo(Demo(minutes=minutes, report=report, folder=folder))))
