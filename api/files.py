"""The files of a save: each is read before the save is answered, and only then sealed."""

from collections.abc import Sequence
from hashlib import sha256

from api.forms import OnUnreadable, UploadedFile
from api.note_bodies import CreateBody
from api.problems import FieldProblem, FilesAreUnreadable
from api.services import Services
from domain.note import NewFile
from domain.note_facts import File
from domain.value import PSYCHOTHERAPY, Caller, KeyScope, Subject
from handlers.documents import Read, Unread
from ledger.entry import Attachment


def read_and_seal(
    services: Services,
    caller: Caller,
    body: CreateBody,
    uploaded: Sequence[UploadedFile],
    on_unreadable: OnUnreadable,
) -> tuple[tuple[NewFile, ...], Sequence[Attachment]]:
    """The files for the draft to name, and their sealed bytes for the ledger to keep.

    Raises FilesAreUnreadable, ReadersAreBusy. Those of a psychotherapy note are read, too: a
    child of this process reads them, no worker does.
    """
    files = _read(services, uploaded, on_unreadable)
    scope = KeyScope.PSYCHOTHERAPY if body.record_type == PSYCHOTHERAPY else KeyScope.GENERAL
    subject = Subject(body.client_user_id, scope)
    attachments = [
        services.ledger.seal_file(caller.clinic_id, subject, file.content) for file in uploaded
    ]
    new_files = tuple(
        NewFile(file=file, digest=attachment.digest)
        for file, attachment in zip(files, attachments, strict=True)
    )
    return new_files, attachments


def _read(
    services: Services, uploaded: Sequence[UploadedFile], on_unreadable: OnUnreadable
) -> tuple[File, ...]:
    found = services.documents.read_all([file.content for file in uploaded])
    wrong = [
        FieldProblem(field=f"files.{index}", detail=f"{file.name}: {outcome.reason.value}")
        for index, (file, outcome) in enumerate(zip(uploaded, found, strict=True))
        if isinstance(outcome, Unread)
    ]
    if wrong and on_unreadable is OnUnreadable.REFUSE:
        raise FilesAreUnreadable(wrong)
    return tuple(_described(*pair) for pair in zip(uploaded, found, strict=True))


def _described(uploaded: UploadedFile, found: Read | Unread) -> File:
    file = File(
        name=uploaded.name,
        media_type=found.media_type,
        size=len(uploaded.content),
        sha256=sha256(uploaded.content).hexdigest(),
    )
    if isinstance(found, Unread):
        return file.model_copy(update={"unread": found.reason.value})
    read = {"pages": found.pages, "text": found.text, "warnings": found.warnings}
    return file.model_copy(update=read)
