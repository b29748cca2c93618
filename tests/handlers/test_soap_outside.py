"""What leaves the service for a language model: de-identified text, and nothing else."""

import json
from typing import Final

import pytest

from domain.generation_facts import GenerationState, SourceKind
from domain.note import NOTE
from domain.soap_note import SOAP_NOTE
from handlers.deidentify import DeidentificationFailedError, Deidentified, Names
from handlers.open_jobs import OpenJobs
from handlers.runs import Runs
from handlers.soap_writer import SoapDraft, Source
from runtime.drafting import drafting
from runtime.settings import Settings
from tests.databases import Program
from tests.handlers.deidentifying import deidentifier
from tests.handlers.job_contexts import DRAFT_JOB, job_context, state_of_draft, with_generation
from tests.handlers.llm_server import LlmServer, note, says, serving
from tests.samples import CLINIC, NOTE_ID, present, save
from tests.work_samples import SOAP_NOTE_ID

CLIENT: Final = "Clara Claes"
NAMES: Final = Names((CLIENT,), ("Alma Arends",), ("David Dekker",))
IDENTIFIERS: Final = (
    "Clara",
    "Claes",
    "Alma",
    "Dekker",
    "March 3",
    "555-123-4567",
    "clara.c@example.com",
    "Elm Street",
    "62704",
)
FIRST: Final = (
    "Clara Claes reports four hours of sleep a night since March 3, 2024."
    " Her phone is 555-123-4567, her address clara.c@example.com."
)
SECOND: Final = (
    "David Dekker of 12 Elm Street, Springfield, IL 62704, will drive Clara to Alma Arends."
)
SOURCES: Final = [
    Source(SourceKind.NOTE, 1, 1, FIRST),
    Source(SourceKind.NOTE, 2, 1, f"\f{SECOND}"),
]
SAID: Final = note(subjective=[("[CLIENT] reports four hours of sleep.", [1])])


def _sent(server: LlmServer) -> str:
    """All that it was told."""
    return json.dumps([request["messages"] for request in server.requests])


def _draft(sources: list[Source], url: str) -> SoapDraft:
    draft = drafting(Settings.model_validate({"llm_url": url}), deidentifier)
    return draft(sources, NAMES)


def test_no_identifier_is_sent_and_names_come_back() -> None:
    with serving(says(SAID)) as server:
        draft = _draft(SOURCES, server.url)
    sent = _sent(server)
    assert [word for word in IDENTIFIERS if word in sent] == []
    assert "[CLIENT]" in sent
    assert [sentence.text for sentence in draft.sentences] == [
        f"{CLIENT} reports four hours of sleep."
    ]


def test_a_placeholder_is_the_same_in_every_source() -> None:
    with serving(says(SAID)) as server:
        _draft(SOURCES, server.url)
    [asked] = server.requests
    assert asked["messages"][1]["content"].count("[CLIENT]") >= 2


class Failing:
    """A de-identifier whose models are gone."""

    tool = "failing/1"
    models = ()

    def deidentify(self, text: str, names: Names) -> Deidentified:
        raise DeidentificationFailedError("spacy")


def test_where_a_layer_fails_nothing_is_sent() -> None:
    with serving(says(SAID)) as server:
        settings = Settings.model_validate({"llm_url": server.url})
        draft = drafting(settings, Failing)  # type: ignore[arg-type]
        with pytest.raises(DeidentificationFailedError):
            draft(SOURCES, NAMES)
    assert server.requests == []


def test_a_whole_job_sends_no_identifier(program: Program) -> None:
    """From the ledger to the SOAP note, whose text has the names again."""
    with_generation(program)
    program.ledger.record(CLINIC, NOTE, NOTE_ID, save(FIRST))
    with serving(says(SAID)) as server:
        settings = Settings.model_validate({"llm_url": server.url})
        context = job_context(
            program,
            drafting(settings, deidentifier),
            names=lambda clinic_id, client, therapist: NAMES,
        )
        Runs(program.datastore, OpenJobs(program.datastore), context).run(DRAFT_JOB)
    assert state_of_draft(program) is GenerationState.DONE
    sent = _sent(server)
    assert [word for word in IDENTIFIERS if word in sent] == []
    words = present(present(program.ledger.state(CLINIC, SOAP_NOTE, SOAP_NOTE_ID)).saved.words)
    assert f"{CLIENT} reports four hours of sleep." in words.text
    assert "No clinician wrote" in words.text
