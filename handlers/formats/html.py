"""HTML by `inscriptis`: as a text browser lays it out, without scripts, hidden and deleted elements."""

import re
from typing import Final

from inscriptis.css_profiles import RELAXED_CSS_PROFILE
from inscriptis.html_engine import Inscriptis
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from lxml import etree
from lxml.html import HTMLParser, document_fromstring

from handlers.formats.outcome import TRACKED, CannotRead, Found, Unreadable

_XML_DECLARATION: Final = re.compile(r"^\s*<\?xml [^>]*>")
_TOO_DEEP: Final = "Excessive depth"


def read_html(text: str) -> Found:
    """The page's text. Raises CannotRead."""
    parser = HTMLParser()
    try:
        page = document_fromstring(_XML_DECLARATION.sub("", text), parser=parser)
    except etree.ParserError:  # nothing but markup
        raise CannotRead(Unreadable.NO_TEXT) from None
    if any(error.message.startswith(_TOO_DEEP) for error in parser.error_log):
        raise CannotRead(Unreadable.TOO_DEEP)  # what stands deeper is not in the tree
    css = RELAXED_CSS_PROFILE | {"del": HtmlElement(display=Display.none)}
    laid_out: str = Inscriptis(page, ParserConfig(css=css)).get_text()
    has_deleted = next(page.iter("del"), None) is not None
    return Found(None, [laid_out], [TRACKED] if has_deleted else [])
