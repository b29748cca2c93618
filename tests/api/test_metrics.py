"""GET /metrics: for administrators, in the text that Prometheus reads."""

import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from tests.api.clinic import Clinic


def test_an_administrator_reads_what_was_counted(clinic: Clinic) -> None:
    runs = Counter("runs", "Of jobs.", ["job"], registry=clinic.services.metrics)
    runs.labels("deidentify").inc()
    for path in ("/metrics", "/metrics/"):
        answer = clinic.adam.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        [family] = [
            family
            for family in text_string_to_metric_families(answer.text)
            if family.name == "runs"
        ]
        assert family.samples[0].labels == {"job": "deidentify"}
        assert family.samples[0].value == 1


@pytest.mark.parametrize(
    ("who", "status"),
    [("nobody", 401), ("alma", 403), ("audra", 403), ("ml", 403), ("eva", 403)],
)
def test_others_do_not(clinic: Clinic, who: str, status: int) -> None:
    assert getattr(clinic, who).get("/metrics").status_code == status
