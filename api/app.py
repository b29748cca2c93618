"""The application: routes, guards, problem documents, the OpenAPI document and its page."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from api import (
    auth,
    directory,
    events,
    metrics,
    people,
    problems,
    processing,
    record_types,
    soap_histories,
    soap_notes,
    therapist_histories,
    therapist_notes,
    transcripts,
    trigger,
)
from api.auth import CallerCache
from api.edge import Edge
from api.feed import Feed
from api.given import SIGNATURE_CHARS_MAX
from api.problems import Problem, problem
from api.services import Limits, Services, TheServices
from api.therapist_note_shapes import BASE, Metadata

_OPEN: Final = frozenset({"auth_login", "auth_logout", "healthz", "readyz"})
_UNNAMED: Final[tuple[type[BaseModel], ...]] = (Problem, Metadata, *events.SHAPES)
"""Shapes that no route names to FastAPI."""
_SECURITY: Final[list[dict[str, list[str]]]] = [{"cookieAuth": []}, {"basicAuth": []}]
JSON_BYTES_PER_BYTE: Final = 6
"""A character may come as an escape: six bytes for one."""
ENVELOPE_BYTES: Final = 65_536
FILE_HEADER_BYTES: Final = 4_096


class Health(BaseModel):
    """That the process answers, what its readers of files are kept from, and if they read pictures."""

    status: str
    isolation: str
    has_ocr: bool


def create_app(services: Services, is_ending: Callable[[], bool] = lambda: False) -> ASGIApp:
    """The application on these services; `is_ending` tells when nobody shall be kept any longer."""
    app = FastAPI(
        title="noteledger",
        version="1.0.0",
        summary="An event-sourced ledger of clinical notes",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # An exception's text may hold words; and nobody asked for spans.
        telemetry={"tracing": False, "metrics": False},
    )
    app.state.services = services
    app.state.caller_cache = CallerCache()
    app.state.feed = Feed(services.changes, services.stream_limits, is_ending)
    problems.install(app)
    others = (record_types.router, directory.router, people.router, auth.router, metrics.router)
    work = (trigger.router, processing.router, transcripts.router, events.router)
    routers = (
        *(*therapist_notes.routers, *therapist_histories.routers),
        *(*soap_notes.routers, *soap_histories.routers),
        *work,
        *others,
    )
    routes = [route for router in routers for route in router.routes]
    # `/data/history/` is not a note of the id "history": paths without an id are asked first. The
    # routes stand in one list, since a router within a router matches every path twice.
    app.router.routes += sorted(routes, key=lambda route: getattr(route, "path", "").count("{"))
    _add_health(app)
    _add_document(app, services)
    with_files = body_bytes_max(services.limits) + files_bytes_max(services.limits)
    return Edge(app, body_bytes_max(services.limits), {f"{BASE}/recordtype/": with_files})


def body_bytes_max(limits: Limits) -> int:
    """The longest request without files that could be one of ours."""
    texts = 2 * JSON_BYTES_PER_BYTE * limits.text_bytes_max
    return texts + SIGNATURE_CHARS_MAX + ENVELOPE_BYTES


def files_bytes_max(limits: Limits) -> int:
    """All files that may come with one request."""
    return limits.files_max * (limits.file_bytes_max + FILE_HEADER_BYTES)


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", operation_id="healthz", tags=["health"])
    async def healthz(services: TheServices) -> Health:
        """The process answers. Says how far the readers of files are confined here."""
        return Health(
            status="ok",
            isolation=services.documents.confinement,
            has_ocr=services.documents.has_ocr,
        )

    @app.get("/readyz", operation_id="readyz", tags=["health"], responses=problems.documented(503))
    def readyz(services: TheServices) -> Response:
        """The database answers, and has the schema that this version works with."""
        try:
            is_ready = services.is_ready()
        except Exception:  # whatever the reason, the answer is no
            is_ready = False
        if is_ready:
            return JSONResponse({"status": "ready"})
        return problem(503, "The database does not answer, or has another schema.")


def _add_document(app: FastAPI, services: Services) -> None:
    """/openapi.json and a page to read it by, with all that the page needs."""
    cookie = auth.cookie_name(services)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_json() -> dict[str, Any]:
        return openapi(app, cookie)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="noteledger",
            swagger_js_url="/static/swagger-ui-bundle.js",
            swagger_css_url="/static/swagger-ui.css",
            swagger_favicon_url="/static/favicon.png",
        )

    # Of this package only the files that it carries: Swagger UI, so that no outside host is asked.
    assets = files("fastapi_offline") / "static"
    app.mount("/static", StaticFiles(directory=str(assets)), name="static")


def openapi(app: FastAPI, cookie: str) -> dict[str, Any]:
    """The document that is served: every operation with its security, every problem with its shape."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    components = document["components"]
    components["securitySchemes"] = {
        "cookieAuth": {"type": "apiKey", "in": "cookie", "name": cookie},
        "basicAuth": {"type": "http", "scheme": "basic"},
    }
    for model in _UNNAMED:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"] |= schema.pop("$defs", {})
        components["schemas"][model.__name__] = schema
    for operations in document["paths"].values():
        for operation in operations.values():
            if operation["operationId"] not in _OPEN:
                operation["security"] = _SECURITY
            if "422" in operation["responses"]:
                operation["responses"]["422"] = problems.documented(422)[422]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    app.openapi_schema = document
    return document
