"""The served document against the service, by schemathesis: all its checks, on all operations.

Ids that it draws are changed to ids that are there, so that notes are really saved, read and
deleted; what is wrong in a request stays as wrong as it was.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, cast

import schemathesis
from schemathesis import BaseSchema, Case, HookContext, hooks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.events import EngineEvent
from schemathesis.openapi.checks import IgnoredAuth, UseAfterFree

from domain.aggregates import NOTE_AGGREGATES
from domain.note_work import GiveUp, RecordDeidentified
from domain.value import MAX_ID, THE_WORKER, By, Kind
from domain.work import JobName, WhyFailed
from tests.api.clinic import Clinic, trigger
from tests.samples import ALMA, ALMA_TREATS_CLARA, CLARA, NOON, PROGRESS, SESSION_ID

MAX_EXAMPLES: Final = 5
METHODS: Final = ("GET /", "POST /", "PUT /", "DELETE /")
# A request of the right shape may still name what is not there, what its caller may not touch, or
# what is final by now, and a text may be no Base64 or no JSON of a cursor's: its schema cannot know.
RIGHT_SHAPE: Final = ["2xx", "403", "404", "409", "412", "422"]
LOG_IN: Final = ["2xx", "401", "422", "429"]
"""Nobody has the names and passwords that are drawn."""

THERE: Final = {
    "client_user_id": CLARA.user_id,
    "therapist_user_id": ALMA.user_id,
    "therapist_client_id": ALMA_TREATS_CLARA,
    "therapist_session_id": SESSION_ID,
    **dict.fromkeys(
        (
            "record_type",
            "record_type_id",
            "therapistnotes_notetype_id",
            "therapist_notes_notetypeid",
        ),
        PROGRESS,
    ),
}
ENTRIES: Final = {
    "users": ALMA.user_id,
    "clients": CLARA.user_id,
    "relationships": ALMA_TREATS_CLARA,
    "sessions": SESSION_ID,
}
MEANING: Final = {"positive_data_acceptance": {"expected-statuses": RIGHT_SHAPE}}
ABOUT_MEANING: Final = (
    "positive_data_acceptance",
    "negative_data_rejection",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
)
"""Checks that ask for more than that an answer is one of those that the document shows."""
AnyCase = Case[Any]
AN_ID: Final = "[1-9][0-9]{0,15}"


class Aim:
    """Changes what cases aim at to what is there."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._alma = clinic.alma
        self._numbers = count(1_000)
        self._kept: dict[str, int] = {}

    def change(self, case: AnyCase) -> None:
        """Change a case that is about to be sent."""
        if isinstance(case.body, dict):
            body = cast(dict[str, Any], case.body)
            form = body.get("metadata")
            self._change_fields(form if isinstance(form, dict) else body, case.operation.path)
        if "if-match" in case.headers and next(self._numbers) % 2:
            case.headers["if-match"] = "*"
        if re.fullmatch(AN_ID, str(case.path_parameters.get("id", ""))):
            is_new = case.method == "DELETE"
            note_id = self._id(case.operation.path, case.method, is_new=is_new)
            case.path_parameters["id"] = str(note_id)
            if "digest" in case.path_parameters:
                case.path_parameters["digest"] = self._digest(note_id)

    def _change_fields(self, fields: dict[str, Any], path: str) -> None:
        for name in fields.keys() & THERE.keys():
            if type(fields[name]) is int and 1 <= fields[name] <= MAX_ID:
                fields[name] = THERE[name]
        if type(fields.get("id")) is int and 1 <= fields["id"] <= MAX_ID:
            fields["id"] = self._id(path, "PUT", is_new=False)
        if fields.get("sender_role") == "ml" and next(self._numbers) % 2:
            fields["sender_role"] = "therapist"

    def _id(self, path: str, method: str, *, is_new: bool) -> int:
        """A note to delete is a new one each time."""
        if path.startswith("/directory/"):
            kind = path.split("/")[2]
            if "transcript" in path:
                self._alma.put(
                    f"/directory/sessions/{SESSION_ID}/transcript/", {"text": "I slept."}
                )
            is_another = method == "PUT" and "transcript" not in path
            return next(self._numbers) if is_another else ENTRIES.get(kind, PROGRESS)
        if "/trigger/" in path:
            return self._generation()
        if "/meta/" in path:
            return PROGRESS
        if is_new or path not in self._kept:
            self._kept[path] = self._new(path)
        return self._kept[path]

    def _work_on(self, kind: Kind, note_id: int) -> None:
        """What a worker would record: one job is done, and one was given up."""
        if kind is Kind.SOAP_NOTE:  # only an approval starts work
            self._alma.save_soap("S: slept", id=note_id, is_approved=True)
        version = 1 if kind is Kind.NOTE else 2
        of: dict[str, Any] = {"by": THE_WORKER, "at": NOON, "of_version": version}
        done = RecordDeidentified(
            **of, tool="test/1", models=(), text="[CLIENT] slept", placeholders=(), counts={}
        )
        failed = GiveUp(job=JobName.SET_EVENT_STATUS, why=WhyFailed.BROKE, **of)
        for command in (done, failed):
            self._clinic.services.ledger.record(
                self._clinic.number, NOTE_AGGREGATES[kind], note_id, command
            )

    def _generation(self) -> int:
        """A draft that nobody works on any more, so that it can be asked for again."""
        self._alma.save_note()
        [newest, *_] = self._alma.get("/soap/trigger/?limit=1").json() or [None]
        if newest is None:
            location = self._alma.post("/soap/trigger/", trigger()).headers["Location"]
            return int(location.rstrip("/").rpartition("/")[2])
        self._alma.delete(f"/soap/trigger/{newest['id']}/")
        return int(newest["id"])

    def _new(self, path: str) -> int:
        save = self._alma.save_soap if "/soap/" in path else self._save_with_file
        saved = save()
        if path.endswith(("/deidentified/", "/processing/")):
            self._work_on(Kind.SOAP_NOTE if "/soap/" in path else Kind.NOTE, saved["id"])
        return int((saved["history"] if "history" in path else saved)["id"])

    def _save_with_file(self) -> dict[str, Any]:
        return self._alma.save_note(files=[("a.txt", b"a")])

    def _digest(self, note_id: int) -> str:
        [file] = self._alma.get(f"/recordtype/{note_id}/").json()["file_content_json"]
        return str(file["url"].rstrip("/").rpartition("/")[2])


def _schema(
    clinic: Clinic, who: By, checks: Mapping[str, Mapping[str, Any]] = MEANING
) -> BaseSchema:
    login, token = clinic.tokens[who]
    config = SchemathesisConfig.from_dict(
        {
            "auth": {"basic": {"username": login, "password": token}},
            "generation": {"max-examples": MAX_EXAMPLES, "deterministic": True},
            "continue-on-failure": True,
            "checks": checks,
            "operations": [
                {
                    "include-operation-id": "auth_login",
                    "checks": {"positive_data_acceptance": {"expected-statuses": LOG_IN}},
                },
                {
                    # Where it changes a header it adds another one, and that is allowed.
                    "include-operation-id": "events_listen",
                    "checks": {"negative_data_rejection": {"enabled": False}},
                },
            ],
        }
    )
    return schemathesis.openapi.from_asgi("/openapi.json", clinic.app, config=config)


@contextmanager
def _aimed(clinic: Clinic) -> Iterator[None]:
    aim = Aim(clinic)

    def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
        aim.change(case)

    hooks.hook(before_call)
    try:
        yield
    finally:
        hooks.unregister(before_call)


def _found(event: EngineEvent) -> Iterator[str]:
    match event:
        case events.NonFatalError() | events.FatalError():
            yield repr(event)
        case events.EngineFinished():
            yield from (failure.message for failure in event.failures)
        case events.ScenarioFinished():
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info:
                        failure = check.failure_info.failure
                        # It signs in wrongly so often that it is throttled, as it should be.
                        is_throttled = (
                            isinstance(failure, IgnoredAuth) and "`429" in failure.message
                        )
                        # A draft that was cancelled is still told of, as cancelled.
                        is_cancelled = (
                            isinstance(failure, UseAfterFree) and "/trigger/" in failure.message
                        )
                        if not is_throttled and not is_cancelled:
                            where = event.recorder.label, check.failure_info.code_sample
                            yield "\n".join((failure.title, failure.message, *where))


def check_document(clinic: Clinic, who: By, paths: str) -> None:
    """Ask as `who` for all operations whose path matches, in every phase that schemathesis has.

    The operations lie in three modules by their paths, so that workers share the time.
    """
    schema = _schema(clinic, who).exclude(path_regex=f"^(?!{paths})")
    with _aimed(clinic):
        seen = list(from_schema(schema).execute())

    found = [failure for event in seen for failure in _found(event)]
    assert not found, "\n\n".join(found)
    assert {"coverage", "fuzzing", "stateful"} <= {
        event.phase.name.value for event in seen if isinstance(event, events.PhaseFinished)
    }
    # Not all of it came to nothing: every operation was done as its caller may do it.
    assert _undone(seen) <= {"POST /auth/login/"}


def check_answers(clinic: Clinic, who: By, aim: Callable[[str], dict[str, str]]) -> None:
    """Ask as `who` for all operations, whatever comes of it: no answer is one that is not documented.

    `aim` gives the parameters of a path. Nothing is deleted, and no stream is listened to.
    """
    schema = _schema(clinic, who, {name: {"enabled": False} for name in ABOUT_MEANING})
    schema = schema.exclude(path_regex="^/events/").exclude(method="DELETE")

    def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
        case.path_parameters.update(aim(case.operation.path))

    hooks.hook(before_call)
    try:
        seen = list(from_schema(schema).execute())
    finally:
        hooks.unregister(before_call)
    found = [failure for event in seen for failure in _found(event)]
    assert not found, "\n\n".join(found)


def _undone(seen: list[EngineEvent]) -> set[str]:
    answered: dict[str, set[int]] = {}
    for event in seen:
        if isinstance(event, events.ScenarioFinished) and event.recorder.label.startswith(METHODS):
            statuses = answered.setdefault(event.recorder.label, set())
            statuses |= {
                exchange.response.status_code
                for exchange in event.recorder.interactions.values()
                if exchange.response
            }
    assert answered
    return {label for label, statuses in answered.items() if not statuses & {200, 201, 204}}
