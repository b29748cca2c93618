"""The key file of one database: found, made where nothing was sealed yet, never mixed up."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from domain.value import THE_CLINIC
from ledger.database import Datastore
from ledger.key_encryption import KeyDoesNotUnwrapError, LocalKeyFile
from ledger.keys import KeyIsMissingError, Keys
from runtime.checks import Finding, Level
from runtime.operator_errors import OperatorError
from runtime.settings import Settings


class KeyFileIsWrongError(OperatorError):
    """The key file is missing, broken, or another database's; the message says which."""


def open_key_file(settings: Settings, datastore: Datastore) -> LocalKeyFile:
    """The key file; made on the first start only, while no data key waits for it.

    A new key beside data keys that it did not wrap would make two ledgers of one, each half
    readable. Raises KeyFileIsWrongError.
    """
    path = settings.key_path
    if not path.exists() and _a_data_key(datastore):
        raise KeyFileIsWrongError(
            f"The key file {path} is gone, and the database was written with it. Bring it back"
            " from your backup, or say where it is in NOTELEDGER_KEY_FILE."
        )
    try:
        if settings.key_file is None:
            settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalKeyFile.open_or_create(path)
    except OSError as error:
        raise KeyFileIsWrongError(f"The key file {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError):  # their text may quote the key
        raise KeyFileIsWrongError(
            f"{path} is no key file. Bring back the one that belongs to this database."
        ) from None


def require_right_key(path: Path, keys: Keys, datastore: Datastore) -> None:
    """Raises KeyFileIsWrongError where the key did not wrap this database's data keys."""
    data_key = _a_data_key(datastore)
    if data_key is None:
        return
    try:
        keys.for_opening(data_key[0], {data_key[1]})
    except (KeyDoesNotUnwrapError, KeyIsMissingError):
        raise KeyFileIsWrongError(
            f"{path} is not the key file that this database was written with. Bring that one"
            " back, or say where it is in NOTELEDGER_KEY_FILE."
        ) from None


def key_findings(settings: Settings, app_url: str) -> Iterator[Finding]:
    """What `noteledger check` says about the key file; makes none."""
    path = settings.key_path
    datastore = Datastore(app_url, pool_size=1)
    try:
        if not path.exists() and _a_data_key(datastore) is None:
            yield Finding(Level.RIGHT, "key file", f"{path} is made on the first start.")
            return
        require_right_key(path, Keys(datastore, open_key_file(settings, datastore)), datastore)
        yield _mode(path)
    except KeyFileIsWrongError as wrong:
        yield Finding(Level.WRONG, "key file", str(wrong))
    finally:
        datastore.close()


def _mode(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        sentence = f"{path} has mode {mode:04o}: others may read it."
        return Finding(Level.WRONG, "key file", sentence, f"chmod 600 {path}")
    return Finding(Level.RIGHT, "key file", f"{path} opens this database.")


def _a_data_key(datastore: Datastore) -> tuple[int, UUID] | None:
    """Clinic and id of a data key: a clinic's own, which is made before all others."""
    with datastore.get_connection() as conn:
        row = conn.execute(_A_DATA_KEY, {"the_clinic": THE_CLINIC}).fetchone()
    return (row["clinic_id"], row["key_id"]) if row else None


_A_DATA_KEY: Final = """
    (SELECT clinic_id, key_id FROM ledger.ledger_head JOIN ledger.data_keys USING (clinic_id)
    WHERE person_id = %(the_clinic)s AND wrapped IS NOT NULL ORDER BY clinic_id LIMIT 1)
    UNION ALL
    (SELECT clinic_id, key_id FROM ledger.data_keys WHERE wrapped IS NOT NULL LIMIT 1)
    LIMIT 1
"""
