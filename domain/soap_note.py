"""A SOAP note: a note (`note.py`) that has two texts, the therapist's and the ML service's.

The ML service drafts: its text becomes both. A therapist reviews, changes and approves: only the
therapist's text is replaced. `is_override` is true where it replaced a different text of the ML service.
"""

from typing import Final

from domain import note as any_note
from domain.aggregate import Aggregate
from domain.note import CreateNote, Draft, NoteAggregate, NoteCommand, SaveNote, words_for
from domain.note_facts import AnyNoteFact, Note, evolve
from domain.refusals import MlMayNotApprove
from domain.value import Kind, Role


def decide(number: int, note: Note | None, command: NoteCommand) -> list[AnyNoteFact]:
    """The facts that the command makes, none where it was carried out before."""
    if isinstance(command, CreateNote | SaveNote):
        draft = _with_both_texts(note, command.draft)
        command = command.model_copy(update={"draft": draft})
    return any_note.decide(number, note, command, Kind.SOAP_NOTE)


def _with_both_texts(note: Note | None, draft: Draft) -> Draft:
    if draft.sender_role is Role.ML:
        if draft.is_approved:
            raise MlMayNotApprove("is_approved")
        return draft.model_copy(update={"ml_text": draft.text, "is_override": False})
    ml_text = note.saved.words.ml_text if note and note.saved.words else None
    is_override = draft.is_override
    if is_override is None:
        is_override = ml_text is not None and ml_text != draft.text
    return draft.model_copy(update={"ml_text": ml_text, "is_override": is_override})


SOAP_NOTE: Final[NoteAggregate] = Aggregate(
    Kind.SOAP_NOTE, 2, AnyNoteFact, decide, evolve, words_for
)
