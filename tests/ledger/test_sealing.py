"""Sealed bytes open with their key and associated data, and with nothing else ever."""

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
    clear_part,
    commitment_key,
    commits_to,
    decrypt,
    decrypt_and_verify_commitment,
    digest,
    key_id_bytes,
    seal,
    take_apart,
)

KEY = DataKey(UUID("00000000-0000-4000-8000-000000000001"), bytes(range(32)))
OTHER_KEY = KEY._replace(secret=bytes(32))
ASSOCIATED_DATA = b"noteledger test\0somewhere"
CLEAR = b'{"at":"2026-03-02T12:00:00Z"}'
WORDS = b'{"text":"slept well"}'
NONCE = bytes(range(12))
SEALED = seal(KEY, ASSOCIATED_DATA, CLEAR, WORDS, NONCE)

BOTH = pytest.mark.parametrize("open_", [decrypt_and_verify_commitment, decrypt])
"""For whoever decides or audits, and for readers: only the first checks the commitment again."""
Open = Callable[[bytes, bytes, bytes], bytes]

KEYS = st.builds(DataKey, st.uuids(), st.binary(min_size=32, max_size=32))


@given(key=KEYS, associated_data=st.binary(), clear=st.binary(), plaintext=st.binary())
def test_what_was_sealed_opens(
    key: DataKey, associated_data: bytes, clear: bytes, plaintext: bytes
) -> None:
    stored = seal(key, associated_data, clear, plaintext)
    assert decrypt_and_verify_commitment(key.secret, associated_data, stored) == plaintext
    assert decrypt(key.secret, associated_data, stored) == plaintext
    apart = take_apart(stored)
    assert clear_part(stored) == clear
    assert (apart.key_id, apart.clear) == (key.key_id, clear)
    assert key_id_bytes(stored) == key.key_id.bytes


@given(key=KEYS, plaintext=st.binary(min_size=8))
def test_the_words_are_not_in_the_bytes(key: DataKey, plaintext: bytes) -> None:
    assert plaintext not in seal(key, ASSOCIATED_DATA, CLEAR, plaintext)


def test_no_two_sealings_are_alike() -> None:
    assert len({seal(KEY, ASSOCIATED_DATA, CLEAR, WORDS) for _ in range(100)}) == 100


def test_the_layout_is_the_written_one() -> None:
    parts = (SEALED[:1], SEALED[1:17], SEALED[17:29], SEALED[61:65], SEALED[65 : 65 + len(CLEAR)])
    length = len(CLEAR).to_bytes(4, "big")
    assert parts == (b"\x01", KEY.key_id.bytes, NONCE, length, CLEAR)
    assert take_apart(SEALED).commitment == SEALED[29:61]
    assert len(SEALED) == 65 + len(CLEAR) + len(WORDS) + 16


@BOTH
def test_any_bit_that_was_changed_is_noticed(open_: Open) -> None:
    for at in range(len(SEALED) * 8):
        changed = bytearray(SEALED)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(SealBrokenError):
            open_(KEY.secret, ASSOCIATED_DATA, bytes(changed))


@BOTH
def test_bytes_that_were_cut_short_are_noticed(open_: Open) -> None:
    for length in range(len(SEALED)):
        with pytest.raises(SealBrokenError):
            open_(KEY.secret, ASSOCIATED_DATA, SEALED[:length])


@pytest.mark.parametrize("length", [1, 17, 61, 64])
def test_bytes_too_short_for_a_head_are_noticed_without_a_key(length: int) -> None:
    with pytest.raises(SealBrokenError, match=r"^unknown format of stored bytes$"):
        take_apart(SEALED[:length])


@pytest.mark.parametrize("version", [0, 2, 255])
def test_bytes_of_another_format_are_noticed_without_a_key(version: int) -> None:
    with pytest.raises(SealBrokenError, match=r"^unknown format of stored bytes$"):
        take_apart(bytes([version]) + SEALED[1:])


def test_a_head_and_nothing_else_is_taken_apart() -> None:
    apart = take_apart(SEALED[:61] + bytes(4))
    assert (apart.nonce, apart.clear) == (NONCE, b"")


@BOTH
@pytest.mark.parametrize("version", [0, 2])
def test_bytes_of_another_format_are_not_decrypted(open_: Open, version: int) -> None:
    """Were they, the tag would not hold; a later format must be refused by its own name."""
    with pytest.raises(SealBrokenError, match=r"^unknown format of stored bytes$"):
        open_(KEY.secret, ASSOCIATED_DATA, bytes([version]) + SEALED[1:])


@BOTH
def test_bytes_that_were_added_are_noticed(open_: Open) -> None:
    with pytest.raises(SealBrokenError):
        open_(KEY.secret, ASSOCIATED_DATA, SEALED + b"\0")


@BOTH
@given(
    associated_data=st.binary().filter(lambda associated_data: associated_data != ASSOCIATED_DATA)
)
def test_bytes_that_were_moved_do_not_open(open_: Open, associated_data: bytes) -> None:
    with pytest.raises(SealBrokenError):
        open_(KEY.secret, associated_data, SEALED)


@BOTH
@given(secret=st.binary(min_size=32, max_size=32).filter(lambda secret: secret != KEY.secret))
def test_no_other_key_opens_them(open_: Open, secret: bytes) -> None:
    sentence = r"^stored bytes do not open with this key and associated data$"
    with pytest.raises(SealBrokenError, match=sentence):
        open_(secret, ASSOCIATED_DATA, SEALED)


def test_the_clear_part_and_the_words_cannot_change_places() -> None:
    """The end of the clear part is sealed in: what is read without a key is what was written."""
    at = len(CLEAR) - 1
    changed = SEALED[:61] + at.to_bytes(4, "big") + SEALED[65:]
    with pytest.raises(SealBrokenError):
        decrypt_and_verify_commitment(KEY.secret, ASSOCIATED_DATA, changed)


class TestCommitment:
    """An auditor's check, with the disclosed words and commitment key and nothing else."""

    COMMITMENT_KEY = commitment_key(KEY.secret, ASSOCIATED_DATA, SEALED)
    COMMITMENT = take_apart(SEALED).commitment

    def test_it_holds_for_the_words(self) -> None:
        assert commits_to(self.COMMITMENT, self.COMMITMENT_KEY, WORDS)
        assert hmac.digest(self.COMMITMENT_KEY, WORDS, "sha256") == self.COMMITMENT, (
            "any tool can check it"
        )

    def test_it_holds_for_no_other_words(self) -> None:
        assert not commits_to(self.COMMITMENT, self.COMMITMENT_KEY, WORDS + b" ")

    def test_it_holds_for_no_other_commitment_key(self) -> None:
        assert not commits_to(self.COMMITMENT, bytes(32), WORDS)

    def test_a_keys_holder_cannot_part_the_words_from_what_they_commit_to(self) -> None:
        """Whoever holds the key can seal a lie; to whom the commitment matters, it does not open."""
        head = SEALED[:29] + bytes(32) + SEALED[61 : 65 + len(CLEAR)]
        secret = hmac.digest(KEY.secret, b"noteledger seal 1\0" + NONCE + ASSOCIATED_DATA, "sha256")
        lie = head + AESGCM(secret).encrypt(NONCE, WORDS, ASSOCIATED_DATA + head)
        with pytest.raises(
            SealBrokenError, match=r"^stored bytes decrypt to another text than they commit to$"
        ):
            decrypt_and_verify_commitment(KEY.secret, ASSOCIATED_DATA, lie)

    def test_a_commitment_key_says_nothing_about_other_entries(self) -> None:
        for other in (
            commitment_key(KEY.secret, ASSOCIATED_DATA + b"\0", SEALED),
            commitment_key(KEY.secret, ASSOCIATED_DATA, seal(KEY, ASSOCIATED_DATA, CLEAR, WORDS)),
            commitment_key(OTHER_KEY.secret, ASSOCIATED_DATA, SEALED),
        ):
            assert other != self.COMMITMENT_KEY


def test_a_digest_is_sha_256_in_hexadecimal() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
