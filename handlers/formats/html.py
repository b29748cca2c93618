"""HTML by `inscriptis`: as a text browser lays it out, without scripts, hidden and deleted elements."""

import re
from typing import Final

from inscriptis import get_text
from inscriptis.css_profiles import RELAXED_CSS_PROFILE
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement

from handlers.formats.outcome import TRACKED, CannotRead, Found, Unreadable

_DELETED: Final = re.compile(r"<del\b", re.IGNORECASE)


def read_html(text: str) -> Found:
    """The page's text. Raises CannotRead."""
    css = RELAXED_CSS_PROFILE | {"del": HtmlElement(display=Display.none)}
    try:
        said: str = get_text(text, ParserConfig(css=css))
    except RecursionError:
        raise CannotRead(Unreadable.TOO_DEEP) from None
    return Found(None, [said], [TRACKED] if _DELETED.search(text) else [])
