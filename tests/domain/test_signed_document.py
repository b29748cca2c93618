"""What an approval binds: the canonical document, its digests, and an auditor's check of them."""

import json
from datetime import timedelta, timezone
from hashlib import sha256
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.note_facts import NoteApproved, NoteVersion
from domain.signed_document import (
    FORMAT,
    DocumentCheck,
    Json,
    canonical,
    check,
    digest,
    document,
)
from domain.value import MAX_ID, Kind
from tests.samples import (
    BRUNO,
    LETTER,
    NOON,
    READ_LETTER,
    X_RAY,
    after,
    approved,
    drafted,
    present,
    signed,
)

TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_ID, MAX_ID) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abAB_09"), inner),
)


class TestCanonicalForm:
    def test_the_rfcs_example_without_its_numbers(self) -> None:
        """RFC 8785, sections 3.2.2 and 3.2.3: white space, literals, and the escapes of a string."""
        said: dict[str, Json] = {
            "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
            "literals": [None, True, False],
        }
        assert canonical(said) == (
            b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        )

    def test_control_characters_and_those_beyond_ascii(self) -> None:
        assert canonical({"a": "\b\f\t\r\x00\x1f\x7f\u2028🌱é"}) == (
            '{"a":"\\b\\f\\t\\r\\u0000\\u001f\x7f\u2028🌱é"}'.encode()
        )

    @given(said=st.dictionaries(st.text("abAB_09"), JSON))
    def test_it_says_the_same_whatever_the_order(self, said: dict[str, Any]) -> None:
        assert json.loads(canonical(said)) == said
        assert canonical(dict(reversed(said.items()))) == canonical(said)

    @pytest.mark.parametrize("said", [1.0, MAX_ID + 1, -MAX_ID - 1, b"", {"é": 1}, [1.5]])
    def test_what_has_no_one_form_is_refused(self, said: Any) -> None:
        with pytest.raises(TypeError):
            canonical({"a": said})


class TestDocument:
    def test_it_holds_all_that_is_signed_and_is_frozen(self) -> None:
        approval = signed(
            "slept “well”\n",
            drafted(),
            Kind.SOAP_NOTE,
            ml_text="S: well.",
            files=(READ_LETTER,),
            signature="c2ln",
            dated=after(-60),
        )
        expected = (
            '{"client_user_id":21,"dated":"2026-03-02T11:00:00.000000Z",'
            '"files":[{"media_type":"text/plain","name":"letter.txt","sha256":"' + "b" * 64 + '",'
            '"size":9}],"format":"noteledger note version 1","is_override":null,'
            '"kind":"soap-note","meaning":"approval","ml_text":"S: well.","note_id":1,'
            '"predecessor":"' + present(digest(Kind.SOAP_NOTE, drafted())) + '",'
            '"record_type":2,"saved_at":"2026-03-02T12:00:00.000000Z","saved_by":11,'
            '"sender_role":"therapist","signer_name":"Alma Arends",'
            '"text":"slept “well”\\n","therapist_client_id":101,"therapist_session_id":null,'
            '"therapist_user_id":11}'
        ).encode()
        assert document(Kind.SOAP_NOTE, approval) == expected
        assert present(approval.words).document == sha256(expected).hexdigest()

    def test_a_drafts_document_names_no_signer(self) -> None:
        fields = json.loads(present(document(Kind.NOTE, drafted())))
        assert fields["format"] == FORMAT
        assert not fields.keys() & {"meaning", "signer_name", "predecessor"}

    def test_one_moment_is_written_in_one_way(self) -> None:
        elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert document(Kind.NOTE, drafted(at=elsewhere)) == document(Kind.NOTE, drafted(at=NOON))

    def test_without_words_there_is_none(self) -> None:
        assert document(Kind.NOTE, drafted().model_copy(update={"words": None})) is None
        assert digest(Kind.NOTE, None) is None


BASE: Final = drafted("slept well", files=(X_RAY,), attachments=("1",))


def _words(approval: NoteApproved, **changed: Any) -> NoteApproved:
    return approval.model_copy(update={"words": present(approval.words).model_copy(update=changed)})


class TestAuditorsCheck:
    APPROVAL = signed("slept well", BASE, files=(X_RAY,), attachments=("1",), signature="c2ln")

    def test_what_was_signed_matches(self) -> None:
        assert check(Kind.NOTE, self.APPROVAL, BASE) is DocumentCheck.MATCHES
        assert check(Kind.NOTE, signed(), None) is DocumentCheck.MATCHES

    @pytest.mark.parametrize(
        "changed",
        [
            {"note_id": 2},
            {"client_user_id": 22},
            {"record_type": 3},
            {"therapist_user_id": 12},
            {"therapist_client_id": 102},
            {"therapist_session_id": 201},
            {"dated": after(-1)},
            {"at": after(1)},
            {"by": BRUNO},
            {"is_override": True},
        ],
    )
    def test_a_clear_field_that_says_something_else_differs(self, changed: dict[str, Any]) -> None:
        approval = self.APPROVAL.model_copy(update=changed)
        assert check(Kind.NOTE, approval, BASE) is DocumentCheck.DIFFERS

    @pytest.mark.parametrize(
        "changed",
        [
            {"text": "slept badly"},
            {"ml_text": ""},
            {"files": ()},
            {"files": (LETTER,)},
            {"files": (X_RAY.model_copy(update={"sha256": "c" * 64}),)},
            {"signer_name": "A. Arends"},
            {"predecessor": None},
            {"document": "0" * 64},
        ],
    )
    def test_words_that_say_something_else_differ(self, changed: dict[str, Any]) -> None:
        approval = _words(self.APPROVAL, **changed)
        assert check(Kind.NOTE, approval, BASE) is DocumentCheck.DIFFERS

    def test_another_kind_of_note_differs(self) -> None:
        assert check(Kind.SOAP_NOTE, self.APPROVAL, BASE) is DocumentCheck.DIFFERS

    @pytest.mark.parametrize("other", [None, drafted("slept"), approved("slept well")])
    def test_another_predecessor_differs(self, other: NoteVersion | None) -> None:
        assert check(Kind.NOTE, self.APPROVAL, other) is DocumentCheck.DIFFERS

    def test_the_hand_drawn_signature_stands_beside_it(self) -> None:
        approval = _words(self.APPROVAL, signature="bmV1")
        assert check(Kind.NOTE, approval, BASE) is DocumentCheck.MATCHES

    def test_an_older_shape_says_that_nothing_was_recorded(self) -> None:
        assert check(Kind.NOTE, approved(), BASE) is DocumentCheck.NOT_RECORDED

    def test_once_the_words_are_gone_there_is_nothing_to_compare(self) -> None:
        gone = self.APPROVAL.model_copy(update={"words": None})
        assert check(Kind.NOTE, gone, BASE) is DocumentCheck.WORDS_ARE_GONE
        before = BASE.model_copy(update={"words": None})
        assert check(Kind.NOTE, self.APPROVAL, before) is DocumentCheck.WORDS_ARE_GONE
