"""Whether the broker can be worked with, and whether it is set as a queue needs it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from runtime.checks import Finding, Level

VERSION_MIN: Final = 7
"""Of Redis; Valkey reports the version of Redis that it is compatible with, too."""
ANSWER_SECONDS_MAX: Final = 5


def broker_findings(url: str) -> Iterator[Finding]:
    """What a worker will find; stops at what makes further questions useless."""
    client = redis.Redis.from_url(
        url,
        socket_connect_timeout=ANSWER_SECONDS_MAX,
        socket_timeout=ANSWER_SECONDS_MAX,
        retry=Retry(NoBackoff(), 0),
    )
    with closing(client):
        try:
            client.ping()
        except redis.RedisError as error:
            reason = type(error).__name__  # the text may quote the address, password and all
            sentence = f"The broker cannot be worked with: {reason}."
            fix = "Start it, or set NOTELEDGER_BROKER_URL right."
            yield Finding(Level.WRONG, "broker", sentence, fix)
            return
        try:
            info: dict[str, Any] = client.info("everything")
        except redis.RedisError:
            sentence = "The broker answers, and does not say how it is set."
            yield Finding(Level.ADVICE, "broker", sentence, "Let its user run INFO.")
            return
    yield from _settings_findings(info)


def _settings_findings(info: dict[str, Any]) -> Iterator[Finding]:
    name = (
        f"Valkey {info['valkey_version']}"
        if "valkey_version" in info
        else f"Redis {info['redis_version']}"
    )
    if int(str(info["redis_version"]).partition(".")[0]) < VERSION_MIN:
        fix = f"Use Redis {VERSION_MIN} or newer, or Valkey."
        yield Finding(Level.WRONG, "broker", f"The broker is {name}.", fix)
        return
    yield Finding(Level.RIGHT, "broker", f"{name} answers.")
    if info.get("maxmemory_policy") != "noeviction":
        sentence = "The broker throws jobs away when its memory is full; they are late, not lost."
        yield Finding(Level.ADVICE, "broker", sentence, "Set maxmemory-policy noeviction.")
    if not info.get("aof_enabled"):
        sentence = "A broker that ends forgets the newest jobs; they are late, not lost."
        yield Finding(Level.ADVICE, "broker", sentence, "Set appendonly yes.")
