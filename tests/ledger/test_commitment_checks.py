"""Readers check the tag, deciding checks the commitment as well (`docs/decisions/two-checks.md`)."""

import hmac
from typing import Final
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import TupleRow

from domain.note import NOTE
from domain.note_facts import NoteVersion
from ledger.codec import entry_associated_data
from ledger.sealing import SealBrokenError, clear_part, take_apart
from tests.databases import Program
from tests.samples import CLINIC, NOTE_ID, create, save

Owner = psycopg.Connection[TupleRow]
LIE: Final = b'{"text":"never written"}'
_COMMITMENT: Final = slice(29, 61)
"""Where the commitment stands in the stored bytes: `ledger/sealing.py` describes them."""


@pytest.fixture
def forged(program: Program, owner: Owner) -> Program:
    """A ledger in which somebody who holds the key replaced the words, and left the commitment."""
    program.ledger.record(CLINIC, NOTE, NOTE_ID, create("slept well"))
    row = owner.execute(
        "SELECT aggregate_id, version, kind, state FROM ledger.entries"
        " WHERE clinic_id = %s AND kind LIKE 'note-%%'",
        (CLINIC,),
    ).fetchone()
    assert row is not None
    owner.execute(
        "UPDATE ledger.entries SET state = %s WHERE kind LIKE 'note-%%'", (_forged(program, *row),)
    )
    return program


def _forged(program: Program, aggregate: UUID, version: int, name: str, stored: bytes) -> bytes:
    associated_data = entry_associated_data(CLINIC, aggregate, version, name)
    apart = take_apart(stored)
    key = program.keys.for_opening(CLINIC, {apart.key_id})[apart.key_id]
    secret = hmac.digest(key, b"noteledger seal 1\0" + apart.nonce + associated_data, "sha256")
    head = stored[: _COMMITMENT.stop + 4 + len(clear_part(stored))]
    assert head[_COMMITMENT] == apart.commitment
    return head + AESGCM(secret).encrypt(apart.nonce, LIE, associated_data + head)


def test_a_reader_is_answered(forged: Program) -> None:
    """The tag covers the commitment: only the key's holder gets here, and readers do not look."""
    found = forged.ledger.read(CLINIC, NOTE, NOTE_ID, 1)
    assert isinstance(found, NoteVersion)
    assert found.words is not None
    assert found.words.text == "never written"


def test_nothing_is_decided_on_words_that_the_commitment_does_not_bind(forged: Program) -> None:
    with pytest.raises(SealBrokenError, match="commit"):
        forged.ledger.state(CLINIC, NOTE, NOTE_ID)
    with pytest.raises(SealBrokenError, match="commit"):
        forged.ledger.record(CLINIC, NOTE, NOTE_ID, save("slept badly"))
