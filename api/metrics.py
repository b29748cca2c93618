"""What the service counts about itself, for Prometheus: no words, and no clinic's own figures.

The exception is a clinic whose ledger is not whole: it is named, with the position.
"""

from typing import Final

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.operations import AnyOperation, Operation, Threads
from api.requests import CallerRequest
from api.services import Services
from domain.access import reads_metrics
from domain.refusals import NotPermitted


def metrics(services: Services, asked: CallerRequest) -> Response:
    """Jobs and their queue; for administrators (a scraper takes the Basic token of one)."""
    if not reads_metrics(asked.caller.role):
        raise NotPermitted
    return Response(generate_latest(services.metrics), media_type=CONTENT_TYPE_LATEST)


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    Operation(
        "GET",
        "/metrics",
        "metrics",
        "health",
        "Metrics",
        CallerRequest,
        metrics,
        problems=(401, 403, 429),
        threads=Threads.OTHERS,
        responses={200: {"description": "Prometheus text format", "content": {"text/plain": {}}}},
        response_class=Response,
    ),
)
