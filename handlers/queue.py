"""The queue of jobs: Dramatiq on Redis or Valkey, or in the memory of this process.

A message carries a job's name, ids and versions, never words about a person; nor does it carry the
traceback that Dramatiq adds when it tries a job again. Whoever loses a message (a broker erased, a
reply lost on the way, a worker's memory) loses nothing: the ledger knows what was asked for.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

import redis
from dramatiq import Actor, Broker, Message
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.common import dq_name
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware, Retries, ShutdownNotifications, TimeLimit
from redis.backoff import NoBackoff
from redis.retry import Retry

QUEUE: Final = "jobs"
NAMESPACE: Final = "noteledger"

HEARTBEAT_MS_MAX: Final = 15_000
"""A worker that was not heard of for so long is dead, and its jobs are another's. Each sends a sign
some ten times a second, by its own clock: those of several machines have to agree within seconds."""
MAINTENANCE_PER_MILLION: Final = 200_000
"""Of so many commands in a million, one looks for dead workers as well; the default is 1,000."""
DEAD_LETTERS_MS: Final = 0
"""A job that was given up is a fact in the ledger; nobody reads it here."""

RETRIES_MAX: Final = 5
BACKOFF_MS_MIN: Final = 1_000
BACKOFF_MS_MAX: Final = 60_000

CONNECT_SECONDS_MAX: Final = 2.0
READ_SECONDS_MAX: Final = 5.0
IDLE_SECONDS_MAX: Final = 30
"""A connection that was not used for so long is asked whether it still is one."""

Argument = int | str
Run = Callable[..., None]


class QueueIsAwayError(ConnectionClosed):
    """The broker cannot be reached, or takes nothing."""

    def __init__(self, error: redis.RedisError) -> None:
        # The kind is enough: the text may quote a command.
        sentence = f"The broker does not answer ({type(error).__name__})."
        super().__init__(sentence)  # type: ignore[no-untyped-call]


def open_queue(url: str | None, *more: Middleware) -> "JobQueue":
    """The queue on the Redis or Valkey of `url`, or in memory. Does not connect yet.

    `more` sees each run after its outcome is settled.
    """
    middleware = [
        *more,
        TimeLimit(interval=500),
        ShutdownNotifications(notify_shutdown=True),
        Retries(max_retries=RETRIES_MAX, min_backoff=BACKOFF_MS_MIN, max_backoff=BACKOFF_MS_MAX),
        _WithoutWords(),
    ]
    queue = MemoryQueue(middleware) if url is None else SharedQueue(url, middleware)
    queue.declare_queue(QUEUE)
    return queue


def declare(
    queue: Broker,
    name: str,
    run: Run,
    *,
    time_limit_ms: int,
    retries_max: int = RETRIES_MAX,
) -> None:
    """Say what to do for a job. `run` gets the arguments that were sent, and may run twice.

    Where it raises, it runs again later, `retries_max` times at most. The time limit raises
    `dramatiq.middleware.TimeLimitExceeded` in it.
    """
    options = {"time_limit": time_limit_ms, "max_retries": retries_max}
    Actor(run, broker=queue, actor_name=name, queue_name=QUEUE, priority=0, options=options)


def send(queue: Broker, name: str, *arguments: Argument) -> None:
    """Put a job into the queue; it need not be declared here. Raises QueueIsAwayError."""
    queue.enqueue(message_of(name, *arguments))


def message_of(name: str, *arguments: Argument) -> Message[None]:
    """A job as the queue holds it."""
    return Message(queue_name=QUEUE, actor_name=name, args=arguments, kwargs={}, options={})


class SharedQueue(RedisBroker):
    """On Redis or Valkey, for any number of processes.

    Dramatiq takes only lost connections for such; a time-out, a server that still loads or whose
    disk is full would end its threads, or leave a message with a worker that has forgotten it.
    """

    def __init__(self, url: str, middleware: list[Middleware]) -> None:
        client = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS_MAX,
            socket_timeout=READ_SECONDS_MAX,
            health_check_interval=IDLE_SECONDS_MAX,
            # Once, since a broker that came back has closed all connections; not after a time-out.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        super().__init__(  # type: ignore[no-untyped-call]
            client=client,
            middleware=middleware,
            namespace=NAMESPACE,
            maintenance_chance=MAINTENANCE_PER_MILLION,
            heartbeat_timeout=HEARTBEAT_MS_MAX,
            dead_message_ttl=DEAD_LETTERS_MS,
        )

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Whoever begins to consume delayed messages holds none: those it held before go back."""
        if queue_name in self.delay_queues:
            acks = f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"
            if held := _asked(lambda: self.client.smembers(acks)):
                self.do_requeue(queue_name, *held)
        return super().consume(queue_name, prefetch, timeout)

    def length(self) -> int:
        """Jobs that nobody has finished: waiting, delayed or under way. Raises QueueIsAwayError."""
        # At one moment: a delayed job that falls due is first in both, then in one; never in none.
        with self.client.pipeline(transaction=True) as both:
            for name in (QUEUE, dq_name(QUEUE)):
                both.hlen(f"{self.namespace}:{name}.msgs")
            return sum(_asked(both.execute))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _dispatch(self, command: str) -> Callable[..., Any]:
        dispatch = super()._dispatch(command)  # type: ignore[no-untyped-call]
        return lambda queue_name, *args: _asked(lambda: dispatch(queue_name, *args))


class MemoryQueue(StubBroker):
    """In this process, for its own threads; what waits in it is gone with the process."""

    def __init__(self, middleware: list[Middleware]) -> None:
        super().__init__(middleware)
        forgotten: Any = defaultdict(lambda: deque(maxlen=0))
        self.dead_letters_by_queue = forgotten

    def length(self) -> int:
        """Jobs that nobody has finished: waiting, delayed or under way."""
        return sum(self.queues[name].unfinished_tasks for name in (QUEUE, dq_name(QUEUE)))


JobQueue = SharedQueue | MemoryQueue


def _asked(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except redis.RedisError as error:
        raise QueueIsAwayError(error) from None


class _WithoutWords(Middleware):
    """What Dramatiq keeps of an error when it tries again is its text, which may quote words."""

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        message.options.pop("traceback", None)
