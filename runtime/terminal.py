"""What the commands share: the options `--state` and `--as`, and how a table is shown. Imports nothing slow."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

State = Annotated[
    Path | None,
    typer.Option(help="Directory of the embedded database and the key file.", show_default=False),
]

As = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="Your name, which is recorded with what is done. Default: the system's user.",
        show_default=False,
    ),
]


def show_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """On standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table, markup=False)
