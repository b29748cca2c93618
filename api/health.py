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
    """The database answers, and has the schema that this version works with."""
    try:
        is_ready = services.is_ready()
    except Exception:  # whatever the reason, the answer is no
        is_ready = False
    if is_ready:
        return JSONResponse({"status": "ready"})
    return problem(503, "The database does not answer, or has another schema.")


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
