"""A keep-alive client that tells an answer from its absence."""

import http.client
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Self

from runtime.demo import PASSWORD
from tests.campaigns.running_service import HOST

ANSWER_SECONDS_MAX: Final = 60.0
BASE: Final = "/apis/therapistnotes"


class NoAnswerError(Exception):
    """The connection broke, or the service said that it is broken: nobody knows what was saved."""


class NobodyListensError(Exception):
    """There was no connection to send anything on."""


class Answer(NamedTuple):
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_yes(self) -> bool:
        """Whether it was done as asked."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Upload(NamedTuple):
    """A file of a form."""

    name: str
    media_type: str
    content: bytes


class Request(NamedTuple):
    """What is asked; may be sent any number of times."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}

    def with_headers(self, more: Mapping[str, str]) -> Self:
        """The same with further headers."""
        return self._replace(headers={**self.headers, **more})


def json_request(method: str, path: str, said: Any = None) -> Request:
    """A request with a JSON body, or with none."""
    if said is None:
        return Request(method, path)
    body = json.dumps(said, ensure_ascii=False).encode()
    return Request(method, path, body, {"Content-Type": "application/json"})


def form_request(metadata: Any, files: Iterable[Upload] = ()) -> Request:
    """The save of a therapist note (operation 12)."""
    boundary = secrets.token_hex(16)
    parts = [('name="metadata"', "application/json", json.dumps(metadata).encode())]
    parts += [(f'name="files"; filename="{f.name}"', f.media_type, f.content) for f in files]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {named}\r\n"
        f"Content-Type: {media_type}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for named, media_type, content in parts
    )
    content_type = f"multipart/form-data; boundary={boundary}"
    end = f"--{boundary}--\r\n".encode()
    return Request("POST", f"{BASE}/recordtype/", body + end, {"Content-Type": content_type})


class Client:
    """One connection, opened again when it broke, with one caller's cookie."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS_MAX)
        self._headers = {"Cookie": cookie} if cookie else {}

    def send(self, request: Request) -> Answer:
        """Raises NobodyListensError, and NoAnswerError, also for 5xx."""
        headers = {**self._headers, **request.headers}
        self._connect()
        try:
            self._connection.request(request.method, request.path, request.body or None, headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise NoAnswerError(type(error).__name__) from error
        if response.status >= 500:
            self._connection.close()  # the service hangs up after it
            raise NoAnswerError(str(response.status))
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, body)

    def _connect(self) -> None:
        if self._connection.sock is None:
            try:
                self._connection.connect()
            except OSError as error:
                self._connection.close()
                raise NobodyListensError from error

    def expect(self, request: Request, *statuses: int) -> Answer:
        """The same, where another answer than these is a mistake of the campaign's."""
        answer = self.send(request)
        assert answer.status in (statuses or (200, 201, 204)), (request[:2], answer)
        return answer

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def log_in(port: int, login: str) -> str:
    """The session cookie of one of the demo's log-ins."""
    client = Client(port)
    said = {"login": login, "password": PASSWORD}
    answer = client.expect(json_request("POST", "/auth/login/", said))
    client.close()
    return answer.headers["set-cookie"].partition(";")[0]
