"""Where the fields of a request come from: each source reads its value, and documents itself.

The request of an operation is a NamedTuple; each field is annotated with its source. That class is
the only statement about the request: `RequestReader` reads by it, and the OpenAPI document is made
of it.
"""

import json
from collections.abc import Iterator, Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar, get_args, get_origin
from typing import get_type_hints as type_hints

from fastapi import Body, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Param
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from api.auth import the_caller, the_listener
from api.forms import OPENAPI, NoteForm, read_form
from api.inputs import IDEMPOTENCY_KEY_CHARS_MAX, if_version
from api.problems import BadRequest, methods_at
from api.services import Services
from domain.refusals import NoteIsUnknown
from domain.value import MAX_ID, Caller

RequestT = TypeVar("RequestT", bound=tuple[Any, ...])
BodyT_co = TypeVar("BodyT_co", covariant=True)
NO_BODY: Final[dict[str, Any]] = {}


class Source:
    """Where one field of a request comes from."""

    asks_caller: bool = False
    openapi: dict[str, Any] = NO_BODY
    """What the document says of it where FastAPI has no parameter for it."""

    def documented(self, type_: Any) -> Sequence[Parameter]:
        """How FastAPI declares it; `type_` is the field's type."""
        return ()

    def validator(self, type_: Any) -> TypeAdapter[Any]:
        """What the value must be."""
        return TypeAdapter(type_)

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> Any:
        """The field's value. Raises BadRequest, RequestValidationError."""
        raise NotImplementedError


class _WithoutValidation(Source):
    """What is read needs no validation, or does it itself."""

    def validator(self, type_: Any) -> TypeAdapter[Any]:
        return TypeAdapter(Any)


class _Caller(_WithoutValidation):
    asks_caller = True

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> Caller:
        return await the_caller(request)


class _Listener(_Caller):
    async def read(self, request: Request, validator: TypeAdapter[Any]) -> Caller:
        return await the_listener(request)


class _WholeRequest(_WithoutValidation):
    async def read(self, request: Request, validator: TypeAdapter[Any]) -> Request:
        return request


class _PathId(_WithoutValidation):
    """The contract prints ids as strings; one that is no id names nothing."""

    def documented(self, type_: Any) -> Sequence[Parameter]:
        path = Path(json_schema_extra={"pattern": "^[1-9][0-9]{0,15}$"})
        return (_parameter("id", Annotated[str, path]),)

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> int:
        text: str = request.path_params["id"]
        if text.isascii() and text.isdigit() and len(text) <= 16 and 1 <= int(text) <= MAX_ID:
            return int(text)
        # `/data/history/` is a path of its own, and this is not done there.
        if methods_at(request, request.scope["path"]):
            raise HTTPException(405)
        raise NoteIsUnknown


class _PathText(_WithoutValidation):
    def __init__(self, name: str) -> None:
        self._name = name

    def documented(self, type_: Any) -> Sequence[Parameter]:
        return (_parameter(self._name, str),)

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> str:
        text: str = request.path_params[self._name]
        return text


class _Optional(Source):
    """A parameter of the query, or a header: None where the request has none."""

    def __init__(self, name: str, declared: Param) -> None:
        self._name = name
        self._declared = declared
        self._where = "header" if isinstance(declared, type(Header())) else "query"
        self._key = declared.alias or (name.replace("_", "-") if self._where == "header" else name)

    def documented(self, type_: Any) -> Sequence[Parameter]:
        return (_parameter(self._name, Annotated[type_, self._declared], default=None),)

    def validator(self, type_: Any) -> TypeAdapter[Any]:
        return TypeAdapter(Annotated[type_, self._declared])

    def text(self, request: Request) -> str | None:
        """What the request has; of several, the one that FastAPI would take."""
        return (request.headers if self._where == "header" else request.query_params).get(self._key)

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> Any:
        text = self.text(request)
        return None if text is None else _valid(validator, text, self._where, self._key)


class _IfMatch(_Optional):
    def documented(self, type_: Any) -> Sequence[Parameter]:
        return super().documented(str | None)

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> int | None:
        return if_version(self.text(request))


class _IdempotencyKey(_Optional):
    """Refused where it is none, whether it will be needed or not."""

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> str | None:
        key = self.text(request)
        if key is not None and not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARS_MAX:
            limit = f"An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters."
            raise BadRequest(422, limit, "Idempotency-Key")
        return key


class _Json(Source):
    """The body, as JSON (RFC 8259)."""

    def __init__(self, name: str = "body", *, is_required: bool = True) -> None:
        self._name = name
        self._is_required = is_required

    def documented(self, type_: Any) -> Sequence[Parameter]:
        default = Parameter.empty if self._is_required else None
        return (_parameter(self._name, Annotated[type_, Body()], default),)

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> Any:
        body = await request.body()
        value = _parsed(request, body) if body else None
        if value is None and not self._is_required:
            return None
        if value is None:
            missing = {"type": "missing", "loc": ("body",), "msg": "Field required"}
            raise RequestValidationError([missing])
        return _valid(validator, value, "body")


class _Form(_WithoutValidation):
    openapi = OPENAPI

    async def read(self, request: Request, validator: TypeAdapter[Any]) -> NoteForm:
        services: Services = request.app.state.services
        return await read_form(request, services.limits)


TheCaller = Annotated[Caller, _Caller()]
TheListener = Annotated[Caller, _Listener()]
"""Who listens: that a page is open somewhere is no use of a browser session."""
TheRequest = Annotated[Request, _WholeRequest()]
PathId = Annotated[int, _PathId()]
FileDigest = Annotated[str, _PathText("digest")]
PageLimit = Annotated[int | None, _Optional("limit", Query(ge=1, le=1000))]
PageCursor = Annotated[
    str | None, _Optional("cursor", Query(max_length=200, description="From the Link header."))
]
IfVersion = Annotated[int | None, _IfMatch("if_match", Header())]
"""The version that the caller had before them; None where any will do."""
IdempotencyKey = Annotated[
    str | None,
    _IdempotencyKey("idempotency_key", Header(min_length=1, max_length=IDEMPOTENCY_KEY_CHARS_MAX)),
]
AfterPosition = Annotated[
    int | None,
    _Optional("after", Query(ge=0, le=MAX_ID, description="Where to begin, at first.")),
]
LastEventId = Annotated[
    int | None,
    _Optional(
        "last_event_id",
        Header(
            alias="Last-Event-ID",
            ge=0,
            le=MAX_ID,
            description="The id that the last event came with; wins over `after`.",
        ),
    ),
]
TheForm = Annotated[NoteForm, _Form()]
JSON: Final = _Json()
OPTIONAL_REASON: Final = _Json("reason", is_required=False)


class CallerRequest(NamedTuple):
    """Who asks, and nothing else."""

    caller: TheCaller


class IdRequest(NamedTuple):
    """One thing, named by its id."""

    caller: TheCaller
    id: PathId


class PutRequest(NamedTuple, Generic[BodyT_co]):
    """One thing, and how it shall be."""

    caller: TheCaller
    id: PathId
    body: Annotated[BodyT_co, JSON]


class RequestReader(Generic[RequestT]):
    """Reads requests as the NamedTuple `shape` says; a generic one names its body: `PutRequest[SessionPut]`."""

    def __init__(self, shape: type[RequestT]) -> None:
        self._shape = shape
        fields = [(source, type_) for source, type_ in _fields(shape)]
        self._sources = [(source, source.validator(type_)) for source, type_ in fields]
        self.asks_caller = any(source.asks_caller for source, _ in fields)
        self.openapi = {k: v for source, _ in fields for k, v in source.openapi.items()}
        parameters = [p for source, type_ in fields for p in source.documented(type_)]
        self.signature = Signature(parameters)
        """What FastAPI makes the document of."""

    async def read(self, request: Request) -> RequestT:
        """The request's value. Raises BadRequest, Refused, RequestValidationError with all that is wrong."""
        values, errors = [], list[Any]()
        for source, validator in self._sources:
            try:
                values.append(await source.read(request, validator))
            except RequestValidationError as invalid:
                errors += invalid.errors()
        if errors:
            raise RequestValidationError(errors)
        return self._shape(*values)


def _fields(shape: Any) -> Iterator[tuple[Source, Any]]:
    plain = get_origin(shape) or shape
    models = dict(zip(getattr(plain, "__parameters__", ()), get_args(shape), strict=True))
    hints = type_hints(plain, include_extras=True)
    for name in plain._fields:
        type_, source = get_args(hints[name])
        assert isinstance(source, Source), f"{plain.__name__}.{name} does not say its source"
        yield source, models.get(type_, type_)


def _parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _parsed(request: Request, body: bytes) -> Any:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise BadRequest(415, "The body of this request is application/json.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest(400, "The body is not JSON.", "body") from None


def _valid(validator: TypeAdapter[Any], value: Any, *where: str) -> Any:
    """The value as the model has it; refused as FastAPI refuses it."""
    try:
        return validator.validate_python(value)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False, include_context=False)
        located = [{**error, "loc": (*where, *error["loc"])} for error in errors]
        raise RequestValidationError(located) from None
