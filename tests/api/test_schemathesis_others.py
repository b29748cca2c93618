"""schemathesis on the directory as an administrator, and on log-in and health."""

from tests.api.clinic import Clinic
from tests.api.document_checks import check_document
from tests.samples import ADAM

OTHERS = r"/(directory/(?!sessions/\{id\}/transcript)|auth|healthz|readyz|metrics)"


def test_the_service_does_what_its_document_says(shared_clinic: Clinic) -> None:
    check_document(shared_clinic, ADAM, OTHERS)


def test_no_operation_is_left_out(shared_clinic: Clinic) -> None:
    for path in shared_clinic.http.get("/openapi.json").json()["paths"]:
        parts = path.split("/")
        # `/events/` has a check of its own (test_events.py): its answers must be short for that.
        assert parts[1] in {"directory", "auth", "events", "healthz", "readyz", "metrics"} or (
            parts[1:3] == ["apis", "therapistnotes"] and parts[3] in {"data", "recordtype", "soap"}
        ), path
