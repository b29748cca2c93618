"""Writers that never stop: each sends saves of every sort, and remembers what it was told of each.

Every save carries a text that is in no other, so that it can be found again in the ledger.
"""

import base64
import hashlib
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from domain.value import PSYCHOTHERAPY, Kind
from tests.campaigns.http_client import (
    BASE,
    Answer,
    Client,
    NoAnswerError,
    NobodyListensError,
    Request,
    Upload,
    form_request,
    json_request,
)
from tests.campaigns.saves import WHOSE, Fate, KnownNote, Save, Shared, room_of

ATTEMPTS_MAX: Final = 6
UP_SECONDS_MAX: Final = 120.0
PAUSE_SECONDS: Final = 0.01
DATED: Final = "2026-03-02T09:00:00Z"
AMENDED_SOAP: Final = {"date": DATED, "is_approved": None, "is_override": None, "signature": None}
"""What the contract prints as required, and an amendment leaves as it is."""
NOTES_REMEMBERED: Final = 40
RECORD_TYPES: Final = (PSYCHOTHERAPY, 2, 2, 3, 5)


class Writer(threading.Thread):
    """Owns its notes: what it knows of them, nobody else changes. `common` notes are everybody's."""

    def __init__(self, number: int, shared: Shared, common: list[KnownNote]) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self.saves: list[Save] = []
        self.broken: Counter[str] = Counter()
        self.mistake: BaseException | None = None
        self._login = list(WHOSE)[number % 2]
        self._shared = shared
        self._client = Client(shared.port, shared.cookies[self._login])
        self._chance = random.Random(secrets.randbits(64))  # noqa: S311
        therapist = WHOSE[self._login][0][0]
        self._common = [note for note in common if note.whose["therapist_user_id"] == therapist]
        self._notes: list[KnownNote] = []
        self._acts: dict[Callable[[], None], int] = {
            self._create: 24,
            self._save_again: 22,
            self._approve: 8,
            self._create_soap: 12,
            self._save_soap: 14,
            self._save_common: 8,
            self._amend: 6,
            self._withdraw: 4,
            self._delete: 4,
        }

    def run(self) -> None:
        """Until the campaign is over. What is not the service's doing is the campaign's mistake."""
        try:
            while not self._shared.is_over.is_set():
                self._shared.is_up.wait(UP_SECONDS_MAX)
                self._chance.choices(list(self._acts), list(self._acts.values()))[0]()
        except Exception as mistake:
            self.mistake = mistake
        finally:
            self._client.close()

    # --- therapist notes

    def _create(self) -> None:
        save, whose = self._new("create", Kind.NOTE), self._whose(RECORD_TYPES)
        uploads = self._uploads() if self._chance.random() < 0.2 else []
        save.files = frozenset(hashlib.sha256(file.content).hexdigest() for file in uploads)
        request = form_request({"data": save.text, **whose}, uploads)
        self._first_save(save, request, whose)

    def _first_save(self, save: Save, request: Request, whose: dict[str, int]) -> None:
        """With an Idempotency-Key it is sent until it is answered, and now and then once more."""
        if self._chance.random() < 0.5:
            save.key = secrets.token_hex(12)
            request = request.with_headers({"Idempotency-Key": save.key})
        answer = self._send(save, request, ATTEMPTS_MAX if save.key else 1)
        if answer is None:
            return
        if save.key and self._chance.random() < 0.2:
            self._send(save, request, 1)
        note = KnownNote(save.kind, answer.json()["id"], whose, None)
        self._remember(note, save, answer)
        self._notes = [*self._notes, note][-NOTES_REMEMBERED:]

    def _save_again(self) -> None:
        if note := self._one(Kind.NOTE):
            save = self._new("save again", Kind.NOTE)
            if self._chance.random() < 0.3:
                said = {"data": save.text, "date": DATED}
                request = json_request("PUT", f"{BASE}/data/{note.note_id}/", said)
            else:
                request = form_request({"id": note.note_id, "data": save.text, **note.whose})
            self._save(save, note, request)

    def _approve(self) -> None:
        if note := self._one(Kind.NOTE):
            save = self._new("approve", Kind.NOTE)
            signature = base64.b64encode(save.text.encode()).decode()
            said = {"is_approved": True, "signature": signature, "data": save.text, **note.whose}
            self._save(save, note, form_request({"id": note.note_id, **said}))

    # --- SOAP notes

    def _create_soap(self) -> None:
        save, whose = self._new("create SOAP", Kind.SOAP_NOTE), self._whose(RECORD_TYPES[1:])
        self._first_save(save, self._soap(save, {"is_approved": False, **whose}), whose)

    def _save_soap(self) -> None:
        if note := self._one(Kind.SOAP_NOTE):
            save = self._new("save SOAP", Kind.SOAP_NOTE)
            is_approved = self._chance.random() < 0.3
            said = {"id": note.note_id, "is_approved": is_approved, **note.whose}
            self._save(save, note, self._soap(save, said))

    def _soap(self, save: Save, said: dict[str, Any]) -> Request:
        """Of what a therapist does not approve, the ML service sends a half."""
        is_mls = not said["is_approved"] and self._chance.random() < 0.5
        sender = "ml" if is_mls else "therapist"
        save.act = "approve SOAP" if said["is_approved"] else f"{save.act} as {sender}"
        body = {"data": save.text, "sender_role": sender, **said}
        request = json_request("POST", f"{BASE}/soap/recordtype/", body)
        cookie = {"Cookie": self._shared.cookies[sender if is_mls else self._login]}
        return request.with_headers(cookie)

    # --- what follows on saves

    def _save_common(self) -> None:
        """Several writers on one note: some lose the race, and are refused or decided again."""
        note = self._chance.choice(self._common)
        save = self._new("save a common note", note.kind)
        request = form_request({"id": note.note_id, "data": save.text, **note.whose})
        if self._chance.random() < 0.3 and note.version:
            request = request.with_headers({"If-Match": f'"{note.version}"'})
        if answer := self._send(save, request, 1):
            note.version = int(answer.headers["etag"].strip('"'))

    def _amend(self) -> None:
        if change := self._history_change("amend"):
            save, path = change
            more = AMENDED_SOAP if save.kind is Kind.SOAP_NOTE else {}
            request = json_request("PUT", path, {"data": save.text, **more})
            self._send(save, request, ATTEMPTS_MAX)

    def _withdraw(self) -> None:
        if change := self._history_change("withdraw"):
            save, path = change
            self._send(save, json_request("DELETE", path, {"reason": save.text}), ATTEMPTS_MAX)

    def _history_change(self, act: str) -> tuple[Save, str] | None:
        """Of an entry that nobody has changed yet."""
        notes = [note for note in self._notes if note.drafts]
        if not notes:
            return None
        note = self._chance.choice(notes)
        save = self._new(act, note.kind)
        save.note_id = note.note_id
        position = note.drafts.pop(self._chance.randrange(len(note.drafts)))
        return save, f"{BASE}/{room_of(note.kind)}data/history/{position}/"

    def _delete(self) -> None:
        if len(self._notes) > 5:
            note = self._notes.pop(self._chance.randrange(len(self._notes)))
            save = self._new("delete", note.kind)
            save.note_id = note.note_id
            path = f"{BASE}/{room_of(note.kind)}recordtype/{note.note_id}/"
            self._send(save, json_request("DELETE", path, {"reason": save.text}), 1)

    # --- common to all

    def _new(self, act: str, kind: Kind) -> Save:
        length = self._chance.choice((0, 40, 400, 4_000))
        text = f"{self.name} {len(self.saves)} {secrets.token_hex(12)} " + "words " * (length // 6)
        save = Save(act, kind, text)
        self.saves.append(save)
        return save

    def _whose(self, record_types: tuple[int, ...]) -> dict[str, int]:
        therapist, client, relationship, session = self._chance.choice(WHOSE[self._login])
        whose = {
            "record_type": self._chance.choice(record_types),
            "therapist_user_id": therapist,
            "client_user_id": client,
            "therapist_client_id": relationship,
        }
        return whose | self._chance.choice(({}, {"therapist_session_id": session}))

    def _uploads(self) -> list[Upload]:
        sizes = (10, 1_000, 100_000)
        return [
            Upload(f"{secrets.token_hex(4)}.txt", "text/plain", secrets.token_hex(size).encode())
            for size in self._chance.sample(sizes, self._chance.randint(1, 2))
        ]

    def _one(self, kind: Kind) -> KnownNote | None:
        notes = [note for note in self._notes if note.kind is kind]
        return self._chance.choice(notes) if notes else None

    def _save(self, save: Save, note: KnownNote, request: Request) -> None:
        """Some with If-Match; half of what is not answered is sent again, and makes no second fact."""
        if note.version and self._chance.random() < 0.5:
            request = request.with_headers({"If-Match": f'"{note.version}"'})
        answer = self._send(save, request, self._chance.choice((1, ATTEMPTS_MAX)))
        if answer:
            self._remember(note, save, answer)
        elif save.fate is Fate.UNANSWERED:
            note.version = None

    def _remember(self, note: KnownNote, save: Save, answer: Answer) -> None:
        note.version = int(answer.headers["etag"].strip('"'))
        if save.position and not save.act.startswith("approve"):
            note.drafts.append(save.position)

    def _send(self, save: Save, request: Request, attempts: int) -> Answer | None:
        """The answer that says yes. A refusal after an attempt without answer leaves it open."""
        for _ in range(attempts):
            try:
                answer = self._answer(save, request)
            except NoAnswerError as error:
                self.broken[str(error)] += 1
                self._shared.is_up.wait(UP_SECONDS_MAX)
                continue
            if answer.is_yes:
                self._acknowledged(save, answer)
                return answer
            if save.attempts == 1:
                save.fate = Fate.REFUSED
            self.broken[f"{save.act}: {answer.status}"] += 1
            return None
        return None

    def _answer(self, save: Save, request: Request) -> Answer:
        """Waits for somebody who listens: what was never sent is no attempt."""
        while True:
            try:
                answer = self._client.send(request)
            except NobodyListensError:
                time.sleep(PAUSE_SECONDS)
                if self._shared.is_over.is_set():
                    raise NoAnswerError("the end") from None
                continue
            except NoAnswerError:
                save.attempts += 1
                raise
            save.attempts += 1
            return answer

    def _acknowledged(self, save: Save, answer: Answer) -> None:
        said = answer.json() if answer.body else {}
        note_id = said.get("therapist_notes_id") or said.get("therapist_soapnotes_id")
        note_id = note_id or said.get("id") or save.note_id
        position = (said.get("history") or {}).get("id")
        if save.fate is Fate.ACKNOWLEDGED:  # sent once more, with its key
            save.is_answered_otherwise |= (note_id, position) != (save.note_id, save.position)
        save.fate, save.note_id, save.position = Fate.ACKNOWLEDGED, note_id, position
