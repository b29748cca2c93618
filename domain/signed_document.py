"""What an approval binds: one canonical document of all that is signed, and its digest.

The document is JSON in the form of RFC 8785, so that another program makes the same bytes of the same
version; docs/signatures.md describes its fields. Its digest is kept inside the sealed words: a bare
digest of a short note could be guessed after the words are gone.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from domain.note_facts import NoteApproved, NoteVersion
from domain.value import MAX_ID, Kind

FORMAT: Final = "noteledger note version 1"

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
"""The part of JSON that has one form in RFC 8785 without its rules for floats."""


class DocumentCheck(StrEnum):
    """What comes of holding an approval against its digests."""

    MATCHES = "matches"
    DIFFERS = "differs"
    NOT_RECORDED = "not recorded"
    """The approval was stored in a shape that had no digests."""
    WORDS_ARE_GONE = "words are gone"


def canonical(document: Mapping[str, Json]) -> bytes:
    """The document as RFC 8785 writes it, in UTF-8.

    Raises TypeError for what has no one form here: a float, an integer beyond 2**53 - 1, a name that is
    no ASCII (names are sorted by UTF-16 code units, which for ASCII is what Python does).
    """
    _check(dict(document))
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def _check(value: Json) -> None:
    match value:
        case None | bool() | str():
            return
        case int() if abs(value) <= MAX_ID:
            return
        case list():
            for item in value:
                _check(item)
        case dict():
            for name, item in value.items():
                if not name.isascii():
                    raise TypeError("a name in a document is ASCII")
                _check(item)
        case _:
            raise TypeError(f"a document holds no {type(value).__name__} like this one")


def document(kind: Kind, version: NoteVersion) -> bytes | None:
    """The canonical document of a version, None once its words are gone.

    A hand-drawn or outside signature stands beside it: such a signature may be one of these bytes.
    """
    words = version.words
    if words is None:
        return None
    fields: dict[str, Json] = {
        "format": FORMAT,
        "kind": kind.value,
        "note_id": version.note_id,
        "client_user_id": version.client_user_id,
        "record_type": version.record_type,
        "therapist_user_id": version.therapist_user_id,
        "therapist_client_id": version.therapist_client_id,
        "therapist_session_id": version.therapist_session_id,
        "dated": _time(version.dated),
        "sender_role": version.sender_role.value,
        "is_override": version.is_override,
        "text": words.text,
        "ml_text": words.ml_text,
        "files": [
            {
                "name": file.name,
                "media_type": file.media_type,
                "size": file.size,
                "sha256": file.sha256,
            }
            for file in words.files
        ],
        "saved_by": version.by.user_id,
        "saved_at": _time(version.at),
    }
    if isinstance(version, NoteApproved):
        fields["meaning"] = version.meaning.value
        fields["signer_name"] = words.signer_name
        fields["predecessor"] = version.words.predecessor if version.words else None
    return canonical(fields)


def digest(kind: Kind, version: NoteVersion | None) -> str | None:
    """SHA-256 of the version's document in hexadecimal; None where there is no version, or no words."""
    whole = document(kind, version) if version else None
    return sha256(whole).hexdigest() if whole is not None else None


def signed(kind: Kind, approval: NoteApproved, predecessor: NoteVersion | None) -> NoteApproved:
    """The approval with the digests of its predecessor and of its own document in its words."""
    assert approval.words is not None, "what is signed has words"
    words = approval.words.model_copy(update={"predecessor": digest(kind, predecessor)})
    bound = approval.model_copy(update={"words": words})
    words = words.model_copy(update={"document": digest(kind, bound)})
    return bound.model_copy(update={"words": words})


def check(kind: Kind, approval: NoteApproved, predecessor: NoteVersion | None) -> DocumentCheck:
    """An auditor's check: does the approval, and what it was given on top of, still say what was signed?

    `predecessor` is the save before it, None where the approval is the note's first.
    """
    words = approval.words
    if words is None or (predecessor is not None and predecessor.words is None):
        return DocumentCheck.WORDS_ARE_GONE
    if words.document is None:
        return DocumentCheck.NOT_RECORDED
    own = digest(kind, approval)
    assert own is not None, "it has words"
    before = digest(kind, predecessor)
    is_same = compare_digest(own, words.document) and words.predecessor == before
    return DocumentCheck.MATCHES if is_same else DocumentCheck.DIFFERS


def _time(moment: datetime) -> str:
    """In UTC to the microsecond, in one form (RFC 3339)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
