"""Log in, log out, and who the caller is."""

from hashlib import sha256
from typing import Annotated, Final, NamedTuple

from fastapi import Response
from pydantic import BaseModel, ConfigDict

from api.auth import CallerCache, cookie_name
from api.inputs import InputText
from api.operations import AnyOperation, Operation, Threads, json_answer
from api.problems import BadRequest
from api.requests import JSON, CallerRequest, TheRequest
from api.services import Services
from domain.value import Caller


class LogIn(BaseModel):
    """Name and password of an account."""

    model_config = ConfigDict(extra="forbid")
    login: InputText
    password: InputText


class Me(BaseModel):
    """Who the caller is."""

    user_id: int
    role: str
    full_name: str | None
    clinic_id: int


class LogInRequest(NamedTuple):
    """Somebody who wants to log in."""

    body: Annotated[LogIn, JSON]


class LogOutRequest(NamedTuple):
    """Whoever the cookie belongs to, if there is one."""

    request: TheRequest


def log_in(services: Services, asked: LogInRequest) -> Response:
    """Begin a browser session: its cookie comes with the answer."""
    account = services.accounts.signed_in(asked.body.login, asked.body.password)
    if account is None:
        raise BadRequest(401, "Name or password is wrong, or the account is disabled.")
    response = json_answer(_me(services, account.caller))
    response.set_cookie(
        cookie_name(services),
        services.browser_sessions.begin(account, services.clock()),
        httponly=True,
        secure=services.is_https,
        samesite="strict",
        path="/",
    )
    return response


def log_out(services: Services, asked: LogOutRequest) -> Response:
    """End the browser session that the cookie names; without one there is nothing to end."""
    cookie = asked.request.cookies.get(cookie_name(services))
    if cookie:
        services.browser_sessions.end(cookie)
        cache: CallerCache = asked.request.app.state.caller_cache
        cache.forget(sha256(cookie.encode("utf-8", "surrogateescape")).digest())
    response = Response(status_code=204)
    response.delete_cookie(cookie_name(services), path="/", secure=services.is_https, httponly=True)
    return response


def me(services: Services, asked: CallerRequest) -> Response:
    """Who the caller is."""
    return json_answer(_me(services, asked.caller))


def _me(services: Services, caller: Caller) -> Me:
    person = services.people.find(caller, caller.user_id)
    return Me(
        user_id=caller.user_id,
        role=caller.role.value,
        full_name=person.full_name if person else None,
        clinic_id=caller.clinic_id,
    )


OPERATIONS: Final[tuple[AnyOperation, ...]] = (
    Operation(
        "POST",
        "/auth/login/",
        "auth_login",
        "auth",
        "Log In",
        LogInRequest,
        log_in,
        answer=Me,
        problems=(400, 401, 403, 415, 422, 429),
        threads=Threads.OTHERS,
    ),
    Operation(
        "POST",
        "/auth/logout/",
        "auth_logout",
        "auth",
        "Log Out",
        LogOutRequest,
        log_out,
        problems=(403,),
        status=204,
        threads=Threads.OTHERS,
    ),
    Operation(
        "GET",
        "/auth/me/",
        "auth_me",
        "auth",
        "Me",
        CallerRequest,
        me,
        answer=Me,
        problems=(401, 429),
    ),
)
