"""What the confinement comes to on this machine, seen from inside; and whether the readers load."""

import json
import os
import socket
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

READERS: Final = ("child", "docx", "html", "odt", "pdf", "rtf")
"""Imported when the last right is gone, as they are for a file: another user may not be let in."""


def main(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer with `has_privileges`, `process_id`, `has_network` and `sees_files`."""
    source.read()
    for reader in READERS:
        import_module(f"handlers.formats.{reader}")
    interfaces = {name for _, name in socket.if_nameindex()}
    seen = {
        "has_privileges": _has_privileges(),
        "process_id": os.getpid(),
        "has_network": bool(interfaces - {"lo"}),
        "sees_files": _sees_files(),
    }
    sink.write(json.dumps(seen).encode())


def _has_privileges() -> bool:
    """Whether root's rights are there: to take precedence over others is one of them."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -1)
    except PermissionError:
        return False
    return True


def _sees_files() -> bool:
    try:
        next(Path("/").iterdir(), None)
    except PermissionError:
        return False
    return True
