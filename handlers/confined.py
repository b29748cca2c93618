"""What runs in the child: as a script, it gives up its rights, then reads a file.

`python -I -S confined.py ORDERS`, where ORDERS is JSON of `Orders`. The file is read only after the
last right is given up; from then on the kernel stops what a hostile file tries. Imports are few:
each file pays for them.
"""

import json
import os
import resource
import sys
from contextlib import suppress
from typing import Any, Final, NamedTuple

NO_CORE: Final = 1
"""Bytes. With 0 a kernel that pipes core dumps to a program still would (core(5)); words are in them."""
OPEN_FILES_MAX: Final = 64


class Orders(NamedTuple):
    """The parent's orders to its child.

    `paths` are searched for modules; under `readable` files may be read and programs run.
    `user_id` is the user that a child of root changes to. `may_fork` is for OCR alone.
    """

    program: str
    arguments: list[Any]
    paths: list[str]
    readable: list[str]
    nowhere: int
    user_id: int | None
    may_fork: bool
    memory_bytes_max: int
    cpu_seconds_max: int


def main() -> None:
    orders = Orders(*json.loads(sys.argv[1]))
    sys.path[:0] = orders.paths
    program = __import__(orders.program, fromlist=["main"])
    os.fchdir(orders.nowhere)
    os.close(orders.nowhere)
    confine(orders)
    with os.fdopen(1, "wb", closefd=False) as sink, os.fdopen(0, "rb", closefd=False) as source:
        program.main(source, sink, *orders.arguments)


def confine(orders: Orders) -> None:
    """Give up every right that is not needed to read a file."""
    if orders.user_id is not None:
        os.setgroups([])
        os.setgid(orders.user_id)
        os.setuid(orders.user_id)
    shut_files(orders.readable)
    limits = {
        resource.RLIMIT_CORE: NO_CORE,
        resource.RLIMIT_CPU: orders.cpu_seconds_max,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES_MAX,
        resource.RLIMIT_AS: orders.memory_bytes_max,
    }
    if not orders.may_fork:
        limits[resource.RLIMIT_NPROC] = 0
    for limit, most in limits.items():
        with suppress(ValueError, OSError):  # a system that does not know this one: the others hold
            resource.setrlimit(limit, (most, most))


# --- Landlock (Linux 5.13 and newer), documented in landlock(7)

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_NO_NEW_PRIVILEGES: Final = 38
_VERSION_ONLY: Final = 1
_PATH_BENEATH: Final = 1
_MAY_READ: Final = 1 << 0 | 1 << 2 | 1 << 3  # execute, read files, read directories
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many kinds of access to files each version knows; newer ones know as many as 5."""
_TCP: Final = 0b11
_TCP_SINCE: Final = 4
_SCOPES: Final = 0b11
_SCOPES_SINCE: Final = 6


def shut_files(readable: list[str]) -> None:
    """From now on only files under these can be opened, and only for reading; no TCP. Linux only."""
    if sys.platform != "linux":
        return
    try:
        from ctypes import CDLL, c_char_p, c_int, c_long, c_size_t, c_uint32  # noqa: PLC0415
    except ImportError:  # a Python built without it
        return
    libc = CDLL(None)
    syscall = libc.syscall
    syscall.restype = c_long
    version = syscall(c_long(_CREATE_RULESET), None, c_size_t(0), c_uint32(_VERSION_ONLY))
    if version < 1:
        return
    handled = _attributes(version)
    ruleset = syscall(
        c_long(_CREATE_RULESET), c_char_p(handled), c_size_t(len(handled)), c_uint32(0)
    )
    if ruleset < 0:
        return
    for path in readable:
        with suppress(OSError):  # not on this system
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = c_char_p(_words(_MAY_READ) + beneath.to_bytes(4, sys.byteorder))
            syscall(c_long(_ADD_RULE), c_int(ruleset), c_int(_PATH_BENEATH), rule, c_uint32(0))
            os.close(beneath)
    libc.prctl(c_int(_NO_NEW_PRIVILEGES), c_long(1), c_long(0), c_long(0), c_long(0))
    syscall(c_long(_RESTRICT_SELF), c_int(ruleset), c_uint32(0))
    os.close(ruleset)


def _attributes(version: int) -> bytes:
    """The rights that need a rule from now on: all that this kernel version knows."""
    files = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    if version < _TCP_SINCE:
        return _words(files)
    if version < _SCOPES_SINCE:
        return _words(files, _TCP)
    return _words(files, _TCP, _SCOPES)


def _words(*numbers: int) -> bytes:
    """64 bits each, as the kernel's structures have them."""
    return b"".join(number.to_bytes(8, sys.byteorder) for number in numbers)


if __name__ == "__main__":
    main()
