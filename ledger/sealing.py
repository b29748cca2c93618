"""Bytes in, sealed bytes out: authenticated encryption that also commits to its plaintext.

For each sealing two keys are derived from a data key by HMAC-SHA256: one for AES-256-GCM
(NIST SP 800-38D), and the *commitment key* of `commitment = HMAC-SHA256(commitment_key, plaintext)`.
AES-GCM alone is not key-committing (one ciphertext can be made to decrypt to two texts under two
keys). Plaintext and commitment key, once disclosed, can be checked against the commitment without
any other key or server.

Layout, all integers big-endian:

    0   1   format (1)
    1   16  key id, random: names neither clinic nor person
    17  12  nonce, random
    29  32  commitment to the plaintext
    61  4   n, length of the clear part
    65  n   the clear part
    …       ciphertext and 16-byte tag

The associated data of the encryption is what the caller gives (where the bytes belong: clinic,
aggregate, version) and everything before the ciphertext: sealed bytes that were moved to another
row do not decrypt.
"""

import hmac
import os
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT: Final = 1
NONCE_BYTES: Final = 12
_NONCE: Final = slice(17, 29)
_COMMITMENT: Final = slice(29, 61)
_CLEAR_LENGTH: Final = slice(61, 65)
_CLEAR: Final = 65
_FORMAT_BYTE: Final = bytes([FORMAT])


class DataKey(NamedTuple):
    """A 256-bit key, and the random id that stored bytes name it by."""

    key_id: UUID
    secret: bytes


class SealBrokenError(Exception):
    """Stored bytes do not decrypt: they, their associated data or their key are not what was sealed."""


class Sealed(NamedTuple):
    """Sealed bytes, taken apart without a key."""

    key_id: UUID
    nonce: bytes
    commitment: bytes
    clear: bytes


def seal(
    key: DataKey, associated_data: bytes, clear: bytes, plaintext: bytes, nonce: bytes | None = None
) -> bytes:
    """The stored bytes. A nonce is given only to freeze bytes in a test; it must never be used twice."""
    nonce = nonce or os.urandom(NONCE_BYTES)
    commitment = _hmac(_commitment_key(key.secret, associated_data, nonce), plaintext)
    length = len(clear).to_bytes(4, "big")
    head = b"".join((_FORMAT_BYTE, key.key_id.bytes, nonce, commitment, length, clear))
    cipher = AESGCM(_encryption_key(key.secret, associated_data, nonce))
    return head + cipher.encrypt(nonce, plaintext, associated_data + head)


def take_apart(stored: bytes) -> Sealed:
    """What can be read without a key. Raises SealBrokenError for bytes that were never sealed."""
    end = _end_of_head(stored)
    return Sealed(UUID(bytes=stored[1:17]), stored[_NONCE], stored[_COMMITMENT], stored[_CLEAR:end])


def key_id_bytes(stored: bytes) -> bytes:
    """The key id, as stored."""
    return stored[1:17]


def clear_part(stored: bytes) -> bytes:
    """The clear part of sealed bytes. The format is not checked: views read many entries, each once."""
    return stored[_CLEAR : _CLEAR + int.from_bytes(stored[_CLEAR_LENGTH], "big")]


def _end_of_head(stored: bytes) -> int:
    """Where the ciphertext begins."""
    if len(stored) < _CLEAR or stored[0] != FORMAT:
        raise SealBrokenError("unknown format of stored bytes")
    return _CLEAR + int.from_bytes(stored[_CLEAR_LENGTH], "big")


def decrypt(secret: bytes, associated_data: bytes, stored: bytes) -> bytes:
    """The plaintext, checked against the tag; for readers. Raises SealBrokenError.

    The tag covers the commitment as well, so nobody without the key can have replaced it. Somebody
    with the key could have sealed a commitment to another text: who decides or audits on the
    plaintext uses `decrypt_and_verify_commitment`.
    """
    end = _end_of_head(stored)
    nonce = stored[_NONCE]
    cipher = AESGCM(_encryption_key(secret, associated_data, nonce))
    try:
        return cipher.decrypt(nonce, stored[end:], associated_data + stored[:end])
    except InvalidTag:
        raise SealBrokenError(
            "stored bytes do not open with this key and associated data"
        ) from None


def decrypt_and_verify_commitment(secret: bytes, associated_data: bytes, stored: bytes) -> bytes:
    """The plaintext, checked against tag and commitment. Raises SealBrokenError."""
    plaintext = decrypt(secret, associated_data, stored)
    if not commits_to(
        stored[_COMMITMENT], commitment_key(secret, associated_data, stored), plaintext
    ):
        raise SealBrokenError("stored bytes decrypt to another text than they commit to")
    return plaintext


def commits_to(commitment: bytes, key: bytes, plaintext: bytes) -> bool:
    """Whether the commitment is to this plaintext: an auditor's check. `key` is its commitment key."""
    return hmac.compare_digest(commitment, _hmac(key, plaintext))


def commitment_key(secret: bytes, associated_data: bytes, stored: bytes) -> bytes:
    """The 32 bytes that, disclosed with the plaintext, let anyone check the commitment."""
    return _commitment_key(secret, associated_data, stored[_NONCE])


def digest(stored: bytes) -> str:
    """SHA-256 of stored bytes, in hexadecimal."""
    return sha256(stored).hexdigest()


def _encryption_key(secret: bytes, associated_data: bytes, nonce: bytes) -> bytes:
    return _hmac(secret, b"noteledger seal 1\0" + nonce + associated_data)


def _commitment_key(secret: bytes, associated_data: bytes, nonce: bytes) -> bytes:
    return _hmac(secret, b"noteledger opening 1\0" + nonce + associated_data)


def _hmac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256. The one-shot `hmac.digest` releases the interpreter lock (GIL) on each call, and
    among busy threads waits longer to get it back than the digest takes.
    """
    return hmac.new(key, message, "sha256").digest()
