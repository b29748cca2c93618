"""What wraps the data keys: a key-encryption key, in a file or behind another port."""

import json
import os
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class KekName(NamedTuple):
    """Which key-encryption key wrapped a data key: its name, and its number in the order of rotations."""

    name: str
    epoch: int


class KeyEncryption(Protocol):
    """The interface to what holds the key-encryption key: a file, AWS KMS, Vault transit."""

    def wrap(self, secret: bytes, associated_data: bytes) -> bytes:
        """The secret, encrypted and authenticated together with the associated data."""
        ...

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> bytes:
        """The inverse. Raises KeyDoesNotUnwrapError."""
        ...

    def name_of(self, wrapped: bytes) -> KekName:
        """The key that wrapped it. Raises KeyDoesNotUnwrapError."""
        ...


class KeyDoesNotUnwrapError(Exception):
    """A data key does not unwrap: the key file is not the one that it was wrapped with."""


class LocalKeyFile:
    """A key-encryption key in a file that only its owner reads (0600); the default.

    Without this file nothing that was sealed can be opened again: back it up apart from the
    database. Each key has a name, which is stored with what it wrapped: a key of an earlier rotation is
    found, and a file of another installation is noticed.
    """

    def __init__(self, path: Path) -> None:
        kept = json.loads(path.read_text())
        self._current: str = kept["current"]
        self._keys = {name: bytes.fromhex(key) for name, key in kept["keys"].items()}

    @classmethod
    def open_or_create(cls, path: Path) -> "LocalKeyFile":
        """The key file at `path`, made on the first start.

        It is written under another name and then linked to `path`. If we crash in between, `path`
        does not exist and the next start makes a new file. Of two starts at once, one link succeeds
        and both use its key.
        """
        if not path.exists():
            name, key = uuid4().hex, os.urandom(_SECRET_BYTES).hex()
            text = json.dumps({"format": 1, "current": name, "keys": {name: key}})
            beside = path.with_name(f"{path.name}.{name}")
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            try:
                path.hardlink_to(beside)
            except FileExistsError:
                pass
            finally:
                beside.unlink()
        return cls(path)

    def wrap(self, secret: bytes, associated_data: bytes) -> bytes:
        """Layout: 16 bytes name of the key, 12 bytes nonce, AES-256-GCM ciphertext and tag."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, secret, associated_data)
        return bytes.fromhex(self._current) + nonce + sealed

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> bytes:
        """The inverse of `wrap`."""
        name, nonce, sealed = wrapped[:16].hex(), wrapped[16:28], wrapped[28:]
        try:
            return AESGCM(self._keys[name]).decrypt(nonce, sealed, associated_data)
        except (InvalidTag, KeyError, ValueError):  # ValueError: less than a nonce
            raise KeyDoesNotUnwrapError(KeyDoesNotUnwrapError.__doc__) from None

    def name_of(self, wrapped: bytes) -> KekName:
        """The name, and the key's place in the file, from 1: keys are added at the end."""
        name = wrapped[:16].hex()
        if name not in self._keys:
            raise KeyDoesNotUnwrapError(KeyDoesNotUnwrapError.__doc__)
        return KekName(name, list(self._keys).index(name) + 1)
