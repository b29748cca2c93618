"""Text in pictures, by Tesseract: a program that inherits the limits of the child that starts it."""

import subprocess
from typing import Final

from handlers.formats.outcome import BY_OCR, Bounds, CannotRead, Found, Unreadable

_ENVIRONMENT: Final = {"OMP_THREAD_LIMIT": "1", "LC_ALL": "C"}
_PAGE_END: Final = "\f"


def read_image(content: bytes, bounds: Bounds) -> Found:
    """A picture, or each page of a TIFF. Raises CannotRead."""
    if bounds.tesseract is None:
        raise CannotRead(Unreadable.NEEDS_OCR)
    text = _recognised(bounds.tesseract, content)
    return Found(max(1, text.count(_PAGE_END)), [text.replace(_PAGE_END, "\n")], [BY_OCR])


def read_page(
    tesseract: str, width: int, height: int, stride: int, rows: bytes, dots_per_inch: int
) -> str:
    """A rendered page of grey pixels, handed over as a portable greymap."""
    packed = b"".join(rows[start : start + width] for start in range(0, stride * height, stride))
    greymap = b"P5 %d %d 255\n" % (width, height) + packed
    return _recognised(tesseract, greymap, "--dpi", str(dots_per_inch)).replace(_PAGE_END, "\n")


def _recognised(tesseract: str, image: bytes, *options: str) -> str:
    done = subprocess.run(
        [tesseract, "stdin", "stdout", *options],
        input=image,
        stdout=subprocess.PIPE,  # its complaints go where ours go: nowhere
        env=_ENVIRONMENT,
        check=False,
    )
    if done.returncode < 0:
        raise CannotRead(Unreadable.BROKE_ITS_READER)
    if done.returncode:
        raise CannotRead(Unreadable.DAMAGED)
    return done.stdout.decode("utf-8", "replace")
