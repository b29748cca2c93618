"""Canary words, and every way to bring words in: each step writes some, and checks that it could.

Not among them: names and descriptions of record types, which are no words about a person and are
stored as they are.
"""

import base64
import secrets
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final, NamedTuple

from runtime.demo import PASSWORD
from tests.campaigns.canary_search import STEMS
from tests.campaigns.http_client import (
    BASE,
    Answer,
    Client,
    NoAnswerError,
    Request,
    Upload,
    form_request,
    json_request,
    log_in,
)
from tests.campaigns.running_service import Service, environment
from tests.campaigns.saves import WHOSE
from tests.runtime.embedded_states import CHECKOUT

DATED: Final = "2026-03-02T09:00:00Z"
LOGINS: Final = ("therapist", "ml", "admin", "auditor")
NUMBERS_FROM: Final = 500_000
BROKEN_SECONDS: Final = 2


class Word(NamedTuple):
    """A word, where it was brought in, and whether it is kept (sealed) or thrown away."""

    text: str
    place: str
    is_kept: bool


class Canaries:
    """Writes canary words into a running service, in its callers' names."""

    def __init__(self, service: Service) -> None:
        self.words: list[Word] = []
        self.told: list[bytes] = []
        self.service = service
        self._clients: dict[str, Client] = {}
        self.come_back()

    def come_back(self) -> None:
        """Log in (again)."""
        port = self.service.port
        for client in self._clients.values():
            client.close()
        self._clients = {login: Client(port, log_in(port, login)) for login in LOGINS}
        self._clients["nobody"] = Client(port)

    def word(self, place: str) -> str:
        """A new one that stays, sealed."""
        return self._new(place, STEMS[len(self.words) % 2], is_kept=True)

    def passing_word(self, place: str) -> str:
        """A new one of ASCII that is refused, or of which only a digest is kept."""
        return self._new(place, STEMS[0], is_kept=False)

    def _new(self, place: str, stem: str, *, is_kept: bool) -> str:
        text = stem + secrets.token_hex(5)
        self.words.append(Word(text, place, is_kept))
        return text

    def send(self, login: str, request: Request, *statuses: int) -> Answer:
        """In the name of one of the demo's people."""
        return self._clients[login].expect(request, *statuses)

    def run(self, *words: str, said: str = "", codes: tuple[int, ...] = (0,)) -> None:
        """A command of the program; what it says is kept to be searched."""
        done = subprocess.run(
            self.service.command(*words),
            check=False,
            cwd=CHECKOUT,
            env=environment(),
            input=said.encode(),
            capture_output=True,
        )
        assert done.returncode in codes, (words, done)
        if words[0] == "directory":
            self.told += [done.stdout, done.stderr]

    @property
    def directory(self) -> Path:
        """For files of ours, beside the service's."""
        return self.service.state.parent


Step = Callable[[Canaries], None]


def about(record_type: int) -> dict[str, int]:
    """Therapist, client and relationship of the notes."""
    therapist, client, relationship, _ = WHOSE["therapist"][0]
    return {
        "record_type": record_type,
        "therapist_user_id": therapist,
        "client_user_id": client,
        "therapist_client_id": relationship,
    }


def _signature(of: Canaries) -> str:
    return base64.b64encode(of.word("signature").encode()).decode()


def _note(of: Canaries, record_type: int = 2) -> Any:
    said = {"data": of.word("note text"), **about(record_type)}
    return of.send("therapist", form_request(said), 201).json()


def _write_note(of: Canaries) -> None:
    """Of both scopes of keys, with files, under an Idempotency-Key, twice."""
    key = {"Idempotency-Key": of.passing_word("Idempotency-Key")}
    for record_type in (1, 2):
        said = {"data": of.word("note text"), **about(record_type)}
        content = of.word("file content")
        files = [
            Upload(
                of.word("file name"),
                f"application/{of.passing_word('media type')}",
                f"{content} {'much ' * 200}".encode(),
            ),
            Upload("plain.txt", "text/plain", of.word("file content").encode("utf-16-le")),
        ]
        request = form_request(said, files)
        if record_type == 2:
            request = request.with_headers(key)
            of.send("therapist", request, 201)
        of.send("therapist", request, 201)


def _save_note(of: Canaries) -> None:
    note = _note(of, record_type=1)
    said = {of.word("key of an object"): [of.word("value in an object"), {"n": 1}]}
    of.send("therapist", form_request({"id": note["id"], "data": said, **about(1)}))
    again = {"data": of.word("note text"), "date": DATED}
    of.send("therapist", json_request("PUT", f"{BASE}/data/{note['id']}/", again))
    approved = {"data": of.word("note text"), "is_approved": True, "signature": _signature(of)}
    of.send("therapist", json_request("PUT", f"{BASE}/recordtype/{note['id']}/", approved))


def _write_soap_note(of: Canaries) -> None:
    path, whose = f"{BASE}/soap/recordtype/", about(2)
    ml = {"data": of.word("ML text"), "sender_role": "ml", "is_approved": False, **whose}
    note = of.send("ml", json_request("POST", path, ml), 201).json()
    own: dict[str, Any] = {"sender_role": "therapist", "id": note["id"], **whose}
    own |= {"data": {"s": of.word("therapist's text")}, "is_approved": False}
    of.send("therapist", json_request("POST", path, own), 201)
    approved = own | {"data": of.word("therapist's text"), "is_approved": True}
    approved["signature"] = _signature(of)
    of.send("therapist", json_request("POST", path, approved), 201)
    again = {"therapist_data": of.word("therapist's text"), "date": DATED, "signature": None}
    again |= {"is_approved": None, "is_override": None}
    of.send("therapist", json_request("PUT", f"{BASE}/soap/data/{note['id']}/", again))


def _change_history(of: Canaries) -> None:
    note = _note(of)
    path = f"{BASE}/data/history/{note['history']['id']}/"
    amended = {"data": of.word("amendment"), "reason": of.word("reason of an amendment")}
    of.send("therapist", json_request("PUT", path, amended))
    of.send("auditor", json_request("GET", path))
    because = {"reason": of.word("reason of a withdrawal")}
    of.send("therapist", json_request("DELETE", path, because), 204)
    because = {"reason": of.word("reason of a deletion")}
    of.send("therapist", json_request("DELETE", f"{BASE}/data/{note['id']}/", because), 204)


def _name_people(of: Canaries) -> None:
    number = NUMBERS_FROM + len(of.words)
    for _ in range(2):  # registered, then renamed
        user = {"role": "therapist", "full_name": of.word("name of a user")}
        of.send("admin", json_request("PUT", f"/directory/users/{number}/", user))
        client = {"full_name": of.word("name of a client")}
        of.send("admin", json_request("PUT", f"/directory/clients/{number + 1}/", client))


def _be_refused(of: Canaries) -> None:
    """What is wrong is refused, and neither kept nor logged."""
    word, whose = of.passing_word, about(2)
    notes, soap = f"{BASE}/recordtype/", f"{BASE}/soap/recordtype/"
    no_json = Request("POST", soap, f'{{"{word("broken JSON")}'.encode())
    unknown = {"data": word("refused text"), word("unknown field"): 1}
    typed = {"data": word("refused text"), "sender_role": word("wrong value"), **whose}
    for request in (
        no_json.with_headers({"Content-Type": "application/json"}),
        json_request("POST", soap, unknown),
        json_request("POST", soap, typed),
        form_request({"data": f"{word('refused text')}\0", **whose}),
        form_request({"data": word("refused text"), **whose, "client_user_id": 999}),
        form_request({"data": word("refused text"), word("unknown field"): 2, **whose}),
        json_request("GET", f"{BASE}/data/{word('path')}/"),
        json_request("GET", f"/{word('path')}"),
        json_request("GET", f"{BASE}/data/?cursor={word('query')}&limit={word('query')}"),
        Request("POST", notes, headers={"Content-Type": f"text/{word('header')}"}),
    ):
        of.send("therapist", request, 400, 404, 413, 415, 422)


def _fail_to_log_in(of: Canaries) -> None:
    """What people type into the wrong field."""
    said = {"login": of.passing_word("wrong log-in"), "password": of.passing_word("wrong password")}
    of.send("nobody", json_request("POST", "/auth/login/", said), 401)
    basic = base64.b64encode(f"{of.passing_word('wrong log-in')}:{PASSWORD}".encode()).decode()
    me = json_request("GET", "/auth/me/")
    of.send("nobody", me.with_headers({"Authorization": f"Basic {basic}"}), 401)
    cookie = f"noteledger_session=1.{of.passing_word('cookie')}"
    of.send("nobody", me.with_headers({"Cookie": cookie}), 401)


STEPS: Final[tuple[Step, ...]] = (
    _write_note,
    _save_note,
    _write_soap_note,
    _change_history,
    _name_people,
    _be_refused,
    _fail_to_log_in,
)
"""Through the API, again and again until there are enough words."""


def while_the_database_is_gone(of: Canaries) -> None:
    """What breaks is logged, and no word with it; then the service is killed, with those who wait."""
    said = {"data": of.passing_word("text of a broken save"), **about(2)}
    content = of.passing_word("text of a file of a broken save").encode()
    files = [Upload(of.passing_word("file of a broken save"), "text/plain", content)]
    soap = {"data": of.passing_word("text of a broken save"), "sender_role": "ml", **about(2)}
    name = {"full_name": of.passing_word("name of a broken save")}
    requests = {
        "therapist": form_request(said, files),
        "ml": json_request("POST", f"{BASE}/soap/recordtype/", soap | {"is_approved": False}),
        "admin": json_request("PUT", f"/directory/clients/{NUMBERS_FROM}/", name),
    }
    with ThreadPoolExecutor() as pool:
        sent = [pool.submit(of.send, login, request) for login, request in requests.items()]
        wait(sent, BROKEN_SECONDS)
        of.service.kill()
    assert all(isinstance(one.exception(), NoAnswerError) for one in sent)


def at_the_command_line(of: Canaries) -> None:
    """Log-in names, passwords, and a directory's file: each once right and once wrong."""
    number = NUMBERS_FROM - 100
    names = [f"client,{number + n},{of.word('name in a CSV file')}," for n in range(5)]
    wrong = of.passing_word("wrong CSV file")
    rows = [f"user,{wrong},{wrong},{wrong}", f"{wrong},1,{wrong},"]
    with ThreadPoolExecutor(max_workers=2) as pool:
        run = [
            pool.submit(_add_a_user_twice, of),
            pool.submit(of.run, "token", "create", of.word("log-in name"), "--role=ml"),
            pool.submit(of.run, "user", "disable", of.passing_word("log-in name"), codes=(1,)),
            pool.submit(of.run, "directory", "import", _file(of, "right.csv", names)),
            pool.submit(of.run, "directory", "import", _file(of, "wrong.csv", rows), codes=(1,)),
        ]
    for one in run:
        one.result()


def _add_a_user_twice(of: Canaries) -> None:
    login, password = of.word("log-in name"), of.passing_word("password")
    for code in (0, 1):
        of.run("user", "add", login, "--role=therapist", said=f"{password}\n", codes=(code,))


def _file(of: Canaries, name: str, rows: list[str]) -> str:
    path = of.directory / name
    path.write_text("\n".join(["kind,id,full_name,role", *rows, ""]))
    return str(path)
