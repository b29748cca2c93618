"""All refusals. A refusal's docstring is the sentence that the user reads.

The API's table of statuses (`api/problems.py`) names each of them; a test keeps it total.
"""


class Refused(Exception):
    """The request was refused."""

    def __init__(self, field: str | None = None) -> None:
        self.field = field
        super().__init__(self.sentence())

    @classmethod
    def sentence(cls) -> str:
        """The sentence that the user reads; it quotes nothing of the request."""
        return " ".join((cls.__doc__ or cls.__name__).split())


class NotPermitted(Refused):
    """Your role does not permit this."""


class NotTheAuthor(Refused):
    """A therapist changes only their own notes."""


class PsychotherapyNotesAreTheAuthors(Refused):
    """Psychotherapy notes are open to their author alone."""


class SenderRoleIsNotYours(Refused):
    """The ML service sends as "ml", a therapist as "therapist"."""


class NoteIsUnknown(Refused):
    """There is no such note."""


class NoteIsDeleted(Refused):
    """A deleted note can be read by an auditor, and changed by nobody."""


class EntryIsUnknown(Refused):
    """There is no such history entry."""


class VersionIsStale(Refused):
    """The note was changed since you read it: read it again, then save."""


class SomebodyWasFaster(Refused):
    """Too many changes were made at the same moment; nothing was saved. Send it again."""


class ApprovedEntryIsFinal(Refused):
    """An approved version is neither amended nor withdrawn: save a new version of the note."""


class SubjectIsFixed(Refused):
    """A note stays with its client, therapist, relationship and record type."""


class MlMayNotApprove(Refused):
    """The ML service drafts; a therapist approves."""


class SignatureWithoutApproval(Refused):
    """A signature goes with is_approved true."""


class SignerHasNoName(Refused):
    """An approval carries its signer's printed name: the directory has none for you."""


class ClientIsUnknown(Refused):
    """There is no such client."""


class TherapistIsUnknown(Refused):
    """There is no such therapist."""


class RelationshipIsUnknown(Refused):
    """There is no such relationship between this therapist and this client."""


class SessionIsUnknown(Refused):
    """There is no such session of this therapist and this client."""


class RecordTypeIsUnknown(Refused):
    """There is no such record type, or it is no longer in use."""


class PersonIsUnknown(Refused):
    """There is no such person."""


class PersonIsErased(Refused):
    """This person was erased: what was said of them is gone, and nothing is recorded any more."""


class RoleIsFixed(Refused):
    """A person keeps the role that they were registered with."""


class RelationshipIsFixed(Refused):
    """A relationship stays between the therapist and the client it was made for."""


class SessionIsFixed(Refused):
    """A session stays with its client, therapist and relationship."""


class SessionEndsBeforeItStarts(Refused):
    """A session ends after it starts."""


class IdempotencyKeyWasUsed(Refused):
    """This Idempotency-Key came with another request before."""


class AttachmentIsUnknown(Refused):
    """There is no such file on this note."""


class PsychotherapyNotesStartNothing(Refused):
    """No work is started on psychotherapy notes: their text reaches no worker."""


class NothingHasFailed(Refused):
    """No work on this note has failed."""


class NotDeidentifiedYet(Refused):
    """There is no de-identified text of this note yet."""


class TranscriptIsUnknown(Refused):
    """There is no transcript of this session."""


class NothingToDraftFrom(Refused):
    """There is neither a transcript nor a note to draft from."""


class GenerationIsUnknown(Refused):
    """There is no such generation."""


class GenerationIsUnderWay(Refused):
    """A SOAP note is being drafted for this already: wait for it, or cancel it."""


class GenerationHasEnded(Refused):
    """This generation has ended: there is nothing to cancel."""
