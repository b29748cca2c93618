"""Sealed bytes open with their key at their place, and nothing else ever does."""

import hmac
from collections.abc import Callable
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ledger.sealing import (
    DataKey,
    SealBrokenError,
    commitment_key,
    commits_to,
    decrypt,
    decrypt_and_verify_commitment,
    digest,
    seal,
    take_apart,
)

KEY = DataKey(UUID("00000000-0000-4000-8000-000000000001"), bytes(range(32)))
OTHER_KEY = KEY._replace(secret=bytes(32))
PLACE = b"noteledger test\0somewhere"
CLEAR = b'{"at":"2026-03-02T12:00:00Z"}'
WORDS = b'{"text":"slept well"}'
NONCE = bytes(range(12))
SEALED = seal(KEY, PLACE, CLEAR, WORDS, NONCE)

BOTH = pytest.mark.parametrize("open_", [decrypt_and_verify_commitment, decrypt])
"""For whoever decides or audits, and for readers: only the first checks the commitment again."""
Open = Callable[[bytes, bytes, bytes], bytes]

KEYS = st.builds(DataKey, st.uuids(), st.binary(min_size=32, max_size=32))


@given(key=KEYS, place=st.binary(), clear=st.binary(), plaintext=st.binary())
def test_what_was_sealed_opens(key: DataKey, place: bytes, clear: bytes, plaintext: bytes) -> None:
    stored = seal(key, place, clear, plaintext)
    assert decrypt_and_verify_commitment(key.secret, place, stored) == plaintext
    assert decrypt(key.secret, place, stored) == plaintext
    apart = take_apart(stored)
    assert (apart.key_id, apart.clear) == (key.key_id, clear)


@given(key=KEYS, plaintext=st.binary(min_size=8))
def test_the_words_are_not_in_the_bytes(key: DataKey, plaintext: bytes) -> None:
    assert plaintext not in seal(key, PLACE, CLEAR, plaintext)


def test_no_two_sealings_are_alike() -> None:
    assert len({seal(KEY, PLACE, CLEAR, WORDS) for _ in range(100)}) == 100


def test_the_layout_is_the_written_one() -> None:
    parts = (SEALED[:1], SEALED[1:17], SEALED[17:29], SEALED[61:65], SEALED[65 : 65 + len(CLEAR)])
    length = len(CLEAR).to_bytes(4, "big")
    assert parts == (b"\x01", KEY.key_id.bytes, NONCE, length, CLEAR)
    assert len(SEALED) == 65 + len(CLEAR) + len(WORDS) + 16


@BOTH
def test_any_bit_that_was_changed_is_noticed(open_: Open) -> None:
    for at in range(len(SEALED) * 8):
        changed = bytearray(SEALED)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(SealBrokenError):
            open_(KEY.secret, PLACE, bytes(changed))


@BOTH
def test_bytes_that_were_cut_short_are_noticed(open_: Open) -> None:
    for length in range(len(SEALED)):
        with pytest.raises(SealBrokenError):
            open_(KEY.secret, PLACE, SEALED[:length])


@BOTH
def test_bytes_that_were_added_are_noticed(open_: Open) -> None:
    with pytest.raises(SealBrokenError):
        open_(KEY.secret, PLACE, SEALED + b"\0")


@BOTH
@given(place=st.binary().filter(lambda place: place != PLACE))
def test_bytes_that_were_moved_do_not_open(open_: Open, place: bytes) -> None:
    with pytest.raises(SealBrokenError):
        open_(KEY.secret, place, SEALED)


@BOTH
@given(secret=st.binary(min_size=32, max_size=32).filter(lambda secret: secret != KEY.secret))
def test_no_other_key_opens_them(open_: Open, secret: bytes) -> None:
    with pytest.raises(SealBrokenError):
        open_(secret, PLACE, SEALED)


def test_the_clear_part_and_the_words_cannot_change_places() -> None:
    """The end of the clear part is sealed in: what is read without a key is what was written."""
    at = len(CLEAR) - 1
    changed = SEALED[:61] + at.to_bytes(4, "big") + SEALED[65:]
    with pytest.raises(SealBrokenError):
        decrypt_and_verify_commitment(KEY.secret, PLACE, changed)


class TestCommitment:
    """An auditor's check, with the disclosed words and opening and nothing else."""

    OPENING = commitment_key(KEY.secret, PLACE, SEALED)
    COMMITMENT = take_apart(SEALED).commitment

    def test_it_holds_for_the_words(self) -> None:
        assert commits_to(self.COMMITMENT, self.OPENING, WORDS)
        assert hmac.digest(self.OPENING, WORDS, "sha256") == self.COMMITMENT, (
            "any tool can check it"
        )

    def test_it_holds_for_no_other_words(self) -> None:
        assert not commits_to(self.COMMITMENT, self.OPENING, WORDS + b" ")

    def test_it_holds_for_no_other_opening(self) -> None:
        assert not commits_to(self.COMMITMENT, bytes(32), WORDS)

    def test_a_keys_holder_cannot_part_the_words_from_what_they_commit_to(self) -> None:
        """Whoever holds the key can seal a lie; to whom the commitment matters, it does not open."""
        head = SEALED[:29] + bytes(32) + SEALED[61 : 65 + len(CLEAR)]
        secret = hmac.digest(KEY.secret, b"noteledger seal 1\0" + NONCE + PLACE, "sha256")
        lie = head + AESGCM(secret).encrypt(NONCE, WORDS, PLACE + head)
        with pytest.raises(SealBrokenError, match="another text than they commit to"):
            decrypt_and_verify_commitment(KEY.secret, PLACE, lie)

    def test_an_opening_says_nothing_about_other_entries(self) -> None:
        for other in (
            commitment_key(KEY.secret, PLACE + b"\0", SEALED),
            commitment_key(KEY.secret, PLACE, seal(KEY, PLACE, CLEAR, WORDS)),
            commitment_key(OTHER_KEY.secret, PLACE, SEALED),
        ):
            assert other != self.OPENING


def test_a_digest_is_sha_256_in_hexadecimal() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
