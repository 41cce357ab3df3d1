"""Exception handlers: every refusal of a service, the framework's own included, leaves as problem+json."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg import errors as postgres
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as SqlalchemyPoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.errors import BadRequest, Conflict, Problem, Unavailable, Unprocessable
from shared.http import problem_response
from shared.logging import get_logger

log = get_logger(__name__)

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": ["string", "null"]},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
DOCUMENTED = (400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 428, 429, 503)
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
    }
    for status in DOCUMENTED
}


class _Framework(Problem):
    """What Starlette itself refuses: unknown paths, wrong methods."""

    def __init__(self, error: HTTPException) -> None:
        phrase = HTTPStatus(error.status_code).phrase
        super().__init__(str(error.detail), code=phrase.lower().replace(" ", "_"), headers=dict(error.headers or {}))
        self._status, self._title = error.status_code, phrase

    def body(self, request_id: str | None) -> dict[str, Any]:
        return {**super().body(request_id), "status": self._status, "title": self._title}


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_framework)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(SqlalchemyPoolTimeout, _on_busy)
    app.add_exception_handler(PoolTimeout, _on_busy)
    app.add_exception_handler(postgres.UntranslatableCharacter, _on_untranslatable)
    # What bypasses the session meets the driver's errors bare.
    app.add_exception_handler(postgres.OperationalError, _on_unavailable)
    app.add_exception_handler(postgres.InterfaceError, _on_unavailable)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _respond(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(entry["type"] == "json_invalid" for entry in found):
        return _respond(request, BadRequest("The body is not valid JSON."))
    return _respond(request, Unprocessable(errors=readable(found)))


async def _on_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Problem):
        # FastAPI wraps what our body reader raises while it parses the body.
        return _respond(request, error.__cause__)
    response = _respond(request, _Framework(error))
    response.status_code = error.status_code
    return response


async def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    cause = error.orig
    if isinstance(error, IntegrityError):
        log.warning("integrity_error", error=type(cause).__name__)
        return _respond(request, Conflict("Somebody else changed this at the same moment."))
    if isinstance(cause, postgres.DataError):
        return _respond(request, Unprocessable("A value is out of range or has characters that cannot be stored."))
    if isinstance(cause, (postgres.OperationalError, postgres.InterfaceError)):
        return await _on_unavailable(request, cause)
    raise error


async def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("database_unavailable", error=type(error).__name__)
    return _respond(request, Unavailable("The database is busy."))


async def _on_busy(request: Request, _error: Exception) -> Response:
    return _respond(request, Unavailable("The service is busy."))


async def _on_untranslatable(request: Request, _error: Exception) -> Response:
    return _respond(request, Unprocessable("Text may not contain the character U+0000."))


def _respond(request: Request, problem: Problem) -> Response:
    return problem_response(problem, getattr(request.state, "request_id", None))


def readable(found: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's findings as `{field, code, detail}`; the rejected value is left out, since it may be a secret."""
    return [
        {
            "field": ".".join(str(part) for part in entry["loc"] if part not in {"body", "query", "path", "header"}),
            "code": entry["type"],
            "detail": entry["msg"],
        }
        for entry in found
    ]
