"""The commands: thin, each calls one function elsewhere.

What a command needs is imported inside it, so that each starts with only its own tools.
"""

from __future__ import annotations

import shlex
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from worker import cli_operators, cli_reference, cli_schedule, errors, logs
from worker.cli_tools import console, open_database, read_settings
from worker.logs.printing import printable_line
from worker.settings import DOMAINS, Settings

app = typer.Typer(
    help="NRF impact assessment worker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
assess_app = typer.Typer(help="Assess a boundary file without a queue.", no_args_is_help=True)
db_app = typer.Typer(help="The database schema.", no_args_is_help=True)
config_app = typer.Typer(help="The effective configuration.", no_args_is_help=True)
job_app = typer.Typer(help="One job without a queue.", no_args_is_help=True)
app.add_typer(assess_app, name="assess")
app.add_typer(job_app, name="job")
app.add_typer(db_app, name="db")
app.add_typer(config_app, name="config")
app.add_typer(cli_operators.jobs_app, name="jobs")
app.add_typer(cli_operators.dlq_app, name="dlq")
app.add_typer(cli_reference.app, name="reference")
app.add_typer(cli_schedule.app, name="schedule")

_EXIT_CODES: tuple[tuple[type[errors.WorkerError], int], ...] = (
    (errors.BoundaryError, errors.EX_DATAERR),
    (errors.MessageError, errors.EX_DATAERR),
    (errors.CommandRefused, errors.EX_DATAERR),
    (errors.ReferenceDataError, errors.EX_DATAERR),
    (errors.ReferenceDataMissing, errors.EX_UNAVAILABLE),
    (errors.TablesUnusable, errors.EX_UNAVAILABLE),
    (errors.TransientError, errors.EX_UNAVAILABLE),
    (errors.ConfigurationFault, errors.EX_UNAVAILABLE),
)

_PACKAGE = Path(__file__).parent

# What typer exits with when a command is used wrongly; none of ours uses it.
_CLICK_USAGE = 2

Boundary = Annotated[Path, typer.Argument(help="Zipped shapefile or GeoJSON.")]


class AssessmentFormat(StrEnum):
    """How a nutrient result is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class NewtFormat(StrEnum):
    """How a newt result is printed."""

    TABLE = "table"
    JSON = "json"
    PSV = "psv"


class Assessment(StrEnum):
    """What can be assessed."""

    NUTRIENT = "nutrient"
    GCN = "gcn"


def main() -> None:
    """Entry point of ``nrf-worker`` and ``python -m worker``."""
    try:
        app()
    except SystemExit as end:
        sys.exit(errors.EX_USAGE if end.code == _CLICK_USAGE else end.code)
    except errors.ConfigurationError as error:
        for problem in error.problems:
            print(f"configuration: {problem}", file=sys.stderr)
        sys.exit(error.exit_code)
    except errors.WorkerError as error:
        print(printable_line(f"{error.code}: {error.sentence}"), file=sys.stderr)
        if error.detail:
            # That of a load has a line for each finding.
            for line in logs.redact(error.detail).split("\n"):
                print(f"  {printable_line(line)}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(f"  {printable_line(note)}", file=sys.stderr)
        sys.exit(_exit_code(error))
    except Exception as error:  # noqa: BLE001 - the edge of the process: a line, then exit code 70
        print("internal_error: The command failed unexpectedly. Please report it.", file=sys.stderr)
        print(f"  {printable_line(logs.redact(_unforeseen(error)))}", file=sys.stderr)
        sys.exit(errors.EX_SOFTWARE)


@app.command()
def run(
    drain: Annotated[
        bool, typer.Option("--drain", help="End after the first poll that brings nothing.")
    ] = False,
    max_idle_seconds: Annotated[
        float | None, typer.Option(min=0, help="End when no message has come for so long.")
    ] = None,
) -> None:
    """Run the daemon: poll the queue until a signal says stop."""
    from worker.main import main as run_daemon

    raise typer.Exit(run_daemon(drain=drain, max_idle_s=max_idle_seconds))


@app.command()
def health() -> None:
    """Ask the health process of a worker on this machine; 1 if it is not well."""
    from worker.health_check import ask_health
    from worker.settings import HealthSettings, read_concern

    well, answer = ask_health(read_concern(HealthSettings))
    print(answer)
    raise typer.Exit(0 if well else 1)


@job_app.command("run")
def run_one(
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="See docs/messages.md.")],
    payload: Annotated[
        str, typer.Option(help="The message's other members as JSON, or @FILE.")
    ] = "{}",
    correlation_id: Annotated[str | None, typer.Option(help="Default: a new one.")] = None,
) -> None:
    """Run one job to its end without a queue: 0 done, 65 failed for good, 75 try again."""
    from worker.single_job import read_payload, run_job

    raise typer.Exit(run_job(job_type, read_payload(payload), correlation_id=correlation_id))


@assess_app.command("nutrient")
def assess_nutrient(
    boundary: Boundary,
    dwellings: Annotated[
        int | None, typer.Option(min=1, help="Number of dwellings, unless the file has them.")
    ] = None,
    shown_as: Annotated[
        AssessmentFormat, typer.Option("--format", help="What to print.")
    ] = AssessmentFormat.TABLE,
    output: Annotated[
        Path | None, typer.Option(help="Folder for nutrient.json, nutrient.csv and the report.")
    ] = None,
) -> None:
    """Nutrients in protected rivers: the impact of one or more developments."""
    from worker.jobs.commands import assess_file
    from worker.reports.nutrient_csv import write_nutrient_csv
    from worker.reports.nutrient_table import nutrient_table

    settings = read_settings()
    with open_database(settings) as database:
        result = assess_file(settings, database, boundary, dwellings=dwellings, output=output)
    match shown_as:
        case AssessmentFormat.JSON:
            print(result.model_dump_json(indent=2))
        case AssessmentFormat.CSV:
            write_nutrient_csv(result.sites, sys.stdout)
        case AssessmentFormat.TABLE:
            console().print(nutrient_table(result))


@assess_app.command("gcn")
def assess_gcn(
    boundary: Boundary,
    ponds: Annotated[
        Path | None, typer.Option(help="Surveyed ponds; the national ponds without.")
    ] = None,
    shown_as: Annotated[
        NewtFormat, typer.Option("--format", help="What to print.")
    ] = NewtFormat.TABLE,
    output: Annotated[
        Path | None, typer.Option(help="Folder for gcn.json, the four PSV files and the report.")
    ] = None,
) -> None:
    """Great crested newts: habitat and ponds in the sites and around them."""
    from worker.jobs.commands import assess_newts
    from worker.reports.gcn_psv import print_psv
    from worker.reports.gcn_table import gcn_table

    settings = read_settings()
    with open_database(settings) as database:
        result = assess_newts(settings, database, boundary, ponds_file=ponds, output=output)
    match shown_as:
        case NewtFormat.JSON:
            print(result.model_dump_json(indent=2))
        case NewtFormat.PSV:
            print_psv(result, sys.stdout)
        case NewtFormat.TABLE:
            console().print(gcn_table(result))


@app.command()
def submit(
    boundary: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    assessment: Annotated[Assessment, typer.Option()] = Assessment.NUTRIENT,
    ponds: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Surveyed ponds, for gcn.")
    ] = None,
    dwellings: Annotated[int | None, typer.Option(min=1)] = None,
    job_id: Annotated[str | None, typer.Option(help="Default: a new one.")] = None,
    email: Annotated[str | None, typer.Option(help="The developer's address.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the development.")] = None,
) -> None:
    """Upload a boundary file, and surveyed ponds, and put the assessment on the queue."""
    from worker.jobs.commands import new_request, submit_files

    request = new_request(
        boundary,
        assessment=assessment.value,
        ponds_file=ponds,
        dwellings=dwellings,
        job_id=job_id,
        email=email,
        name=name,
    )
    submitted = submit_files(read_settings(), boundary, ponds, request)
    print(f"job {submitted.job_id}")
    print(f"message {submitted.message_id}")
    print(f"correlation id {submitted.correlation_id}")


@db_app.command("migrate")
def migrate(
    domains: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="DOMAINS",
            help="Make the tables of these domains too (water,lists): only where no other service"
            " owns them.",
        ),
    ] = "",
) -> None:
    """Bring the database to the newest schema."""
    from worker.clients.domains import database_of
    from worker.migrations import runner

    wanted = {name.strip() for name in domains.split(",") if name.strip()}
    if not wanted <= set(DOMAINS):
        raise typer.BadParameter(f"--with takes {','.join(DOMAINS)}")
    settings = read_settings()
    with open_database(settings) as database:
        conninfo = database.conninfo()
    before = runner.current(conninfo)
    runner.upgrade(conninfo)
    print(f"database: {before or 'empty'} -> {runner.current(conninfo)}")
    for domain in DOMAINS:
        if domain in wanted:
            runner.upgrade_domain(domain, database_of(domain, settings).conninfo())
            print(f"{domain}: its tables are there")


@config_app.command("check")
def check_config() -> None:
    """Print the effective configuration, secrets masked, and what is wrong with it."""
    from rich.table import Table

    from worker.checks import client_problems

    settings = Settings.load()
    table = Table("variable", "value", box=None)
    for variable, value in settings.describe():
        table.add_row(variable, value)
    console().print(table)
    problems = settings.problems_for_run() or client_problems(settings)
    if problems:
        raise errors.ConfigurationError(problems)
    print("\nThe configuration is complete.")


@app.command()
def demo(
    worker_command: Annotated[
        str | None, typer.Option(help="What starts the worker, 'run' being added: an image's.")
    ] = None,
) -> None:
    """Run the main job on embedded PostGIS, AWS, Notify and backend, and show the result."""
    from worker.demo.run import main as run_demo

    raise typer.Exit(run_demo(shlex.split(worker_command) if worker_command else None))


def _unforeseen(error: Exception) -> str:
    """What and where, in a line: a whole trace would quote what was worked on."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    place = f" ({Path(ours[-1].filename).relative_to(_PACKAGE)}:{ours[-1].lineno})" if ours else ""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}{place}"


def _exit_code(error: errors.WorkerError) -> int:
    if isinstance(error, errors.StartError):
        return error.exit_code
    for kind, code in _EXIT_CODES:
        if isinstance(error, kind):
            return code
    return errors.EX_SOFTWARE
