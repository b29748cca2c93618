"""Who asks: session cookies, Basic credentials, throttled log-ins, and requests of other sites."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from domain.value import Role
from tests.api.clinic import PASSWORD, Clinic, note
from tests.samples import ALMA, NOON

COOKIE = "noteledger_session"
HOST_COOKIE = "__Host-noteledger_session"
BAD_LOGIN = "Name or password is wrong, or the account is disabled."


@dataclass
class Clock:
    """A clock that a test sets."""

    now = NOON

    def __call__(self) -> "object":
        return self.now


@pytest.fixture
def login(clinic: Clinic) -> str:
    """Alma's own account, with a password."""
    name = f"{clinic.number}/alma.arends"
    clinic.services.accounts.add_user(name, Role.THERAPIST, ALMA.user_id, PASSWORD)
    return name


@pytest.fixture
def browser(clinic: Clinic) -> Iterator[TestClient]:
    """A browser: it keeps cookies."""
    with TestClient(clinic.app) as browser:
        yield browser


def _log_in(browser: TestClient, login: str, password: str = PASSWORD) -> Response:
    answer: Response = browser.post("/auth/login/", json={"login": login, "password": password})
    return answer


def _me(browser: TestClient, **said: object) -> Response:
    answer: Response = browser.get("/auth/me/", **said)  # type: ignore[arg-type]
    return answer


def _cookie(answer: Response) -> SimpleCookie:
    return SimpleCookie(answer.headers["Set-Cookie"])


# --- sessions


def test_log_in_begins_a_session_and_log_out_ends_it(
    clinic: Clinic, browser: TestClient, login: str
) -> None:
    answer = _log_in(browser, login)
    alma = {
        "user_id": ALMA.user_id,
        "role": "therapist",
        "full_name": "Alma Arends",
        "clinic_id": clinic.number,
    }
    assert (answer.status_code, answer.json()) == (200, alma)
    assert _me(browser).json() == alma
    kept = browser.cookies[COOKIE]

    assert browser.post("/auth/logout/").status_code == 204
    assert COOKIE not in browser.cookies
    assert _me(browser).status_code == 401
    browser.cookies.set(COOKIE, kept)
    assert _me(browser).status_code == 401, "the session has ended here, not only in the browser"


def test_a_cookie_opens_what_basic_opens(clinic: Clinic, browser: TestClient, login: str) -> None:
    saved = clinic.alma.save_note()
    _log_in(browser, login)
    path = f"/apis/therapistnotes/data/{saved['id']}/"
    assert browser.get(path).json() == clinic.alma.get(path).json()
    assert browser.delete(path).status_code == 204


def test_the_cookie_by_http(browser: TestClient, login: str) -> None:
    [(name, cookie)] = _cookie(_log_in(browser, login)).items()
    assert name == COOKIE
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
    assert (cookie["secure"], cookie["domain"], cookie["max-age"]) == ("", "", "")


def test_the_cookie_by_https_is_for_this_host_alone(clinic: Clinic, login: str) -> None:
    with clinic.like(is_https=True) as secure:
        [(name, cookie)] = _cookie(_log_in(secure.http, login)).items()
        assert name == HOST_COOKIE
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "strict")
        assert (cookie["path"], cookie["domain"]) == ("/", "")
        sent = {"Cookie": f"{name}={cookie.value}"}
        assert _me(secure.http, headers=sent).status_code == 200
        plain = {"Cookie": f"{COOKIE}={cookie.value}"}
        assert _me(secure.http, headers=plain).status_code == 401
        out = secure.http.post("/auth/logout/", headers=sent)
        assert _cookie(out)[HOST_COOKIE]["secure"] is True


def test_the_document_names_the_cookie_that_is_sent(clinic: Clinic) -> None:
    for is_https, name in ((False, COOKIE), (True, HOST_COOKIE)):
        with clinic.like(is_https=is_https) as served:
            schemes = served.http.get("/openapi.json").json()["components"]["securitySchemes"]
            assert schemes["cookieAuth"] == {"type": "apiKey", "in": "cookie", "name": name}
            assert schemes["basicAuth"] == {"type": "http", "scheme": "basic"}


def test_each_log_in_is_a_session_of_its_own(
    clinic: Clinic, browser: TestClient, login: str
) -> None:
    with TestClient(clinic.app) as other:
        _log_in(browser, login)
        _log_in(other, login)
        assert browser.cookies[COOKIE] != other.cookies[COOKIE]
        browser.post("/auth/logout/")
        assert (_me(browser).status_code, _me(other).status_code) == (401, 200)


def test_to_log_out_without_a_session_is_no_error(browser: TestClient) -> None:
    assert browser.post("/auth/logout/").status_code == 204


Ask = Callable[[timedelta], int]


@pytest.fixture
def ask_after(clinic: Clinic, login: str) -> Iterator[Ask]:
    """Asks with one session, so long after it began; each time another process answers."""
    clock = Clock()
    with clinic.like(clock=clock) as begun:
        _log_in(begun.http, login)
        sent = {"Cookie": f"{COOKIE}={begun.http.cookies[COOKIE]}"}

    def ask(later: timedelta) -> int:
        clock.now = NOON + later
        with clinic.like(clock=clock) as served:
            return int(_me(served.http, headers=sent).status_code)

    yield ask


def test_a_session_ends_when_it_idles(ask_after: Ask) -> None:
    assert ask_after(timedelta(minutes=29)) == 200
    assert ask_after(timedelta(minutes=58)) == 200, "use keeps it from idling out"
    assert ask_after(timedelta(minutes=89)) == 401
    assert ask_after(timedelta(minutes=60)) == 200, (
        "it was not used since, and is not ended for good"
    )


def test_a_session_ends_after_twelve_hours_however_it_is_used(ask_after: Ask) -> None:
    for minutes in range(25, 12 * 60, 25):
        assert ask_after(timedelta(minutes=minutes)) == 200
    assert ask_after(timedelta(hours=12)) == 401


def test_a_disabled_account_opens_nothing(clinic: Clinic, browser: TestClient, login: str) -> None:
    _log_in(browser, login)
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    clinic.services.accounts.disable(login, NOON)
    token_login, token = clinic.tokens[ALMA]
    clinic.services.accounts.disable(token_login, NOON)

    # Another process, or this one two seconds later: what was just looked up is kept for a moment.
    with clinic.like() as served:
        assert _me(served.http, headers=cookie).status_code == 401
        assert _me(served.http, auth=(login, PASSWORD)).status_code == 401
        assert _me(served.http, auth=(token_login, token)).status_code == 401
        refused = _log_in(served.http, login)
        assert (refused.status_code, refused.json()["detail"]) == (401, BAD_LOGIN)


@pytest.mark.parametrize(
    "value", ["", "x", "1.", "1.x", ".", "999999999999999999999.x", "1.\x7f", "\u00e9", "1" * 5000]
)
def test_a_cookie_that_was_made_up_opens_nothing(shared_clinic: Clinic, value: str) -> None:
    sent = {b"Cookie": f"{COOKIE}={value}".encode("latin-1")}
    answer = shared_clinic.http.get("/auth/me/", headers=sent)
    assert answer.status_code == 401


# --- Basic


def test_basic_takes_a_password_and_a_token(clinic: Clinic, login: str) -> None:
    assert _me(clinic.http, auth=(login, PASSWORD)).json()["user_id"] == ALMA.user_id
    assert _me(clinic.http, auth=clinic.tokens[ALMA]).json()["user_id"] == ALMA.user_id


def test_a_login_name_is_found_however_it_is_written(clinic: Clinic, login: str) -> None:
    assert _me(clinic.http, auth=(login.upper(), PASSWORD)).status_code == 200
    assert _me(clinic.http, auth=(login, PASSWORD.upper())).status_code == 401


def test_a_token_does_not_log_in_as_a_person_elsewhere(clinic: Clinic) -> None:
    _, token = clinic.tokens[ALMA]
    assert _me(clinic.http, auth=("2/alma", token)).status_code == 401
    assert _me(clinic.http, auth=("alma", token)).status_code == 401


@pytest.mark.parametrize(
    "sent",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YQ==",
        f"Basic {b64encode(bytes([255, 58, 255])).decode()}",
        f"Basic {b64encode(b'a' * 100_000 + b':b').decode()}",
        f"Basic {b64encode(b'/:').decode()}",
        f"Basic {b64encode(b'999999999999999/a:b').decode()}",
        f"Basic {b64encode(b'9999999999999999999999/a:b').decode()}",
        f"Basic {b64encode(b'a:' + bytes(1)).decode()}",
        f"Basic {b64encode(chr(0).encode() + b':b').decode()}",
        "Bearer abc",
        "basic",
    ],
)
def test_credentials_that_cannot_be_read_are_refused(shared_clinic: Clinic, sent: str) -> None:
    answer = shared_clinic.http.get("/auth/me/", headers={"Authorization": sent})
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_who_is_not_signed_in_is_told_how(shared_clinic: Clinic) -> None:
    """RFC 9110, section 15.5.2: a 401 names a way to sign in."""
    for answer in (
        shared_clinic.nobody.get("/data/"),
        shared_clinic.http.get("/auth/me/", auth=("nobody", "wrong")),
    ):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="noteledger", charset="UTF-8"'


@pytest.mark.parametrize(
    ("mode", "scheme"), [("navigate", "Basic"), ("cors", "Cookie"), ("same-origin", "Cookie")]
)
def test_a_page_that_asks_makes_no_browser_ask_for_a_password(
    shared_clinic: Clinic, mode: str, scheme: str
) -> None:
    answer = shared_clinic.http.get("/auth/me/", headers={"Sec-Fetch-Mode": mode})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].split()[0] == scheme


# --- throttle


def _hold(clinic: Clinic) -> None:
    """The first wait is one second long: on a slow machine it would be over before it is seen."""
    clinic.owner.execute(
        "UPDATE ledger.login_failures SET last_at = now() + interval '1 hour' WHERE clinic_id = %s",
        (clinic.number,),
    )


def test_failed_log_ins_are_throttled(clinic: Clinic, browser: TestClient, login: str) -> None:
    for _ in range(5):
        assert _log_in(browser, login, "wrong").status_code == 401
        _hold(clinic)
    for password in ("wrong", PASSWORD):
        throttled = _log_in(browser, login, password)
        assert throttled.status_code == 429
        assert int(throttled.headers["Retry-After"]) > 0
    assert _me(clinic.http, auth=(login, PASSWORD)).status_code == 429, "by Basic neither"
    assert clinic.alma.get("/auth/me/").status_code == 200, "another account goes on"


def test_a_name_that_nobody_has_is_throttled_alike(clinic: Clinic, browser: TestClient) -> None:
    statuses = []
    for _ in range(6):
        statuses.append(_log_in(browser, f"{clinic.number}/nobody", "x").status_code)
        _hold(clinic)
    assert statuses == [401] * 5 + [429]


def test_a_log_in_that_succeeds_clears_the_count(browser: TestClient, login: str) -> None:
    for _ in range(2):
        for _ in range(4):
            assert _log_in(browser, login, "wrong").status_code == 401
        assert _log_in(browser, login).status_code == 200


def test_an_unknown_name_and_a_wrong_password_are_answered_alike(
    clinic: Clinic, browser: TestClient, login: str
) -> None:
    unknown = _log_in(browser, f"{clinic.number}/nobody", PASSWORD)
    wrong = _log_in(browser, login, "wrong password")
    elsewhere = _log_in(browser, "999/alma.arends", PASSWORD)
    assert unknown.status_code == wrong.status_code == elsewhere.status_code == 401
    assert unknown.content == wrong.content == elsewhere.content


def test_no_answer_quotes_name_or_password(browser: TestClient, login: str) -> None:
    for body in (
        {"login": login, "password": "canaryword"},
        {"login": "canaryword", "password": "x"},
        {"login": {"canaryword": 1}, "password": "x"},
        {"login": login, "password": ["canaryword"]},
    ):
        assert "canaryword" not in browser.post("/auth/login/", json=body).text


# --- other sites


OTHER_SITES = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "http://testserver.elsewhere.example"},
    {"Origin": "http://testserver:8080"},
    {"Origin": "null"},
    {"Origin": ""},
]
OUR_SITE = [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Origin": "http://testserver"},
]


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_an_unsafe_request_of_another_site_is_refused(
    shared_clinic: Clinic, headers: dict[str, str]
) -> None:
    before = shared_clinic.stored()
    alma = shared_clinic.alma
    for answer in (
        alma.post_form(note(), headers=headers),
        alma.post("/data/", {}, headers=headers),
        alma.put("/data/1/", {}, headers=headers),
        alma.delete("/data/1/", headers=headers),
        alma.ask("PATCH", "/data/1/", headers=headers),
        alma.post("/auth/login/", {"login": "a", "password": "b"}, headers=headers),
        alma.post("/auth/logout/", {}, headers=headers),
    ):
        assert answer.status_code == 403
        assert answer.json()["detail"] == "This request came from another site."
    assert alma.get("/data/", headers=headers).status_code == 200, "to read is safe"
    assert shared_clinic.stored() == before


@pytest.mark.parametrize("headers", OUR_SITE)
def test_an_unsafe_request_of_our_own_site_or_of_a_program_is_answered(
    clinic: Clinic, headers: dict[str, str]
) -> None:
    assert clinic.alma.post_form(note(), headers=headers).status_code == 201


# --- caches


def test_nothing_is_kept_on_the_way(clinic: Clinic, browser: TestClient, login: str) -> None:
    saved = clinic.alma.save_note(files=[("a.txt", b"a")])
    url = saved["file_content_json"][0]["url"]
    alma = clinic.alma
    answers = [
        alma.get(f"/data/{saved['id']}/"),
        alma.get(url),
        alma.get("/data/"),
        alma.post("/data/", {}),
        alma.get("/data/999/"),
        alma.get("/nothing/"),
        alma.ask("PATCH", "/data/"),
        clinic.nobody.get("/data/"),
        clinic.nobody.get("/auth/me"),
        alma.get("/directory/clients/"),
        clinic.ml.get("/directory/clients/"),
        alma.get("/directory/nothing/"),
        _log_in(browser, login),
        _log_in(browser, login, "wrong"),
        browser.post("/auth/logout/"),
        alma.post("/data/", {}, headers={"Origin": "null"}),
    ]
    assert {answer.status_code for answer in answers} >= {200, 204, 401, 403, 404, 405, 422}
    for answer in answers:
        assert answer.headers.get_list("Cache-Control") == ["no-store"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
