"""One look-out for all streams of the process: it polls the ledgers' heads while somebody listens.

What it finds it reads once for a clinic and keeps for a while; each stream takes from there what
its caller may learn of, and reads older changes by itself. If the process dies nothing is lost:
a stream goes on anywhere from the position that its reader saw last.
"""

import asyncio
import logging
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple

import anyio
from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync

from api.services import StreamLimits
from domain.value import Caller, Role
from ledger.database import UNREACHABLE
from projections.changes import Change, Changes, Page, Treatments, visible_changes

log = logging.getLogger("noteledger.changes")

READS_AT_ONCE: Final = 2
"""Of streams that catch up. They have threads of their own, and take none from requests."""
BATCH_CHANGES: Final = 10
"""So many changes at once make the look-out rest twice as long."""
TROUBLE_SECONDS: Final = 1.0
"""How long it waits after a look that failed."""


class TooManyStreams(Exception):
    """Nobody can listen in addition at the moment."""


class TooManyOfYourStreams(Exception):
    """The caller listens often enough."""


@dataclass
class _Clinic:
    """How far a clinic's ledger was read (None: not yet), and what was found above `since`."""

    streams: int = 0
    position: int | None = None
    since: int = 0
    kept: list[Change] = field(default_factory=list)
    clients_of: Mapping[int, frozenset[int]] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class _News(NamedTuple):
    """What a look found of one clinic: its head, and the changes up to there or to the page's end."""

    clinic_id: int
    head: int
    page: Page | None
    treatments: Treatments | None


_Listener = tuple[int, int, Role]
"""Whoever may have so many streams: clinic, user and role, however they came in."""


def _listener(caller: Caller) -> _Listener:
    return caller.clinic_id, caller.user_id, caller.role


class ChangeStream:
    """The streams of one process, and what they send."""

    def __init__(
        self, changes: Changes, limits: StreamLimits, is_ending: Callable[[], bool]
    ) -> None:
        self._changes = changes
        self._limits = limits
        self._is_ending = is_ending
        self._looking = CapacityLimiter(1)
        self._reading = CapacityLimiter(READS_AT_ONCE)
        self._clinics: dict[int, _Clinic] = {}
        self._of_caller: Counter[_Listener] = Counter()
        self._scopes: set[CancelScope] = set()
        self._look_out: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, caller: Caller) -> Iterator[CancelScope]:
        """A stream's scope: cancelled when its time is over or the service ends.

        Raises TooManyStreams, TooManyOfYourStreams.
        """
        if len(self._scopes) >= self._limits.streams_max:
            raise TooManyStreams
        if self._of_caller[_listener(caller)] >= self._limits.streams_each_max:
            raise TooManyOfYourStreams
        scope = CancelScope(deadline=anyio.current_time() + self._limits.life_seconds)
        clinic = self._clinics.setdefault(caller.clinic_id, _Clinic())
        clinic.streams += 1
        self._of_caller[_listener(caller)] += 1
        self._scopes.add(scope)
        if self._look_out is None:
            self._look_out = asyncio.create_task(self._watch())
        try:
            with scope:
                yield scope
        finally:
            self._leave(caller, clinic, scope)

    async def head(self, caller: Caller) -> int:
        """The newest position of the caller's clinic."""
        read = partial(self._changes.heads, [caller.clinic_id])
        return (await run_sync(read, limiter=self._reading))[caller.clinic_id]

    async def changes(self, caller: Caller, after: int) -> tuple[list[Change], int]:
        """Waits until the ledger is beyond `after`; then what the caller may learn of, up to a position.

        Who treats whom is judged by what the ledger says at that position or later, never before.
        """
        clinic = self._clinics[caller.clinic_id]
        while clinic.position is None or clinic.position <= after:
            await clinic.moved.wait()
        found, upto = clinic.kept, clinic.position
        if after < clinic.since:
            read = partial(self._changes.page, caller.clinic_id, after, upto)
            page = await run_sync(read, limiter=self._reading)
            found, upto = page.changes, page.position
        news = found[bisect_right(found, after, key=attrgetter("position")) :]
        return visible_changes(
            caller, news, clinic.clients_of.get(caller.user_id, frozenset())
        ), upto

    # --- the look-out

    def _leave(self, caller: Caller, clinic: _Clinic, scope: CancelScope) -> None:
        self._scopes.remove(scope)
        self._of_caller -= Counter([_listener(caller)])
        clinic.streams -= 1
        if not clinic.streams:
            del self._clinics[caller.clinic_id]
        if not self._scopes and self._look_out:
            self._look_out.cancel()
            self._look_out = None

    async def _watch(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._heed_the_end)
            tasks.start_soon(self._poll)

    async def _heed_the_end(self) -> None:
        """Streams end at once when the service does: their readers come back to the next one."""
        while True:
            await anyio.sleep(self._limits.poll_seconds)
            if self._is_ending():
                for scope in self._scopes:
                    scope.cancel()

    async def _poll(self) -> None:
        while True:
            batch_size, is_behind = 0, False
            read_to = {number: clinic.position for number, clinic in self._clinics.items()}
            try:
                for news in await run_sync(partial(self._look, read_to), limiter=self._looking):
                    self._take_in(news)
                    if news.page:
                        batch_size += len(news.page.changes)
                        is_behind |= news.page.position < news.head
                seconds = 0.0 if is_behind else self._rest(batch_size)
            except Exception as error:
                # Streams outlast a database that is away for a while; its text may hold anything.
                if not isinstance(error, UNREACHABLE):
                    log.error("looking for changes failed: %s", type(error).__name__)
                seconds = TROUBLE_SECONDS
            await anyio.sleep(seconds)

    def _rest(self, batch_size: int) -> float:
        """The more comes at once, the longer the next look waits, so that one batch takes more.

        To be woken costs a stream as much for one change as for a hundred.
        """
        seconds = self._limits.poll_seconds * (1 + batch_size / BATCH_CHANGES)
        return min(seconds, self._limits.poll_seconds_max)

    def _look(self, read_to: Mapping[int, int | None]) -> list[_News]:
        """In a thread: what is new above the positions that were read to."""
        found = []
        for clinic_id, head in self._changes.heads(list(read_to)).items():
            before = read_to[clinic_id]
            if before is None:
                found.append(_News(clinic_id, head, None, self._changes.treatments(clinic_id)))
            elif head > before:
                page = self._changes.page(clinic_id, before, head)
                changed = page.has_relationships
                treatments = self._changes.treatments(clinic_id) if changed else None
                found.append(_News(clinic_id, head, page, treatments))
        return found

    def _take_in(self, news: _News) -> None:
        """Keep what was found, and wake the clinic's streams."""
        clinic = self._clinics.get(news.clinic_id)
        if clinic is None:  # the last of them left meanwhile
            return
        if news.treatments:
            clinic.clients_of = news.treatments.clients_of
        if news.page is None:
            assert news.treatments is not None, "the first look reads them"
            clinic.position = clinic.since = news.treatments.position
        elif clinic.position is not None:
            clinic.kept += news.page.changes
            clinic.position = news.page.position
            if too_many := clinic.kept[: -self._limits.changes_kept]:
                clinic.since = too_many[-1].position
                del clinic.kept[: len(too_many)]
        clinic.moved.set()
        clinic.moved = asyncio.Event()
