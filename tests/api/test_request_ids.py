"""Every request has an id: the caller's where it is sane, else a new one."""

import logging
import re
from contextlib import closing

import pytest

from domain.aggregates import aggregate_id
from domain.value import Authentication, Kind
from ledger.clear_facts import clear_facts
from ledger.database import Datastore
from ledger.request_ids import new_request_id, request_id_under_way, under_way
from runtime.logs import WithoutWords
from tests.api.clinic import Clinic
from tests.api.conftest import Seeded
from tests.samples import ALMA

HEADER = "X-Request-Id"
MADE = re.compile(r"[A-Za-z0-9_-]{16}")

SANE = [
    "a",
    "6f1e7b0a-3f43-4d1c-9d2f-0f7c5ad4a0f1",
    "Root=1-67891233-abcdef012345678912345678",
    "trace:span/1+2=3~4@host.example",
    "x" * 128,
]
INSANE = [
    "x" * 129,
    "x" * 10_000,
    "a b",
    "a,b",
    "a\tb",
    "a\x01b",
    "a\x7f",
    "\u00e9",
    '"a"',
    "a;b",
    "<a>",
    "%0a",
]


@pytest.mark.parametrize("given", SANE)
def test_a_sane_id_comes_back(shared_clinic: Clinic, given: str) -> None:
    answer = shared_clinic.alma.get("/data/", headers={HEADER: given})
    assert answer.status_code == 200
    assert answer.headers.get_list(HEADER) == [given]


def test_where_there_is_none_one_is_made(shared_clinic: Clinic) -> None:
    made = [shared_clinic.alma.get("/data/").headers[HEADER] for _ in range(2)]
    made.append(shared_clinic.alma.get("/data/", headers={HEADER: ""}).headers[HEADER])
    assert all(map(MADE.fullmatch, made))
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("given", INSANE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_no_id_is_refused_by_name(shared_clinic: Clinic, given: str, method: str) -> None:
    before = shared_clinic.stored()
    sent = {HEADER.encode(): given.encode("latin-1")}
    answer = shared_clinic.alma.ask(method, "/soap/recordtype/", headers=sent)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [HEADER]
    assert MADE.fullmatch(answer.headers[HEADER])
    assert shared_clinic.stored() == before


def test_two_ids_are_none(shared_clinic: Clinic) -> None:
    sent = [(HEADER, "a"), (HEADER, "b")]
    answer = shared_clinic.http.get("/healthz", headers=sent)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/nothing", "/healthz", "/data/999/", "/auth/me/"])
def test_every_answer_has_one(shared_clinic: Clinic, path: str) -> None:
    assert MADE.fullmatch(shared_clinic.nobody.get(path).headers[HEADER])


def test_a_fact_says_in_which_request_and_how_its_writer_came_in(
    clinic: Clinic, seeded: Seeded
) -> None:
    saved = clinic.alma.save_note(headers={HEADER: "req-7"})
    note = aggregate_id(Kind.NOTE, saved["id"])
    with closing(Datastore(seeded.database.app_url, pool_size=1)) as datastore:
        [(_, _, _, fact)] = clear_facts(datastore, clinic.number, note)
    assert (fact.by.user_id, fact.by.role) == (ALMA.user_id, ALMA.role)
    assert (fact.by.request_id, fact.by.authentication) == ("req-7", Authentication.TOKEN)


class TestLogLines:
    def test_a_line_names_the_request(self) -> None:
        record = logging.LogRecord("x", logging.INFO, __file__, 1, "broke", None, None)
        formatter = WithoutWords("%(name)s%(request)s: %(message)s")
        with under_way("req-7"):
            assert formatter.format(record) == "x [req-7]: broke"
        assert formatter.format(record) == "x: broke"

    def test_the_id_ends_with_its_block(self) -> None:
        with under_way("outer"), under_way(new_request_id()):
            assert request_id_under_way() not in {"outer", None}
        assert request_id_under_way() is None
