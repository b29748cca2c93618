"""A database that a newer program has laid is refused by every command, and by the running service."""

import json
from pathlib import Path
from typing import Final
from urllib.error import HTTPError

import pytest
import typer.main
from typer.core import TyperGroup

from ledger import schema
from runtime import cli
from tests.databases import Database, owner_of
from tests.runtime.command_line import in_here, on, serving

NEEDS_NO_DATABASE: Final = {"settings"}
ARGUMENTS: Final = {
    "inspect": ("note", "1"),
    "user add": ("anna", "--role", "therapist"),
    "user disable": ("anna",),
    "token create": ("anna", "--role", "ml"),
}
"""What a command cannot be called without. One that is not here, and needs some, fails the test."""


def commands() -> list[str]:
    """All that the command line has, derived from itself."""
    found: list[str] = []

    def walk(group: TyperGroup, path: tuple[str, ...]) -> None:
        for name, command in group.commands.items():
            if isinstance(command, TyperGroup):
                walk(command, (*path, name))
            else:
                found.append(" ".join((*path, name)))

    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    walk(group, ())
    return [name for name in found if name not in NEEDS_NO_DATABASE]


@pytest.fixture
def newer(database: Database) -> Database:
    """As a newer program leaves it."""
    with owner_of(database.owner_url) as owner:
        owner.execute("INSERT INTO ledger.schema_version VALUES (%s)", (schema.VERSION + 1,))
    return database


@pytest.mark.parametrize("command", commands())
def test_every_command_refuses(
    command: str, newer: Database, key_file: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("kind,id,full_name,role\nuser,1,Anna,therapist\n")
    arguments = {"directory import": (str(people),), **ARGUMENTS}.get(command, ())
    env = on(newer, key_file) | {"NOTELEDGER_BROKER_URL": "redis://127.0.0.1:1/0"}
    before = _all(newer)
    result = in_here(*command.split(), *arguments, env=env, stdin="correct horse battery\n")
    assert result.code == 1, result
    assert "newer noteledger" in result.out + result.error
    assert _all(newer) == before


def test_a_running_service_is_no_longer_ready(database: Database, key_file: Path) -> None:
    """A load balancer sends nothing more to the older program, once a newer one has migrated."""
    with serving(env=on(database, key_file)) as service:
        assert json.loads(service.get("/readyz")) == {"status": "ready"}
        with owner_of(database.owner_url) as owner:
            owner.execute("INSERT INTO ledger.schema_version VALUES (%s)", (schema.VERSION + 1,))
        with pytest.raises(HTTPError) as error:
            service.get("/readyz")
        assert error.value.code == 503


def _all(database: Database) -> list[tuple[int, ...]]:
    with owner_of(database.owner_url) as owner:
        return owner.execute(
            "SELECT (SELECT count(*) FROM ledger.entries), (SELECT count(*) FROM ledger.accounts),"
            " (SELECT count(*) FROM ledger.ledger_head), (SELECT max(oid)::bigint FROM pg_class)"
        ).fetchall()
