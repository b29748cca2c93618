"""What goes on the log: what happened and where in the program, never what anybody wrote.

An exception's text may quote a value (PostgreSQL's messages do, and so do Python's), and a value
may be a word about a person. So a traceback ends in the kind of the exception, without its text.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Final

from ledger.request_ids import request_id_under_way

log = logging.getLogger("noteledger")

QUIET: Final = ("eventsourcing", "psycopg", "psycopg.pool")


class WithoutWords(logging.Formatter):
    """Writes an exception, and those that led to it, as their kinds and places in the source.

    A line names the request or the job's run that it is about.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, with `request` for the format: the id in brackets, or nothing."""
        request_id = request_id_under_way()
        record.request = f" [{request_id}]" if request_id else ""
        return super().format(record)

    def formatException(  # noqa: N802 (the library's name)
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """The chain of exceptions, newest last, with no text of theirs."""
        chain: list[str] = []
        error = ei[1]
        while error is not None and len(chain) < 10:
            chain.insert(0, _without_words(error))
            hidden = error.__suppress_context__
            error = error.__cause__ or (None if hidden else error.__context__)
        return "\nled to\n".join(chain)


def _without_words(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    sqlstate = getattr(error, "sqlstate", None)
    return f"{frames}\n{type(error).__qualname__}" + (f" (SQLSTATE {sqlstate})" if sqlstate else "")


def set_up() -> None:
    """Log to standard error: our own from INFO, others' from WARNING; crashes without words, too."""
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutWords("%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("crashed", exc_info=(kind, error, trace))


def _thread_crashed(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None:
        log.error(
            "a thread crashed", exc_info=(crash.exc_type, crash.exc_value, crash.exc_traceback)
        )
