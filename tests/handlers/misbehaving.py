"""What a reader may be made to do by a hostile file; run as children in the tests of the sandbox."""

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import BinaryIO, Final

FOR_EVER_SECONDS: Final = 3_600
TRIES: Final = 10


def main(source: BinaryIO, sink: BinaryIO, what: str, *more: object) -> None:
    """Read the file, and do it."""
    source.read()
    globals()[what](sink, *more)


def say_little(sink: BinaryIO) -> None:
    """What is expected."""
    sink.write(b"words")


def say_where_it_is(sink: BinaryIO) -> None:
    """What was handed down to it."""
    try:
        listed = os.listdir(".")  # noqa: PTH208 - there is no path to name it by
    except PermissionError:
        listed = []
    sink.write(json.dumps([dict(os.environ), listed, _open_descriptors()]).encode())


def _open_descriptors() -> list[int]:
    found = []
    for number in range(64):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def complain(sink: BinaryIO) -> None:
    """Words on standard error, and an end with an error."""
    sys.stderr.write("words")
    raise ValueError("words")


def talk_for_ever(sink: BinaryIO) -> None:
    """An answer without an end."""
    while True:
        sink.write(b"words" * 10_000)


def sleep_for_ever(sink: BinaryIO) -> None:
    """It neither ends nor works."""
    time.sleep(FOR_EVER_SECONDS)


def take_memory(sink: BinaryIO, mib: int) -> None:
    """So much at once, written to."""
    sink.write(b"%d" % len(bytearray(mib * 1024 * 1024)))


def kill_itself(sink: BinaryIO) -> None:
    """As the kernel does it when memory is short, or a parser's crash."""
    os.abort()


def shut_up_and_stay(sink: BinaryIO) -> None:
    """Its answer ends, it does not."""
    os.close(1)
    time.sleep(FOR_EVER_SECONDS)


def fork_and_stay(sink: BinaryIO) -> None:
    """Leave processes behind that nobody waits for, out of their group."""
    for _ in range(TRIES):
        try:
            if os.fork() == 0:
                os.setsid()
                time.sleep(FOR_EVER_SECONDS)
                os._exit(0)
        except OSError:
            sink.write(b"no ")
    sink.write(b"forks")


def look_at(sink: BinaryIO, path: str) -> None:
    """Another's file."""
    try:
        sink.write(Path(path).read_bytes())
    except OSError as error:
        sink.write(type(error).__name__.encode())


def write_to(sink: BinaryIO, path: str) -> None:
    """A file of its own."""
    try:
        sink.write(b"%d" % Path(path).write_bytes(b"words"))
    except OSError as error:
        sink.write(type(error).__name__.encode())


def call(sink: BinaryIO, port: int) -> None:
    """Somebody on this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            sink.write(b"connected")
    except OSError as error:
        sink.write(type(error).__name__.encode())
