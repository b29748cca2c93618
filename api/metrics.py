"""What the service counts about itself, for Prometheus: no words, and no clinic's own figures."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.auth import TheCaller
from api.problems import documented
from api.services import TheServices
from domain.access import reads_metrics
from domain.refusals import NotPermitted

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses=documented(401, 403, 429)
    | {200: {"description": "Prometheus text format", "content": {"text/plain": {}}}},
)
def metrics(caller: TheCaller, services: TheServices) -> Response:
    """Jobs and their queue; for administrators (a scraper takes the Basic token of one)."""
    if not reads_metrics(caller.role):
        raise NotPermitted
    return Response(generate_latest(services.metrics), media_type=CONTENT_TYPE_LATEST)
