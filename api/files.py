"""The files of a save: each is read before the save is answered, and only then sealed."""

from collections.abc import Sequence
from hashlib import sha256

from api.forms import GivenFile, OnUnreadable
from api.problems import FieldProblem, FilesAreUnreadable
from api.services import Services
from domain.note import NewFile
from domain.note_facts import File
from domain.value import PSYCHOTHERAPY, Caller, KeyScope, Subject
from handlers.documents import Read, Unread
from ledger.entry import Attachment


def read_files(
    services: Services, given: Sequence[GivenFile], on_unreadable: OnUnreadable
) -> tuple[File, ...]:
    """The files as the note will describe them. Raises FilesAreUnreadable, ReadersAreBusy.

    Those of a psychotherapy note are read, too: a child of this process reads them, no worker does.
    """
    if not given:
        return ()
    found = services.documents.read_all([file.content for file in given])
    wrong = [
        FieldProblem(field=f"files.{index}", detail=f"{file.name}: {outcome.reason.value}")
        for index, (file, outcome) in enumerate(zip(given, found, strict=True))
        if isinstance(outcome, Unread)
    ]
    if wrong and on_unreadable is OnUnreadable.REFUSE:
        raise FilesAreUnreadable(wrong)
    return tuple(_described(*pair) for pair in zip(given, found, strict=True))


def _described(given: GivenFile, found: Read | Unread) -> File:
    file = File(
        name=given.name,
        media_type=found.media_type,
        size=len(given.content),
        sha256=sha256(given.content).hexdigest(),
    )
    if isinstance(found, Unread):
        return file.model_copy(update={"unread": found.reason.value})
    read = {"pages": found.pages, "text": found.text, "warnings": found.warnings}
    return file.model_copy(update=read)


def sealed_files(
    services: Services,
    caller: Caller,
    client_user_id: int,
    record_type: int,
    given: Sequence[GivenFile],
    files: Sequence[File],
) -> tuple[tuple[NewFile, ...], list[Attachment]]:
    """The files for the draft to name, and their sealed bytes for the ledger to keep."""
    scope = KeyScope.PSYCHOTHERAPY if record_type == PSYCHOTHERAPY else KeyScope.GENERAL
    subject = Subject(client_user_id, scope)
    attachments = [
        services.ledger.seal_file(caller.clinic_id, subject, file.content) for file in given
    ]
    new_files = tuple(
        NewFile(file=file, digest=attachment.digest)
        for file, attachment in zip(files, attachments, strict=True)
    )
    return new_files, attachments
