"""Whatever is sent, the answer is one of ours: random JSON, and bodies that are almost right."""

import json
from typing import Any, Final

from httpx2 import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.clinic import Clinic, note
from tests.api.test_bad_input import TARGETS, Target

ANY_TEXT: Final = st.text(st.characters(exclude_categories=()), max_size=20)
"""Lone surrogates and NUL too."""
SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["2026-03-02T12:00:00Z", "QQ==", "ml", "therapist", 1, 2, 11, 21, 101, 201])
)
ANY_JSON: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES: Final = sorted({name for target in TARGETS.values() for name in target.body} | set(note()))
PATHS: Final = st.sampled_from(sorted(TARGETS))


@st.composite
def _almost_right(draw: st.DrawFn, body: dict[str, Any]) -> object:
    """The body with some fields replaced, left out, or added."""
    changed = dict(body)
    for name in draw(st.lists(st.sampled_from(sorted(body)), max_size=2)):
        changed[name] = draw(ANY_JSON)
    for name in draw(st.lists(st.sampled_from(sorted(body)), max_size=1)):
        changed.pop(name, None)
    changed |= draw(st.dictionaries(st.sampled_from(NAMES) | ANY_TEXT, ANY_JSON, max_size=2))
    return changed


@st.composite
def _sent(draw: st.DrawFn) -> tuple[Target, bytes]:
    target = TARGETS[draw(PATHS)]
    body = draw(ANY_JSON | _almost_right(target.body))
    return target, json.dumps(body).encode()


def _assert_ours(answer: Response) -> None:
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


SHARED: Final = settings(
    max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SHARED
@given(sent=_sent())
def test_any_json_to_any_operation(
    shared_clinic: Clinic, ids: dict[str, int], sent: tuple[Target, bytes]
) -> None:
    target, content = sent
    if target.method == "DELETE":  # aimed at nothing, or there were soon nothing to aim at
        ids = dict.fromkeys(ids, 999_999)
    door = shared_clinic.adam if target.path.startswith("/directory") else shared_clinic.alma
    headers = {"Content-Type": "application/json"}
    path = target.path.format(**ids)
    _assert_ours(door.ask(target.method, path, content=content, headers=headers))


@SHARED
@given(metadata=ANY_JSON | _almost_right(note(id=1, date="2026-03-02T12:00:00Z", is_approved=True)))
def test_any_json_as_the_metadata_of_a_form(shared_clinic: Clinic, metadata: object) -> None:
    _assert_ours(shared_clinic.alma.post_form(json.dumps(metadata), [("a.txt", b"a")]))


@SHARED
@given(content=st.binary(max_size=200), boundary=st.sampled_from(["x", "--", '"', "x y", "é"]))
def test_any_bytes_as_a_form(shared_clinic: Clinic, content: bytes, boundary: str) -> None:
    content = content.replace(b"\x00", b"--" + boundary.encode("latin-1") + b"\r\n")
    headers = {b"Content-Type": f"multipart/form-data; boundary={boundary}".encode("latin-1")}
    door = shared_clinic.alma
    _assert_ours(door.ask("POST", "/recordtype/", content=content, headers=headers))


@SHARED
@given(
    query=st.dictionaries(st.sampled_from(["limit", "cursor", "x"]), ANY_TEXT.map(str)),
    if_match=st.binary(max_size=20),
    key=st.binary(max_size=20),
)
def test_any_query_and_any_header(
    shared_clinic: Clinic, query: dict[str, str], if_match: bytes, key: bytes
) -> None:
    query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    _assert_ours(shared_clinic.alma.get("/data/", params=query))
    printable = {
        name: bytes(byte for byte in value if byte >= 32 and byte != 127)
        for name, value in ((b"If-Match", if_match), (b"Idempotency-Key", key))
    }
    _assert_ours(shared_clinic.alma.post_form(note(), headers=printable))
