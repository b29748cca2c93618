"""Whether the service is alive, and whether it can serve."""

from typing import Final, NamedTuple

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.operations import AnyOperation, Operation, Threads, json_answer
from api.problems import problem
from api.services import Services


class Health(BaseModel):
    """That the process answers, what its readers of files are kept from, and if they read pictures."""

    status: str
    isolation: str
    has_ocr: bool


class NoRequest(NamedTuple):
    """Nothing is read of the request."""


async def healthz(services: Services, asked: NoRequest) -> Response:
    """The process answers. Says how far the readers of files are confined here."""
    documents = services.documents
    return json_answer(
        Health(status="ok", isolation=documents.confinement, has_ocr=documents.has_ocr)
    )


def readyz(services: Services, asked: NoRequest) -> Response:
    """The database answers, and has the schema that this version works with.

    A clinic whose ledger is not whole is named, with status 200: its background work has stopped, and
    every instance would find the same. A load balancer that took 503 for it would take all instances
    away, from all clinics.
    """
    try:
        stopped = services.stopped() if services.is_ready() else None
    except Exception:  # whatever the reason, the answer is no
        stopped = None
    if stopped is None:
        return problem(503, "The database does not answer, or has another schema.")
    if not stopped:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "ready", "stopped": [one._asdict() for one in stopped]})


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    Operation("GET", "/healthz", "healthz", "health", "Healthz", NoRequest, healthz, answer=Health),
    Operation(
        "GET",
        "/readyz",
        "readyz",
        "health",
        "Readyz",
        NoRequest,
        readyz,
        problems=(503,),
        threads=Threads.OTHERS,
    ),
)
