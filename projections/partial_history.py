"""The partial history: of the 30 newest SOAP entries, the newest whatever its approval, and every approved one.

It has no table of its own: it is a question to the history, answered from its index by update
timestamp. An amendment moves an entry's update timestamp; entries of one instant go by id.
"""

from typing import Final

from domain.value import Caller, Kind
from projections.history import HistoryEntry
from projections.view import NoteRows

CONSIDERED: Final = 30


def partial_history(
    rows: NoteRows, caller: Caller, client_user_id: int, record_type: int
) -> list[HistoryEntry]:
    """A client's partial history of one record type, newest first."""
    which = {
        "client_user_id": client_user_id,
        "record_type": record_type,
        "considered": CONSIDERED,
    }
    found = rows.read(_PARTIAL, caller, Kind.SOAP_NOTE, which)
    return [HistoryEntry._make((*own, saved, amended)) for own, saved, amended in found]


_PARTIAL: Final = """
    WITH newest AS (
        SELECT *, row_number() OVER (ORDER BY updated_at DESC, position DESC) AS n
        FROM history
        WHERE clinic_id = %(clinic_id)s AND kind = %(kind)s
        AND client_user_id = %(client_user_id)s AND record_type = %(record_type)s
        ORDER BY updated_at DESC, position DESC LIMIT %(considered)s
    )
    SELECT h.record_type, h.therapist_user_id,
        EXISTS (
            SELECT FROM relationships r
            WHERE r.clinic_id = %(clinic_id)s AND r.therapist_user_id = %(user_id)s
            AND r.client_user_id = %(client_user_id)s AND r.is_active
        ),
        e.aggregate_id, e.version, e.kind, e.state, a.aggregate_id, a.version, a.kind, a.state,
        h.position, h.note_id, h.version, s.starts_at, s.ends_at
    FROM newest h
    JOIN entries e ON e.clinic_id = h.clinic_id AND e.position = h.position
    LEFT JOIN entries a ON a.clinic_id = h.clinic_id AND a.position = h.amended_at_position
    LEFT JOIN sessions s ON s.clinic_id = h.clinic_id AND s.session_id = h.therapist_session_id
    WHERE h.n = 1 OR h.is_approved
    ORDER BY h.n
"""
