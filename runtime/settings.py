"""The settings: each comes from the environment (NOTELEDGER_…) and stands in docs/settings.md."""

import ipaddress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, HttpUrl, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.value import Role
from runtime.operator_errors import OperatorError

ENV_PREFIX: Final = "NOTELEDGER_"
CONNECTIONS_BESIDE_JOBS: Final = 4
"""For the appender, the relay and the sweeper."""


class SettingsAreWrongError(OperatorError):
    """Some settings cannot be used; the message has a line for each, and quotes none of them."""


class Settings(BaseSettings):
    """What an operator can set. `noteledger check` says whether it fits together."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    state: Path = Field(
        default=Path(".state"),
        description="Directory for what is kept between starts: the embedded database, the key file.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="libpq URL of your own PostgreSQL (15 or newer), as the running program's user."
        " Without it an embedded PostgreSQL is started in the state directory.",
    )
    owner_database_url: SecretStr | None = Field(
        default=None,
        description="libpq URL of the user that owns the tables, for `migrate` and `rebuild`."
        " Without it they use NOTELEDGER_DATABASE_URL.",
    )
    key_file: Path | None = Field(
        default=None,
        description="File of the key-encryption key (made on the first start, mode 0600). Without it"
        " nothing that was written can be read: back it up, apart from the database."
        " Default: keys.json in the state directory.",
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="URL of your own Redis (7 or newer) or Valkey, for the queue of jobs: redis://,"
        " rediss:// (TLS) or unix://. Without it an embedded Valkey is started in the state directory"
        " beside the embedded PostgreSQL; with a PostgreSQL of your own, jobs wait in memory.",
    )
    worker_threads: int = Field(
        default=2, ge=1, le=100, description="Threads that work on jobs, in each process that does."
    )
    llm_url: HttpUrl | None = Field(
        default=None,
        description="Base URL of an OpenAI-compatible service that drafts SOAP notes, for instance"
        " https://llm.example/v1. It is sent de-identified text only. Without it drafts are made here,"
        " of sentences that stand in the sources.",
    )
    llm_key: SecretStr | None = Field(
        default=None, description="API key of the service that drafts."
    )
    llm_model: str = Field(default="gpt-4o-mini", description="Name of the model that drafts.")
    llm_seconds: float = Field(
        default=60.0, gt=0, le=300, description="Most seconds that one draft may take there."
    )
    host: str = Field(default="127.0.0.1", description="Address that the service listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that the service listens on.")
    public_url: HttpUrl | None = Field(
        default=None,
        description="Where browsers reach the service. With https the session cookie is Secure and"
        " carries the __Host- prefix; always set it behind a TLS proxy. Default: http on host and port.",
    )
    demo: bool | None = Field(
        default=None,
        description="Whether a ledger that is empty at the start gets demo people, sessions and log-ins"
        " with well-known passwords. Default: with the embedded database on a loopback address only.",
    )
    anonymous_role: Role | None = Field(
        default=None,
        description="Role of callers who do not sign in. Default: none; they are answered 401.",
    )
    anonymous_user_id: int = Field(
        default=0, ge=0, description="User id that stands for callers who do not sign in."
    )
    session_idle_minutes: int = Field(
        default=30, ge=1, description="Minutes without use after which a browser session ends."
    )
    session_absolute_hours: int = Field(
        default=12, ge=1, description="Hours after which a browser session ends, used or not."
    )
    idempotency_days: int = Field(
        default=7, ge=1, description="Days for which an Idempotency-Key is remembered."
    )
    text_bytes_max: int = Field(
        default=1024 * 1024, ge=1, description="Longest text of a note, in bytes of UTF-8."
    )
    file_bytes_max: int = Field(
        default=10 * 1024 * 1024, ge=1, description="Largest uploaded file, in bytes."
    )
    files_max: int = Field(default=20, ge=1, description="Most files in one save.")
    document_seconds_max: int = Field(
        default=30, ge=1, le=600, description="Seconds that reading one file's text may take."
    )
    document_text_bytes_max: int = Field(
        default=1024 * 1024,
        ge=1,
        description="Longest text that is kept of one file, in bytes of UTF-8; what is longer is cut off.",
    )
    page_entries: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Entries on a page of a list where `limit` is not said.",
    )
    database_connections: int = Field(
        default=20,
        ge=5,
        le=500,
        description="Most connections to the database, for each process: at least two for each worker"
        " thread, and four.",
    )
    streams_max: int = Field(
        default=500, ge=1, description="Most event streams at a time, for each process."
    )
    streams_each_max: int = Field(
        default=10, ge=1, description="Most event streams of one user at a time, for each process."
    )

    @field_validator("database_url", "owner_database_url")
    @classmethod
    def _is_a_libpq_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            found = conninfo_to_dict(value.get_secret_value())
        except ProgrammingError:  # its text may quote the password
            found = {"host": "@"}
        # What a password leaves in other places, where it holds an @ or a colon as they are.
        ports = str(found.get("port", "")).replace(",", "")
        if "@" in str(found.get("host", "")) or (not ports.isdigit() and ports):
            raise ValueError(
                "not a libpq URL, such as postgresql://user:password@host:5432/database"
                " (with special characters of the password percent-encoded)"
            )
        return value

    @field_validator("broker_url")
    @classmethod
    def _is_a_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_redis_url(value.get_secret_value()):
            raise ValueError(
                "not a Redis URL, such as redis://:password@host:6379/0 or unix:///run/valkey.sock"
                " (with special characters of the password percent-encoded)"
            )
        return value

    @field_validator("database_connections")
    @classmethod
    def _is_enough_for_the_threads(cls, value: int, others: ValidationInfo) -> int:
        """A job holds one for its lock, and needs another to go on: too few would wait for each other."""
        needed = 2 * int(others.data.get("worker_threads", 0)) + CONNECTIONS_BESIDE_JOBS
        if value < needed:
            raise ValueError(f"so many worker threads need {needed} connections")
        return value

    @property
    def key_path(self) -> Path:
        """Where the key-encryption key is."""
        return self.key_file or self.state / "keys.json"

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the service by https."""
        return self.public_url is not None and self.public_url.scheme == "https"

    @property
    def is_embedded(self) -> bool:
        """Whether the database is our own PostgreSQL in the state directory."""
        return self.database_url is None

    @property
    def works_itself(self) -> bool:
        """Whether the service does the background work itself; otherwise programs of their own do."""
        return self.is_embedded or self.broker_url is None

    @property
    def is_loopback(self) -> bool:
        """Whether the service is out of the reach of other machines."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_demo(self) -> bool:
        """Whether an empty ledger is filled with demo people."""
        return self.is_embedded and self.is_loopback if self.demo is None else self.demo


def _is_redis_url(url: str) -> bool:
    """As redis-py takes it, and with nothing in it that it would leave out in silence."""
    try:
        found = urlsplit(url)
        has_port = found.port is None or found.port > 0
    except ValueError:  # brackets, a port that is no number: its text may quote the password
        return False
    if found.fragment or not has_port:
        return False
    if found.scheme == "unix":
        return len(found.path) > 1
    is_database = not found.path.strip("/") or found.path[1:].isdecimal()
    return found.scheme in {"redis", "rediss"} and bool(found.hostname) and is_database


def load_settings(**given: Any) -> Settings:
    """The settings of the environment, under those that were given (None: not given).

    Raises SettingsAreWrongError.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as wrong:
        lines = [
            f"{env_name(str(error['loc'][0]))}: {error['msg'].removeprefix('Value error, ')}"
            for error in wrong.errors(include_input=False, include_url=False)
        ]
    raise SettingsAreWrongError("\n".join(lines))


def env_name(field: str) -> str:
    """The environment variable of a setting."""
    return f"{ENV_PREFIX}{field.upper()}"
