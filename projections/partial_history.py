"""The partial history: of the 30 newest SOAP entries, the newest whatever its approval, and every approved one.

It has no table of its own: it is a question to the history, answered from its index by update
timestamp. An amendment moves an entry's update timestamp; entries of one instant go by id.
"""

from typing import Final

from domain.value import Caller, Kind
from projections.history import HistoryEntry, read_entries
from projections.note_rows import NoteRows, reading

CONSIDERED: Final = 30


def partial_history(
    rows: NoteRows, caller: Caller, client_user_id: int, record_type: int
) -> list[HistoryEntry]:
    """A client's partial history of one record type, newest first."""
    filters = {
        "client_user_id": client_user_id,
        "record_type": record_type,
        "considered": CONSIDERED,
    }
    return read_entries(rows, _PARTIAL, caller, Kind.SOAP_NOTE, filters)


# The kind is no parameter here: a plan for any kind could not use an index of SOAP entries alone.
_PARTIAL: Final = reading("""
    SELECT newest.*, %(client_user_id)s::bigint AS client, NULL::bigint AS created_by,
        NULL::timestamptz AS created_at, newest.n AS ascending, NULL::bigint AS descending
    FROM (
        SELECT h.*, row_number() OVER (ORDER BY h.updated_at DESC, h.position DESC) AS n
        FROM history h
        WHERE h.clinic_id = %(clinic_id)s AND h.kind = 'soap-note'
        AND h.client_user_id = %(client_user_id)s AND h.record_type = %(record_type)s
        ORDER BY h.updated_at DESC, h.position DESC LIMIT %(considered)s
    ) newest
    WHERE newest.n = 1 OR newest.is_approved
""")
