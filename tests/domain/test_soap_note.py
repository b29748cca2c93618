"""The life of a SOAP note: where it differs from a note's, and that it does not differ elsewhere."""

from typing import Any

import pytest

from domain.note_facts import AnyNoteFact, NoteDrafted
from domain.refusals import (
    MlMayNotApprove,
    NoteIsDeleted,
    NotPermitted,
    NotTheAuthor,
    PsychotherapyNotesAreTheAuthors,
    Refused,
    SenderRoleIsNotYours,
    SignatureWithoutApproval,
    VersionIsStale,
)
from domain.soap_note import SOAP_NOTE
from domain.value import PSYCHOTHERAPY, Kind, Role
from tests.domain.histories import histories
from tests.samples import (
    ADAM,
    ALMA,
    AUDRA,
    BRUNO,
    ML,
    NOTE_ID,
    amend,
    amended,
    approved,
    create,
    delete,
    drafted,
    save,
    signed,
    soft_deleted,
    withdraw,
)

given = histories(SOAP_NOTE, NOTE_ID)

BY_ML: dict[str, Any] = {"by": ML, "sender_role": Role.ML}


def ml_drafted(text: str = "S: sleeps well.") -> NoteDrafted:
    """The ML service's draft: both texts are its own."""
    return drafted(text, ml_text=text, is_override=False, **BY_ML)


class TestNothingYet:
    def test_the_ml_service_drafts_both_texts(self) -> None:
        given([]).when(create("S: sleeps well.", **BY_ML)).then([ml_drafted("S: sleeps well.")])

    def test_a_therapist_begins_without_the_ml_service(self) -> None:
        given([]).when(create("S: well.")).then([drafted("S: well.", is_override=False)])

    def test_a_therapist_approves_at_once(self) -> None:
        given([]).when(create("S: well.", is_approved=True)).then(
            [signed("S: well.", kind=Kind.SOAP_NOTE, is_override=False)]
        )


class TestDraftedByTheMlService:
    def test_a_therapist_replaces_the_text(self) -> None:
        given([ml_drafted()]).when(save("S: badly.")).then(
            [drafted("S: badly.", ml_text="S: sleeps well.", is_override=True)]
        )

    def test_a_therapist_approves_the_text_as_it_is(self) -> None:
        given([ml_drafted()]).when(save("S: sleeps well.", is_approved=True)).then(
            [
                signed(
                    "S: sleeps well.",
                    ml_drafted(),
                    Kind.SOAP_NOTE,
                    ml_text="S: sleeps well.",
                    is_override=False,
                )
            ]
        )

    @pytest.mark.parametrize("said", [True, False])
    def test_what_the_caller_says_about_overriding_is_kept(self, said: bool) -> None:
        given([ml_drafted()]).when(save("S: badly.", is_override=said)).then(
            [drafted("S: badly.", ml_text="S: sleeps well.", is_override=said)]
        )

    def test_the_ml_service_drafts_anew(self) -> None:
        given([ml_drafted("S: one.")]).when(save("S: two.", **BY_ML)).then([ml_drafted("S: two.")])

    def test_the_same_draft_makes_no_fact(self) -> None:
        given([ml_drafted()]).when(save("S: sleeps well.", **BY_ML)).then([])

    def test_its_entry_is_amended_by_the_therapist(self) -> None:
        given([ml_drafted()]).when(amend(1)).then([amended(1)])


class TestReviewed:
    REVIEWED = drafted("S: badly.", ml_text="S: sleeps well.", is_override=True)

    def test_the_ml_text_stays_with_the_therapists_further_saves(self) -> None:
        given([ml_drafted(), self.REVIEWED]).when(save("S: worse.", is_approved=True)).then(
            [
                signed(
                    "S: worse.",
                    self.REVIEWED,
                    Kind.SOAP_NOTE,
                    ml_text="S: sleeps well.",
                    is_override=True,
                )
            ]
        )

    def test_the_therapist_takes_the_ml_text_back(self) -> None:
        given([ml_drafted(), self.REVIEWED]).when(save("S: sleeps well.")).then(
            [drafted("S: sleeps well.", ml_text="S: sleeps well.", is_override=False)]
        )

    def test_the_same_review_makes_no_fact(self) -> None:
        given([ml_drafted(), self.REVIEWED]).when(save("S: badly.")).then([])

    def test_a_new_draft_of_the_ml_service_leaves_an_approval_in_the_history(self) -> None:
        approval = approved("S: badly.", ml_text="S: sleeps well.", is_override=True)
        given([ml_drafted(), approval]).when(save("S: two.", **BY_ML)).then([ml_drafted("S: two.")])

    def test_once_the_words_were_erased_there_is_no_ml_text(self) -> None:
        erased = ml_drafted().model_copy(update={"words": None})
        given([erased]).when(save("S: well.")).then([drafted("S: well.", is_override=False)])


HISTORIES: dict[str, list[AnyNoteFact]] = {
    "nothing": [],
    "an ML draft": [ml_drafted()],
    "a psychotherapy note": [drafted(record_type=PSYCHOTHERAPY)],
    "two drafts": [ml_drafted(), ml_drafted("S: two.")],
    "a deleted note": [ml_drafted(), soft_deleted()],
}
REFUSALS: list[tuple[str, Any, type[Refused], str | None]] = [
    ("nothing", create(is_approved=True, **BY_ML), MlMayNotApprove, "is_approved"),
    ("an ML draft", save(is_approved=True, **BY_ML), MlMayNotApprove, "is_approved"),
    ("a deleted note", save(**BY_ML), NoteIsDeleted, None),
    ("nothing", create(by=BRUNO), NotTheAuthor, None),
    ("nothing", create(by=ADAM), NotPermitted, None),
    ("an ML draft", save(by=AUDRA), NotPermitted, None),
    ("an ML draft", delete(by=ML), NotPermitted, None),
    ("an ML draft", amend(1, by=ML), NotPermitted, None),
    ("an ML draft", withdraw(1, by=ML), NotPermitted, None),
    (
        "nothing",
        create(record_type=PSYCHOTHERAPY, **BY_ML),
        PsychotherapyNotesAreTheAuthors,
        None,
    ),
    ("a psychotherapy note", save(**BY_ML), PsychotherapyNotesAreTheAuthors, None),
    ("nothing", create(by=ML), SenderRoleIsNotYours, "sender_role"),
    ("nothing", create(by=ALMA, sender_role=Role.ML), SenderRoleIsNotYours, "sender_role"),
    ("nothing", create(signature="c2ln"), SignatureWithoutApproval, "signature"),
    ("two drafts", save("S: badly.", if_version=1), VersionIsStale, "If-Match"),
]


@pytest.mark.parametrize(
    ("history", "command", "refusal", "field"),
    REFUSALS,
    ids=[
        f"{history}, {type(command).__name__} by {command.by.role}: {refusal.__name__}"
        for history, command, refusal, _ in REFUSALS
    ],
)
def test_refusals(history: str, command: Any, refusal: type[Refused], field: str | None) -> None:
    given(HISTORIES[history]).when(command).refused(refusal, field)
