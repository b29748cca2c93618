"""The log tells where something broke, and no word of what anybody wrote."""

import logging

from runtime.logs import WithoutWords


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
