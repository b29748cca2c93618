"""The queue of jobs: Dramatiq on Redis or Valkey, or in the memory of this process.

A message carries a job's name, ids and versions, never words about a person, and not the traceback
that Dramatiq adds when it tries a job again. A lost message (an erased broker, a lost reply, a dead
worker) loses no job: the ledger holds the request, and the sweeper sends the job again.
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
"""A worker without a heartbeat for this time counts as dead, and others take its jobs. Workers send
their own clock's time some ten times a second: the clocks of machines must agree within seconds."""
MAINTENANCE_PER_MILLION: Final = 200_000
"""How many of a million commands also look for dead workers; Dramatiq's default is 1,000."""
DEAD_LETTERS_MS: Final = 0
"""No dead letters are kept: a job that was given up is a fact in the ledger."""

RETRIES_MAX: Final = 5
BACKOFF_MS_MIN: Final = 1_000
BACKOFF_MS_MAX: Final = 60_000

CONNECT_SECONDS_MAX: Final = 2.0
READ_SECONDS_MAX: Final = 5.0
IDLE_SECONDS_MAX: Final = 30
"""A connection that was idle for this time is checked before it is used."""

Argument = int | str
Run = Callable[..., None]


class QueueIsAwayError(ConnectionClosed):
    """The broker cannot be reached, or answers with an error."""

    def __init__(self, error: redis.RedisError) -> None:
        # Only the error's type: its text may quote a command.
        sentence = f"The broker does not answer ({type(error).__name__})."
        super().__init__(sentence)  # type: ignore[no-untyped-call]


def open_queue(url: str | None, *more: Middleware) -> "JobQueue":
    """The queue on the Redis or Valkey of `url`, or in memory. Does not connect yet.

    The middleware in `more` sees each run after its outcome is known.
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
    """Set the function of a job. `run` gets the arguments that were sent, and may run twice.

    If it raises, it runs again later, at most `retries_max` times. At the time limit
    `dramatiq.middleware.TimeLimitExceeded` is raised in it.
    """
    options = {"time_limit": time_limit_ms, "max_retries": retries_max}
    Actor(run, broker=queue, actor_name=name, queue_name=QUEUE, priority=0, options=options)


def send(queue: Broker, name: str, *arguments: Argument) -> None:
    """Put a job into the queue; it need not be declared in this process. Raises QueueIsAwayError."""
    queue.enqueue(message_of(name, *arguments))


def message_of(name: str, *arguments: Argument) -> Message[None]:
    """The message of a job."""
    return Message(queue_name=QUEUE, actor_name=name, args=arguments, kwargs={}, options={})


class SharedQueue(RedisBroker):
    """On Redis or Valkey, for any number of processes.

    Every error of the broker counts as a lost connection. Dramatiq knows fewer of them: a time-out, a
    server that still loads or a full disk would end its threads, or leave a message with a worker
    that no longer knows of it.
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
        """Start to consume. Delayed messages that this consumer held before go back to the queue."""
        if queue_name in self.delay_queues:
            acks = f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"
            if held := _checked(lambda: self.client.smembers(acks)):
                self.do_requeue(queue_name, *held)
        return super().consume(queue_name, prefetch, timeout)

    def length(self) -> int:
        """The number of jobs that are waiting, delayed or running. Raises QueueIsAwayError."""
        # In one transaction: a delayed job that falls due is in both queues, then in one; never in none.
        with self.client.pipeline(transaction=True) as both:
            for name in (QUEUE, dq_name(QUEUE)):
                both.hlen(f"{self.namespace}:{name}.msgs")
            return sum(_checked(both.execute))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _dispatch(self, command: str) -> Callable[..., Any]:
        dispatch = super()._dispatch(command)  # type: ignore[no-untyped-call]
        return lambda queue_name, *args: _checked(lambda: dispatch(queue_name, *args))


class MemoryQueue(StubBroker):
    """In this process, for its own threads; its messages are gone when the process ends."""

    def __init__(self, middleware: list[Middleware]) -> None:
        super().__init__(middleware)
        none_kept: Any = defaultdict(lambda: deque(maxlen=0))
        self.dead_letters_by_queue = none_kept

    def length(self) -> int:
        """The number of jobs that are waiting, delayed or running."""
        return sum(self.queues[name].unfinished_tasks for name in (QUEUE, dq_name(QUEUE)))


JobQueue = SharedQueue | MemoryQueue


def _checked(send_commands: Callable[[], Any]) -> Any:
    """The answer. Raises QueueIsAwayError for any error of the broker."""
    try:
        return send_commands()
    except redis.RedisError as error:
        raise QueueIsAwayError(error) from None


class _WithoutWords(Middleware):
    """Removes the traceback that Dramatiq adds to a message: an error's text may quote words."""

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        message.options.pop("traceback", None)
