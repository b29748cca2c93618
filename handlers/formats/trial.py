"""What the confinement gives on this machine, seen from inside; and whether the readers load."""

import json
import os
import socket
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

READERS: Final = ("child", "docx", "html", "odt", "pdf", "rtf")
"""Imported after the rights are given up, as for a file: another user may not be able to read them."""


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
    """Whether the process has root's rights: only root may raise a priority."""
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
