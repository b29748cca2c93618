"""The command line. Each command imports what it runs when it runs, so that `--help` is quick."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from runtime import VERSION, log_in_commands, logs, operator_errors
from runtime.terminal import As, State, show_table

app = typer.Typer(
    help="An event-sourced ledger of clinical notes. `noteledger settings` lists what can be set.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
clinic = typer.Typer(help="Clinics, each with a ledger of its own.", no_args_is_help=True)
directory = typer.Typer(help="People, relationships and sessions.", no_args_is_help=True)
app.add_typer(log_in_commands.user, name="user")
app.add_typer(log_in_commands.token, name="token")
app.add_typer(clinic, name="clinic")
app.add_typer(directory, name="directory")


@app.callback(invoke_without_command=True)
def noteledger(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """What is common to all commands."""
    if version:
        typer.echo(f"noteledger {VERSION}")
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one.")] = None,
    state: State = None,
) -> None:
    """Run the service; SIGTERM or Ctrl-C ends it in order."""
    from runtime.settings import load_settings

    settings = load_settings(host=host, port=port, state=state)
    from runtime import web  # after the settings: a wrong one is reported at once

    web.serve(settings, typer.echo)


@app.command()
def worker(
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of 127.0.0.1 that answers with the jobs' metrics."
        ),
    ] = None,
    state: State = None,
) -> None:
    """Do the background jobs: one of any number. Needs NOTELEDGER_BROKER_URL."""
    from runtime.settings import load_settings
    from runtime.worker import work

    work(load_settings(state=state), metrics_port, typer.echo)


@app.command()
def follow(state: State = None) -> None:
    """Send the jobs that the ledgers start, and send again what was lost: one of any number."""
    from runtime.settings import load_settings
    from runtime.worker import follow

    follow(load_settings(state=state), typer.echo)


@app.command()
def migrate(
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    state: State = None,
) -> None:
    """Bring the database's schema to this version, as the owner; again at will."""
    from runtime import owner
    from runtime.bars import bar
    from runtime.settings import load_settings
    from runtime.wiring import attached_database

    with attached_database(load_settings(state=state)) as address:
        if plan:
            lines = owner.plan(address.owner_url) or ["Nothing is to be done."]
            typer.echo("\n".join(lines))
            return
        with bar("views") as progress:
            owner.lay(address.owner_url, progress)
    typer.echo("The schema is what this version needs.")


@app.command()
def rebuild(
    view: Annotated[str | None, typer.Argument(help="Default: all views, one by one.")] = None,
    state: State = None,
) -> None:
    """Build a view anew from the ledger, while the service runs."""
    from runtime import owner
    from runtime.bars import bar
    from runtime.settings import load_settings
    from runtime.wiring import attached_database

    views = owner.views_named(view)
    with attached_database(load_settings(state=state)) as address:
        for one in views:
            with bar(one.name, owner.entry_count(address.owner_url)) as progress:
                owner.rebuild_view(address.owner_url, one, progress)
            typer.echo(f"{one.name} is rebuilt.")


@app.command()
def inspect(
    kind: Annotated[str, typer.Argument(help="note, soap-note, session, person, ...")],
    number: Annotated[int, typer.Argument(min=1, max=2**53 - 1, help="Its id.")],
    clinic: Annotated[int, typer.Option(min=1, help="The clinic that it belongs to.")] = 1,
    state: State = None,
) -> None:
    """Show what is recorded about one thing: each fact's clear fields, by version; never a word."""
    from runtime import inspection
    from runtime.settings import load_settings
    from runtime.wiring import attached_database

    thing = inspection.thing(clinic, kind, number)
    with attached_database(load_settings(state=state)) as address:
        for line in inspection.lines(address.app_url, thing):
            typer.echo(line)


@app.command()
def check(state: State = None) -> None:
    """Say what is wrong with settings, database, ledger and key file, and how to fix it.

    It reads every entry and compares every row of the views, beside the running service.
    """
    from runtime.checks import Level
    from runtime.checkup import findings
    from runtime.settings import load_settings

    is_wrong = False
    for level, subject, sentence, fix in findings(load_settings(state=state)):
        is_wrong |= level is Level.WRONG
        typer.echo(f"{level.value:8}{subject:10}{sentence}" + (f"\n{'':18}{fix}" if fix else ""))
    raise typer.Exit(1 if is_wrong else 0)


@app.command()
def settings(
    state: State = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The page of docs/.")] = False,
) -> None:
    """Show what can be set, and what is set now; never a secret."""
    from runtime import settings_page
    from runtime.settings import load_settings

    if markdown:
        typer.echo(settings_page.markdown(), nl=False)
        return
    show_table(("setting", "now", "meaning"), settings_page.rows(load_settings(state=state)))


@clinic.command("add")
def add_clinic(as_name: As = None, state: State = None) -> None:
    """Open the next clinic's ledger, with the record types that a new one starts with."""
    from runtime import owner, wiring
    from runtime.checks import require_ready
    from runtime.operator import the_operator
    from runtime.seed import seed_record_types
    from runtime.settings import load_settings

    settings, by = load_settings(state=state), the_operator(as_name)
    with wiring.attached_database(settings) as address:
        require_ready(address.app_url)
        with wiring.build(settings, address.app_url) as system:
            number = owner.add_clinic(address.owner_url)
            seed_record_types(system.services.ledger, number, system.services.clock(), by)
    typer.echo(f"Clinic {number} is open; its log-ins are {number}/NAME.")


@directory.command("import")
def import_directory(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    clinic: Annotated[int, typer.Option(min=1, help="The clinic of the directory.")] = 1,
    as_name: As = None,
    state: State = None,
) -> None:
    """Take in people, relationships and sessions from a CSV file (UTF-8, commas); again at will.

    Each row is one entry, in any order. Nothing is recorded where anything is wrong. Columns, by kind:

    user: id, full_name, role (therapist, auditor, administrator, ml, compliance)

    client: id, full_name

    relationship: id, therapist_user_id, client_user_id, is_active (true where empty)

    session: id, therapist_user_id, client_user_id, therapist_client_id (the relationship's id),
    session_start_time, session_end_time (as 2026-03-02T09:00:00+01:00), event_status (Scheduled,
    Cancelled, Completed, Therapist Summary Notes, Reviewed; where empty, it stays)
    """
    from runtime import directory_csv, directory_import, log_ins
    from runtime.bars import bar
    from runtime.operator import the_operator
    from runtime.settings import load_settings
    from runtime.wiring import attached_system

    by = the_operator(as_name)
    lines = directory_csv.read(file)
    with attached_system(load_settings(state=state)) as system:
        log_ins.require_clinic(system, clinic)
        work = (system.services.ledger, clinic, lines, by, system.services.clock())
        with bar("checked", len(lines)) as progress:
            directory_import.check(*work, progress)
        with bar("recorded", len(lines)) as progress:
            news = directory_import.record(*work, progress)
    typer.echo(f"{len(lines)} rows: {news} recorded, {len(lines) - news} held already.")


def main() -> None:
    """Run the command. An error that an operator can fix is shown as a sentence."""
    try:
        app(prog_name="noteledger")
    except Exception as error:
        message = operator_errors.sentence(error)
        if message is None:
            raise
        typer.echo(f"noteledger: {message}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    logs.set_up()
    main()
