"""Whether uploaded files can be read here, pictures among them, and how far their readers are confined."""

from collections.abc import Iterator
from contextlib import closing

from handlers.documents import Documents, ReadersDoNotStartError
from runtime.checks import Finding, Level
from runtime.settings import Settings
from runtime.wiring import build_documents


def document_findings(settings: Settings) -> Iterator[Finding]:
    """As the service itself would find it."""
    with closing(build_documents(settings)) as documents:
        yield _isolation_finding(documents)
        if documents.has_ocr:
            yield Finding(Level.RIGHT, "documents", "Pictures and scans are read by Tesseract.")
        else:
            sentence = "Pictures and scans are not read: there is no Tesseract."
            fix = "On Debian and Ubuntu: apt install tesseract-ocr, and start the service again."
            yield Finding(Level.ADVICE, "documents", sentence, fix)


def _isolation_finding(documents: Documents) -> Finding:
    try:
        isolation = documents.isolation
    except ReadersDoNotStartError as error:
        fix = "Make the files of Python and of the program readable for the service's user."
        return Finding(Level.WRONG, "documents", str(error.__doc__), fix)
    if isolation.missing:
        sentence = f"Files are read by processes that are not fully confined: {isolation.sentence}."
        fix = "docs/documents.md says what a machine must permit."
        return Finding(Level.ADVICE, "documents", sentence, fix)
    return Finding(Level.RIGHT, "documents", "Files are read by fully confined processes.")
