"""The log tells where something broke, and no word of what anybody wrote."""

import logging
import subprocess
import sys

from runtime.logs import WithoutWords
from tests.runtime.command_line import CHECKOUT


def logged(error: BaseException) -> str:
    """What is written about it."""
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "broke", None, None)
    record.exc_info = (type(error), error, error.__traceback__)
    return WithoutWords().format(record)


def broken(word: str) -> Exception:
    """An exception that quotes a word, and was caused by one that does."""
    try:
        _broken(word)
    except RuntimeError as error:
        return error
    raise AssertionError


def _broken(word: str) -> None:
    try:
        int(word)
    except ValueError as cause:
        raise RuntimeError(f"{word} is no number") from cause


def test_an_exceptions_text_is_left_out() -> None:
    error = broken("Mabel")
    assert "Mabel" in str(error)
    written = logged(error)
    assert "Mabel" not in written
    assert written.index("ValueError") < written.index("led to") < written.rindex("RuntimeError")
    assert f"in {broken.__name__}" in written


AT_THE_END = """
import atexit, logging, runpy, sys

word = sys.argv[1]  # not in the source: a traceback quotes the line that failed

def say():
    try:
        int(word)
    except ValueError:
        logging.getLogger("dramatiq.worker").exception("broke")

atexit.register(say)
sys.argv = ["noteledger", "--version"]
runpy.run_module("runtime.cli", run_name="__main__")
"""


def test_the_command_logs_so_whichever_library_speaks() -> None:
    command = [sys.executable, "-c", AT_THE_END, "Mabel"]
    ran = subprocess.run(command, check=True, cwd=CHECKOUT, capture_output=True, text=True)
    assert "ERROR dramatiq.worker: broke" in ran.stderr
    assert "ValueError" in ran.stderr
    assert "Mabel" not in ran.stderr
