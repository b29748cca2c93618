"""schemathesis on the therapist notes, as a therapist."""

from tests.api.clinic import Clinic
from tests.api.document_checks import check_document
from tests.samples import ALMA

PATHS = r"/(apis/therapistnotes/(data|recordtype)/|directory/sessions/\{id\}/transcript/)"


def test_the_service_does_what_its_document_says(shared_clinic: Clinic) -> None:
    check_document(shared_clinic, ALMA, PATHS)
