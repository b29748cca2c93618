"""How fast the same stack is with nothing in it: a constant, one grouped insert, one select.

Run as `python -m tests.benchmarks.floors URL PORT`. Each route is what somebody would write who
wanted only that: a plain `def` (as ours are), psycopg's own pool, JSON out.
"""

import queue
import sys
import threading
from concurrent.futures import Future

import psycopg
import uvicorn
from fastapi import FastAPI
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool
from pydantic import BaseModel

TABLE = """
    CREATE TABLE IF NOT EXISTS floor_notes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client bigint NOT NULL, text text NOT NULL
    );
    CREATE INDEX IF NOT EXISTS floor_notes_client ON floor_notes (client, id);
"""


class Note(BaseModel):
    """What the insert takes."""

    client: int
    text: str


class Row(BaseModel):
    """What the select answers, ten times."""

    id: int
    client: int
    text: str


class GroupedInsert:
    """Inserts all that wait in one transaction."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: queue.SimpleQueue[tuple[Note, Future[int]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def insert(self, note: Note) -> int:
        """The row's id, once it is durable."""
        answer: Future[int] = Future()
        self._queue.put((note, answer))
        return answer.result()

    def _run(self) -> None:
        with psycopg.connect(self._url) as conn:
            while True:
                batch = [self._queue.get()]
                while not self._queue.empty():
                    batch.append(self._queue.get())
                with conn.transaction():
                    ids = conn.execute(
                        "INSERT INTO floor_notes (client, text)"
                        " SELECT * FROM unnest(%b::bigint[], %b::text[]) RETURNING id",
                        ([note.client for note, _ in batch], [note.text for note, _ in batch]),
                    ).fetchall()
                for (_, answer), (row_id,) in zip(batch, ids, strict=True):
                    answer.set_result(row_id)


def create_app(url: str) -> FastAPI:
    """The three floors."""
    app = FastAPI()
    pool = ConnectionPool(url, min_size=4, max_size=20, kwargs={"autocommit": True}, open=True)
    inserts = GroupedInsert(url)

    @app.get("/constant")
    def constant() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/insert", status_code=201)
    def insert(note: Note) -> dict[str, int]:
        return {"id": inserts.insert(note)}

    @app.get("/select/{client}")
    def select(client: int) -> list[Row]:
        with pool.connection() as conn:
            cursor = conn.cursor(row_factory=class_row(Row))
            return cursor.execute(
                "SELECT id, client, text FROM floor_notes WHERE client = %s"
                " ORDER BY id DESC LIMIT 10",
                (client,),
            ).fetchall()

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1]), port=int(sys.argv[2]), access_log=False, log_level="warning"
    )
