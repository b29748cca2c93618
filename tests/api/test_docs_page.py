"""The page that the document is read by asks no other host for anything."""

import re
from html.parser import HTMLParser

from starlette.testclient import TestClient

from ledger.continuity import Reason
from ledger.stopped import Stopped
from tests.api.clinic import Clinic


class _Page(HTMLParser):
    """What a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.refers_to: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect addresses."""
        self.refers_to += [
            value or "" for name, value in attrs if name in {"src", "href", "action"}
        ]


def test_the_page_refers_to_no_other_host(shared_clinic: Clinic) -> None:
    answer = shared_clinic.http.get("/docs")
    assert answer.status_code == 200
    page = _Page()
    page.feed(answer.text)

    assert len(page.refers_to) >= 3
    for address in page.refers_to:
        assert re.match(r"/[^/]", address), f"{address} is of another host"
    assert "://" not in answer.text
    assert "'/openapi.json'" in answer.text


def test_what_the_page_refers_to_is_served(shared_clinic: Clinic) -> None:
    page = _Page()
    page.feed(shared_clinic.http.get("/docs").text)
    for address in page.refers_to:
        answer = shared_clinic.http.get(address)
        assert answer.status_code == 200, address
        kind = answer.headers["Content-Type"].partition(";")[0]
        assert kind in {"text/css", "text/javascript", "image/png"}, address
        assert len(answer.content) > 100


def test_the_styles_refer_to_no_other_host(shared_clinic: Clinic) -> None:
    css = shared_clinic.http.get("/static/swagger-ui.css").text
    assert not re.findall(r"url\(\s*['\"]?(?:https?:)?//", css)
    assert "@import" not in css


def test_no_other_file_is_served(shared_clinic: Clinic) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/__init__.py", "/static/", "/static/x"):
        assert shared_clinic.http.get(path).status_code == 404, path


def test_page_and_document_are_open_to_all(shared_clinic: Clinic) -> None:
    for path in ("/docs", "/openapi.json", "/healthz", "/readyz"):
        assert shared_clinic.http.get(path).status_code == 200


def test_ready_only_while_the_database_is(shared_clinic: Clinic) -> None:
    def broken() -> bool:
        raise OSError("canary")

    for is_ready in (lambda: False, broken):
        with shared_clinic.like(is_ready=is_ready) as served:
            answer = served.http.get("/readyz")
            assert answer.status_code == 503
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert "canary" not in answer.text
            assert served.http.get("/healthz").status_code == 200


def test_what_breaks_is_a_problem_without_a_word_of_it(shared_clinic: Clinic) -> None:
    def broken() -> None:
        raise RuntimeError("canary")

    with shared_clinic.like(clock=broken) as served:
        http = TestClient(served.app, raise_server_exceptions=False)
        answer = http.delete("/apis/therapistnotes/data/1/", auth=shared_clinic.alma.credentials)
        assert answer.status_code == 404
        saved = shared_clinic.alma.save_note()
        answer = http.delete(
            f"/apis/therapistnotes/data/{saved['id']}/", auth=shared_clinic.alma.credentials
        )
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "canary" not in answer.text


def test_a_stopped_follower_is_named_and_the_service_stays_ready(shared_clinic: Clinic) -> None:
    """Every instance finds the same gap: with 503 for it, a load balancer would send to none."""
    stopped = [Stopped(clinic_id=1, follower="relay", position=7, reason=Reason.MISSING)]
    with shared_clinic.like(stopped=lambda: stopped) as served:
        answer = served.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "stopped": [
            {
                "clinic_id": 1,
                "follower": "relay",
                "position": 7,
                "reason": "an entry is missing",
            }
        ],
    }
