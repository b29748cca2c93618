"""The life of a therapist's note, told by the state that it is in."""

from typing import Any

import pytest

from domain.note import NOTE
from domain.note_facts import AnyNoteFact, evolve, whole_text
from domain.refusals import (
    ApprovedEntryIsFinal,
    EntryIsUnknown,
    NoteIsDeleted,
    NoteIsUnknown,
    NotPermitted,
    NotTheAuthor,
    Refused,
    SenderRoleIsNotYours,
    SignatureWithoutApproval,
    SignerHasNoName,
    SomebodyWasFaster,
    SubjectIsFixed,
    VersionIsStale,
)
from domain.value import PSYCHOTHERAPY, Role
from tests.domain.histories import histories
from tests.samples import (
    ADAM,
    ALMA,
    AUDRA,
    BRUNO,
    CLARA,
    DAVID,
    LETTER,
    ML,
    NOON,
    NOTE_ID,
    READ_LETTER,
    UNREAD_X_RAY,
    X_RAY,
    after,
    amend,
    amended,
    approved,
    create,
    delete,
    drafted,
    new_file,
    save,
    signed,
    soft_deleted,
    withdraw,
    withdrawn,
)

given = histories(NOTE, NOTE_ID)


def test_the_whole_text_is_the_notes_and_then_each_files() -> None:
    whole = drafted("slept well", files=(UNREAD_X_RAY, READ_LETTER, X_RAY)).words
    assert whole
    assert whole_text(whole) == "slept well\n\nslept 8 h"


class TestNothingYet:
    def test_the_first_save_drafts_it(self) -> None:
        given([]).when(create("slept well")).then([drafted("slept well")])

    def test_the_first_save_may_approve_it(self) -> None:
        approve = create(is_approved=True, signature="c2ln", signer_name="Alma Arends")
        given([]).when(approve).then([signed(signature="c2ln", signer_name="Alma Arends")])

    def test_a_save_without_a_date_is_dated_by_its_time(self) -> None:
        given([]).when(create(at=after(5))).then([drafted(at=after(5), dated=after(5))])

    def test_a_save_brings_session_date_and_files(self) -> None:
        given([]).when(
            create(therapist_session_id=201, dated=after(-60), new_files=(new_file(X_RAY, "1"),))
        ).then(
            [
                drafted(
                    therapist_session_id=201, dated=after(-60), files=(X_RAY,), attachments=("1",)
                )
            ]
        )

    def test_psychotherapy_notes_are_written_like_others(self) -> None:
        given([]).when(create(record_type=PSYCHOTHERAPY)).then([drafted(record_type=PSYCHOTHERAPY)])


class TestDrafted:
    def test_a_save_drafts_it_anew(self) -> None:
        given([drafted("slept well")]).when(save("slept badly", at=after(1))).then(
            [drafted("slept badly", at=after(1))]
        )

    def test_a_save_may_approve_the_words_that_are_there(self) -> None:
        given([drafted()]).when(save(is_approved=True, at=after(1))).then(
            [signed(on_top_of=drafted(), at=after(1))]
        )

    def test_a_session_that_is_not_mentioned_stays(self) -> None:
        given([drafted(therapist_session_id=201)]).when(save("slept badly")).then(
            [drafted("slept badly", therapist_session_id=201)]
        )

    def test_files_that_are_not_mentioned_stay(self) -> None:
        given([drafted(files=(X_RAY,), attachments=("1",))]).when(
            save(new_files=(new_file(LETTER, "2"),))
        ).then([drafted(files=(X_RAY, LETTER), attachments=("1", "2"))])

    def test_a_save_that_says_the_ids_that_it_has_is_taken(self) -> None:
        said = {"client_user_id": CLARA.user_id, "therapist_user_id": ALMA.user_id}
        again = save("slept badly").model_copy(update=said)
        given([drafted()]).when(again).then([drafted("slept badly")])

    def test_a_save_on_the_version_that_the_writer_had_before_them_is_taken(self) -> None:
        given([drafted(), drafted("slept badly")]).when(save("slept", if_version=2)).then(
            [drafted("slept")]
        )

    def test_an_amendment_does_not_make_the_version_stale(self) -> None:
        given([drafted(), amended(1)]).when(save("slept", if_version=1)).then([drafted("slept")])

    def test_it_is_deleted(self) -> None:
        given([drafted()]).when(delete(reason="wrong client", at=after(1))).then(
            [soft_deleted("wrong client", at=after(1))]
        )

    def test_it_is_deleted_without_a_word(self) -> None:
        given([drafted()]).when(delete()).then([soft_deleted()])

    def test_its_entry_is_amended(self) -> None:
        given([drafted()]).when(amend(1, "slept badly", reason="misheard")).then(
            [amended(1, "slept badly", "misheard")]
        )

    def test_an_earlier_entry_is_amended_too(self) -> None:
        given([drafted(), drafted("slept")]).when(amend(1)).then([amended(1)])

    def test_its_entry_is_withdrawn(self) -> None:
        given([drafted()]).when(withdraw(1, reason="misheard")).then([withdrawn(1, "misheard")])


class TestSavedAgain:
    """Asked twice is answered once: no second fact."""

    def test_the_same_words(self) -> None:
        given([drafted()]).when(save(at=after(9))).then([])

    def test_the_same_words_with_the_version_that_their_first_arrival_made_stale(self) -> None:
        given([drafted(), drafted("slept")]).when(save("slept", if_version=1)).then([])

    def test_the_same_approval_under_another_printed_name(self) -> None:
        given([approved(signature="c2ln", signer_name="Alma Arends")]).when(
            save(is_approved=True, signature="c2ln", signer_name="A. Arends")
        ).then([])

    def test_no_file_of_a_version_that_lacks_a_digest_is_lost_in_silence(self) -> None:
        """Nothing decides such a version; where one is found, nothing is built on it."""
        broken = drafted(files=(X_RAY, LETTER), attachments=("1",))
        with pytest.raises(ValueError, match="shorter"):
            given([broken]).when(save("slept")).then([])

    def test_the_same_file_sealed_anew(self) -> None:
        given([drafted(files=(X_RAY,), attachments=("1",))]).when(
            save(new_files=(new_file(X_RAY, "2"),))
        ).then([])

    def test_the_same_file_read_in_another_way(self) -> None:
        """What a newer reader makes of the same bytes does not change what was saved."""
        otherwise = READ_LETTER.model_copy(update={"text": "slept 8h", "media_type": "text/html"})
        given([drafted(files=(READ_LETTER,), attachments=("1",))]).when(
            save(new_files=(new_file(otherwise, "2"),))
        ).then([])

    def test_a_file_that_still_cannot_be_read(self) -> None:
        for_another_reason = UNREAD_X_RAY.model_copy(update={"unread": "The file is damaged."})
        given([drafted(files=(UNREAD_X_RAY,), attachments=("1",))]).when(
            save(new_files=(new_file(for_another_reason, "2"),))
        ).then([])

    def test_a_file_that_can_be_read_now_takes_its_place(self) -> None:
        read = UNREAD_X_RAY.model_copy(update={"unread": None, "text": "a shadow"})
        given([drafted(files=(UNREAD_X_RAY, LETTER), attachments=("1", "2"))]).when(
            save(new_files=(new_file(read, "3"),))
        ).then([drafted(files=(read, LETTER), attachments=("1", "2"))])

    def test_a_file_that_came_twice_with_one_save(self) -> None:
        twice = (new_file(READ_LETTER, "1"), new_file(READ_LETTER, "2"))
        given([]).when(create(new_files=twice)).then(
            [drafted(files=(READ_LETTER,), attachments=("1",))]
        )

    def test_the_same_session_and_date(self) -> None:
        given([drafted(therapist_session_id=201, dated=after(-60))]).when(
            save(therapist_session_id=201, dated=after(-60), at=after(9))
        ).then([])

    def test_another_date_is_not_the_same(self) -> None:
        given([drafted(dated=after(-60))]).when(save(dated=after(-90))).then(
            [drafted(dated=after(-90))]
        )

    def test_a_draft_of_what_was_approved_is_not_the_same(self) -> None:
        given([approved()]).when(save(at=after(1))).then([drafted(at=after(1))])

    def test_another_signature_is_not_the_same(self) -> None:
        given([approved(signature="c2ln")]).when(save(is_approved=True, signature="bmV1")).then(
            [signed(on_top_of=approved(signature="c2ln"), signature="bmV1")]
        )

    def test_words_that_were_amended_since_are_not_the_same(self) -> None:
        """A reader sees the amendment: whoever sends the first words again wants them back."""
        given([drafted(), amended(1)]).when(save(at=after(9))).then([drafted(at=after(9))])

    def test_words_that_were_withdrawn_since_are_not_the_same(self) -> None:
        given([drafted(), withdrawn(1)]).when(save(at=after(9))).then([drafted(at=after(9))])

    def test_the_same_amendment(self) -> None:
        given([drafted(), amended(1)]).when(amend(1, at=after(9))).then([])

    def test_an_amendment_for_another_reason_is_not_the_same(self) -> None:
        given([drafted(), amended(1)]).when(amend(1, reason="misheard")).then(
            [amended(1, reason="misheard")]
        )


class TestApproved:
    def test_a_save_on_top_of_it_is_a_new_draft(self) -> None:
        given([approved()]).when(save("slept badly")).then([drafted("slept badly")])

    def test_it_may_be_approved_anew(self) -> None:
        given([approved()]).when(save("slept badly", is_approved=True)).then(
            [signed("slept badly", on_top_of=approved())]
        )

    def test_a_draft_on_top_of_it_is_amended(self) -> None:
        given([approved(), drafted("slept")]).when(amend(2)).then([amended(2)])

    def test_it_is_deleted(self) -> None:
        given([approved()]).when(delete()).then([soft_deleted()])


HISTORIES: dict[str, list[AnyNoteFact]] = {
    "nothing": [],
    "a draft": [drafted()],
    "two drafts": [drafted(), drafted("slept")],
    "an approval": [approved()],
    "an approval and a draft": [approved(), drafted("slept")],
    "a withdrawn draft": [drafted(), withdrawn(1)],
    "an amended draft": [drafted(), amended(1)],
    "a deleted note": [drafted(), soft_deleted()],
}

# In the order in which the source asks: where two could be said, the upper one is.
REFUSALS: list[tuple[str, Any, type[Refused], str | None]] = [
    ("nothing", create(by=BRUNO), NotTheAuthor, None),
    ("nothing", create(by=CLARA), NotPermitted, None),
    ("nothing", create(by=AUDRA), NotPermitted, None),
    ("nothing", create(by=ADAM), NotPermitted, None),
    ("nothing", create(by=ML, sender_role=Role.ML), NotPermitted, None),
    ("nothing", create(sender_role=Role.ML), SenderRoleIsNotYours, "sender_role"),
    ("nothing", create(signature="c2ln"), SignatureWithoutApproval, "signature"),
    ("nothing", create(is_approved=True, signer_name=None), SignerHasNoName, "signer_name"),
    ("nothing", create(is_approved=True, signer_name=" "), SignerHasNoName, "signer_name"),
    ("a draft", create(by=BRUNO), NotTheAuthor, None),
    ("a draft", create(), SomebodyWasFaster, None),
    ("a deleted note", create(), SomebodyWasFaster, None),
    ("nothing", save(), NoteIsUnknown, None),
    ("nothing", delete(), NoteIsUnknown, None),
    ("nothing", amend(1), NoteIsUnknown, None),
    ("nothing", withdraw(1), NoteIsUnknown, None),
    ("a deleted note", save(), NoteIsDeleted, None),
    ("a deleted note", save(by=BRUNO), NoteIsDeleted, None),
    ("a deleted note", delete(), NoteIsDeleted, None),
    ("a deleted note", amend(1), NoteIsDeleted, None),
    ("a deleted note", withdraw(1), NoteIsDeleted, None),
    ("a draft", save(by=BRUNO), NotTheAuthor, None),
    ("a draft", delete(by=BRUNO), NotTheAuthor, None),
    ("a draft", amend(1, by=BRUNO), NotTheAuthor, None),
    ("a draft", withdraw(1, by=BRUNO), NotTheAuthor, None),
    ("a draft", save(by=AUDRA), NotPermitted, None),
    ("a draft", save(by=ML, sender_role=Role.ML), NotPermitted, None),
    ("a draft", delete(by=ADAM), NotPermitted, None),
    ("a draft", amend(1, by=AUDRA), NotPermitted, None),
    ("a draft", save(sender_role=Role.ML), SenderRoleIsNotYours, "sender_role"),
    ("a draft", save(signature="c2ln"), SignatureWithoutApproval, "signature"),
    ("a draft", save(is_approved=True, signer_name=None), SignerHasNoName, "signer_name"),
    *(
        ("two drafts", save(if_version=1).model_copy(update={field: 99}), SubjectIsFixed, field)
        for field in ("client_user_id", "therapist_user_id", "therapist_client_id", "record_type")
    ),
    ("two drafts", save("slept badly", if_version=1), VersionIsStale, "If-Match"),
    ("two drafts", save("slept badly", if_version=3), VersionIsStale, "If-Match"),
    ("two drafts", delete(if_version=1), VersionIsStale, "If-Match"),
    ("a draft", amend(2), EntryIsUnknown, None),
    ("a draft", amend(0), EntryIsUnknown, None),
    ("an amended draft", amend(2), EntryIsUnknown, None),
    ("a withdrawn draft", amend(1), EntryIsUnknown, None),
    ("a draft", withdraw(2), EntryIsUnknown, None),
    ("a withdrawn draft", withdraw(1), EntryIsUnknown, None),
    ("an approval", amend(1), ApprovedEntryIsFinal, None),
    ("an approval", withdraw(1), ApprovedEntryIsFinal, None),
    ("an approval and a draft", amend(1), ApprovedEntryIsFinal, None),
    ("an approval and a draft", withdraw(1), ApprovedEntryIsFinal, None),
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


class TestEvolve:
    """What the facts make; rules that were tightened since do not matter here."""

    def test_a_note_remembers_who_began_it(self) -> None:
        facts = [drafted(), drafted("slept", by=BRUNO, at=after(1))]
        made = evolve(evolve(None, facts[0]), facts[1])
        assert (made.created_by, made.created_at) == (ALMA.user_id, NOON)
        assert (made.saved, made.version, made.saved_version) == (facts[1], 2, 2)

    def test_the_newest_save_says_whether_it_is_approved(self) -> None:
        approval = evolve(None, approved())
        assert approval.is_approved
        assert not evolve(approval, drafted("slept")).is_approved

    def test_facts_without_their_words_make_a_note_too(self) -> None:
        """As an erased client's do."""
        made = None
        for fact in (drafted(), approved("slept"), amended(1), withdrawn(1), soft_deleted("x")):
            made = evolve(made, fact.model_copy(update={"words": None}))
        assert made is not None
        assert made.is_deleted
        assert made.amended.keys() == {1}
        assert made.amended[1].words is None

    def test_facts_that_nobody_would_decide_today_make_a_note_too(self) -> None:
        made = evolve(evolve(evolve(None, approved()), soft_deleted()), withdrawn(1))
        made = evolve(evolve(made, amended(7, by=DAVID)), drafted("slept"))
        assert made.version == 5
        assert made.entries.keys() == {1, 5}
