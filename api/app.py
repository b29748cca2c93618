"""The application: operations, guards, problem documents, the OpenAPI document and its page."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from api import (
    auth,
    changes,
    directory,
    health,
    log_in,
    metrics,
    people,
    problems,
    processing,
    record_types,
    transcripts,
    trigger,
)
from api.auth import CallerCache
from api.change_stream import ChangeStream
from api.inputs import SIGNATURE_CHARS_MAX
from api.note_operations import NOTE_OPERATIONS
from api.operations import AnyOperation, asks_caller, mount
from api.problems import Problem
from api.request_guards import RequestGuards
from api.services import Limits, Services
from api.therapist_note_shapes import BASE, Metadata

_UNNAMED: Final[tuple[type[BaseModel], ...]] = (Problem, Metadata, *changes.SHAPES)
"""Shapes that no operation names to FastAPI."""
_SECURITY: Final[list[dict[str, list[str]]]] = [{"cookieAuth": []}, {"basicAuth": []}]
JSON_BYTES_PER_BYTE: Final = 6
"""A character may come as an escape: six bytes for one."""
ENVELOPE_BYTES: Final = 65_536
FILE_HEADER_BYTES: Final = 4_096


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    *NOTE_OPERATIONS,
    *trigger.OPERATIONS,
    *processing.OPERATIONS,
    *transcripts.OPERATIONS,
    *changes.OPERATIONS,
    *record_types.OPERATIONS,
    *directory.OPERATIONS,
    *people.OPERATIONS,
    *log_in.OPERATIONS,
    *metrics.OPERATIONS,
    *health.OPERATIONS,
)
"""Everything that the service does, in the order of the document."""


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
    app.state.change_stream = ChangeStream(services.changes, services.stream_limits, is_ending)
    problems.install(app)
    mount(app, services, OPERATIONS)
    _add_document(app, services)
    with_files = body_bytes_max(services.limits) + files_bytes_max(services.limits)
    return RequestGuards(app, body_bytes_max(services.limits), {f"{BASE}/recordtype/": with_files})


def body_bytes_max(limits: Limits) -> int:
    """The longest request without files that could be one of ours."""
    texts = 2 * JSON_BYTES_PER_BYTE * limits.text_bytes_max
    return texts + SIGNATURE_CHARS_MAX + ENVELOPE_BYTES


def files_bytes_max(limits: Limits) -> int:
    """All files that may come with one request."""
    return limits.files_max * (limits.file_bytes_max + FILE_HEADER_BYTES)


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
    asking = {operation.id for operation in OPERATIONS if asks_caller(operation)}
    for operations in document["paths"].values():
        for operation in operations.values():
            if operation["operationId"] in asking:
                operation["security"] = _SECURITY
            if "422" in operation["responses"]:
                operation["responses"]["422"] = problems.documented(422)[422]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    app.openapi_schema = document
    return document
