"""The values that a request may bring, without a server: what each accepts, at and beyond its bounds."""

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.inputs import (
    CURSOR_TAG_BYTES,
    SIGNATURE_CHARS_MAX,
    InputDate,
    InputId,
    InputSignature,
    InputText,
    RequestBody,
    as_text,
    checked_text,
    cursor_for,
    etag,
    idempotency_claim,
    if_version,
    read_cursor,
)
from api.problems import BadRequest
from domain.value import MAX_ID

SECRET = b"a clinic's secret"
IDS = st.integers(min_value=1, max_value=MAX_ID)


def messages(type_: Any, value: object) -> list[str]:
    """What the sender reads, nothing where the value is accepted."""
    try:
        TypeAdapter(type_).validate_python(value)
    except ValidationError as error:
        return [found["msg"] for found in error.errors()]
    return []


def accepts(type_: Any, value: object) -> bool:
    return messages(type_, value) == []


def refused(status: int, field: str, detail: str, call: Any, *args: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        call(*args)
    assert (caught.value.status, caught.value.field, caught.value.detail) == (status, field, detail)


class Example(RequestBody):
    """A body with one field of each kind."""

    id: InputId = 1
    text: InputText = ""
    flag: bool = False


class TestBody:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"id": True}, "id"),
            ({"id": "1"}, "id"),
            ({"id": 1.0}, "id"),
            ({"flag": "yes"}, "flag"),
            ({"flag": 1}, "flag"),
            ({"text": 1}, "text"),
            ({"more": 1}, "more"),
        ],
    )
    def test_types_are_those_of_json_and_no_field_is_lost(
        self, body: dict[str, object], field: str
    ) -> None:
        with pytest.raises(ValidationError) as caught:
            Example.model_validate(body)
        assert [error["loc"] for error in caught.value.errors()] == [(field,)]

    def test_an_error_quotes_nothing(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Example.model_validate({"text": "Clara slept\0"})
        assert "Clara" not in str(caught.value)


class TestIds:
    @pytest.mark.parametrize(
        ("value", "is_id"),
        [(0, False), (1, True), (MAX_ID, True), (MAX_ID + 1, False), (-1, False)],
    )
    def test_from_one_to_the_largest_that_json_readers_keep(self, value: int, is_id: bool) -> None:
        assert accepts(InputId, value) is is_id


class TestTexts:
    @pytest.mark.parametrize("text", ["", "slept well", "schläft 😴", "\t\n", "a" * 100_000])
    def test_unicode_is_text(self, text: str) -> None:
        assert TypeAdapter(InputText).validate_python(text) == text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a\0b", "Value error, NUL characters are not text"),
            ("\0", "Value error, NUL characters are not text"),
            ("\ud800", "Value error, lone surrogates are not text"),
            ("a\udfffb", "Value error, lone surrogates are not text"),
        ],
    )
    def test_what_is_no_text(self, text: str, message: str) -> None:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(InputText).validate_python(text)
        assert [error["msg"] for error in caught.value.errors()] == [message]

    def test_an_object_is_its_json_text(self) -> None:
        assert as_text({"S": "schläft", "n": [1, None]}) == '{"S":"schläft","n":[1,null]}'
        assert as_text("as it is") == "as it is"

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_numbers_are_finite(self, number: float) -> None:
        refused(422, "data", "Numbers are finite.", as_text, {"n": number})

    def test_the_bound_counts_bytes_of_utf_8(self) -> None:
        assert checked_text(4, "éé") == "éé"
        detail = "A text is at most 3 bytes of UTF-8 long."
        refused(422, "data", detail, checked_text, 3, "éé")
        refused(422, "reason", detail, checked_text, 3, "éé", "reason")

    def test_the_bound_counts_an_objects_json(self) -> None:
        assert checked_text(7, {"a": 1}) == '{"a":1}'
        refused(422, "data", "A text is at most 6 bytes of UTF-8 long.", checked_text, 6, {"a": 1})

    @pytest.mark.parametrize(
        "value",
        [{"a": "\0"}, {"\0": "a"}, {"a": ["b", "\0"]}, {"a": {"b": [{"c": "x\0"}]}}],
    )
    def test_no_nul_anywhere_in_an_object(self, value: dict[str, Any]) -> None:
        refused(422, "data", "NUL characters are not text.", checked_text, 1_000, value)
        refused(422, "x", "NUL characters are not text.", checked_text, 1_000, value, "x")

    def test_the_six_characters_of_an_escape_are_text(self) -> None:
        value = {"a": "\\u0000"}
        assert json.loads(checked_text(1_000, value)) == value

    def test_they_are_text_beside_what_is_no_text(self) -> None:
        value = {"a": "\\u0000", "n": 1, "b": [None, True, 1.5]}
        assert json.loads(checked_text(1_000, value)) == value

    def test_no_lone_surrogates(self) -> None:
        detail = "Lone surrogates are not text."
        refused(422, "data", detail, checked_text, 1_000, {"a": "\ud800"})
        refused(422, "data", detail, checked_text, 1_000, "\ud800")


class TestDates:
    @pytest.mark.parametrize(
        "text",
        ["2026-01-31T09:30:00Z", "2026-01-31t09:30:00+01:00", "2026-01-31 09:30:00.5-05:00"],
    )
    def test_rfc_3339_with_a_zone(self, text: str) -> None:
        assert accepts(InputDate, text)

    @pytest.mark.parametrize(
        "value",
        [
            "2026-01-31",
            "2026-01-31T09:30:00",
            "2026-02-30T09:30:00Z",
            "1769851800",
            1769851800,
            1769851800.5,
            None,
            True,
            "",
            "tomorrow",
            datetime(2026, 1, 31, tzinfo=UTC),
        ],
    )
    def test_nothing_else(self, value: object) -> None:
        assert not accepts(InputDate, value)

    def test_the_message_shows_the_form(self) -> None:
        form = "a date and time with its zone (RFC 3339), such as 2026-01-31T09:30:00Z"
        assert messages(InputDate, "tomorrow") == [f"Value error, {form}"]

    @pytest.mark.parametrize(
        ("text", "is_in_range"),
        [
            ("1899-12-31T23:59:59Z", False),
            ("1900-01-01T00:00:00Z", True),
            ("2199-12-31T23:59:59Z", True),
            ("2200-01-01T00:00:00Z", False),
            ("1900-01-01T00:30:00+01:00", False),
        ],
    )
    def test_between_1900_and_2200(self, text: str, is_in_range: bool) -> None:
        found = messages(InputDate, text)
        assert found == ([] if is_in_range else ["Value error, a date between 1900 and 2200"])


class TestSignatures:
    @pytest.mark.parametrize(
        ("text", "is_signature"),
        [
            ("", True),
            ("aGVsbG8=", True),
            ("aGVsbG8", False),
            ("aGVs bG8=", False),
            ("aGVs\nbG8=", False),
            ("-_-_", False),
            ("schläft", False),
            ("A" * SIGNATURE_CHARS_MAX, True),
            ("A" * (SIGNATURE_CHARS_MAX + 4), False),
        ],
    )
    def test_base64_up_to_its_bound(self, text: str, is_signature: bool) -> None:
        assert accepts(InputSignature, text) is is_signature

    def test_the_message_names_the_form(self) -> None:
        expected = "Value error, a signature is Base64 (RFC 4648, section 4)"
        assert messages(InputSignature, "-_-_") == [expected]


class TestCursors:
    @given(IDS)
    def test_a_cursor_names_its_id(self, last_id: int) -> None:
        cursor = cursor_for(SECRET, last_id)
        assert read_cursor(SECRET, cursor) == last_id
        assert len(base64.urlsafe_b64decode(cursor)) == 8 + CURSOR_TAG_BYTES

    @given(IDS, st.integers(min_value=0, max_value=8 * (8 + CURSOR_TAG_BYTES) - 1))
    def test_a_changed_bit_is_noticed(self, last_id: int, bit: int) -> None:
        raw = bytearray(base64.urlsafe_b64decode(cursor_for(SECRET, last_id)))
        raw[bit // 8] ^= 1 << bit % 8
        self._refused(base64.urlsafe_b64encode(raw).decode())

    def test_another_clinics_cursor_is_refused(self) -> None:
        self._refused(cursor_for(b"another clinic's secret", 7))

    @pytest.mark.parametrize("cursor", ["", "7", "AAAAAAAAAAc=", "AAAA", "schläft", "!", "AAAAAAA"])
    def test_any_other_text_is_refused(self, cursor: str) -> None:
        self._refused(cursor)

    @pytest.mark.parametrize("added", ["!", "\n", " "])
    def test_nothing_is_left_out_of_a_cursor_to_make_it_one(self, added: str) -> None:
        cursor = cursor_for(SECRET, 7)
        self._refused(cursor + added)
        self._refused(cursor[:4] + added + cursor[4:])

    def _refused(self, cursor: str) -> None:
        detail = "This cursor did not come from a Link header."
        refused(422, "cursor", detail, read_cursor, SECRET, cursor)


class TestVersions:
    @pytest.mark.parametrize(
        ("if_match", "version"),
        [
            (None, None),
            ("*", None),
            (" * ", None),
            ('"7"', 7),
            ("7", 7),
            (' "7" ', 7),
            (etag(12), 12),
            ("9" * 16, 9_999_999_999_999_999),
            ("9" * 17, -1),
            ('W/"7"', -1),
            ('"abc"', -1),
            ("", -1),
            ("٣", -1),
            ("-7", -1),
        ],
    )
    def test_if_match(self, if_match: str | None, version: int | None) -> None:
        assert if_version(if_match) == version


class TestIdempotencyClaims:
    BASIC = (SECRET, 11, "key", "/path/", b"request")

    def test_the_same_request_makes_the_same_claim(self) -> None:
        assert idempotency_claim(*self.BASIC) == idempotency_claim(*self.BASIC)
        assert idempotency_claim(*self.BASIC).user_id == 11

    def test_the_digests_stay_what_they_are(self) -> None:
        """They are stored for days: a program of another version must find them."""
        claim = idempotency_claim(*self.BASIC)
        assert claim.key_digest == hmac.digest(SECRET, b"key\0key", "sha256")
        request = b"request\0/path/\0request"
        assert claim.request_digest == hmac.digest(SECRET, request, "sha256")

    def test_the_claim_holds_digests_only(self) -> None:
        claim = idempotency_claim(*self.BASIC)
        assert (len(claim.key_digest), len(claim.request_digest)) == (32, 32)

    @pytest.mark.parametrize(
        ("place", "value", "changed"),
        [
            (0, b"another secret", {"key_digest", "request_digest"}),
            (1, 12, {"user_id"}),
            (2, "another", {"key_digest"}),
            (2, "\udcff", {"key_digest"}),
            (3, "/another/", {"request_digest"}),
            (4, b"another", {"request_digest"}),
        ],
    )
    def test_each_part_counts(self, place: int, value: object, changed: set[str]) -> None:
        parts: list[Any] = list(self.BASIC)
        parts[place] = value
        before, after = idempotency_claim(*self.BASIC), idempotency_claim(*parts)
        differing = {
            name
            for name, one, other in zip(before._fields, before, after, strict=True)
            if one != other
        }
        assert differing == changed

    def test_path_and_request_do_not_run_into_each_other(self) -> None:
        one = idempotency_claim(SECRET, 11, "key", "/a/", b"b")
        other = idempotency_claim(SECRET, 11, "key", "/a", b"/b")
        assert one.request_digest != other.request_digest
