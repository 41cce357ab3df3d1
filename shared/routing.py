"""Routers that are closed by default: a route without an access policy cannot be written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute

from shared.errors import Forbidden, FreshLoginRequired
from shared.identity import Principal, find_caller, get_caller

FRESH_LOGIN = timedelta(minutes=10)
FRESH_TOKEN = timedelta(seconds=5)
SECOND_FACTOR = 2

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Kind = Literal["public", "visitor", "user"]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route. Used as the route's first dependency, so it runs before any database session opens.

    `scope` is what an API key needs; without it keys are refused and only sessions pass. `fresh` asks for a sign-in or
    re-authentication within ten minutes and a token at most five seconds old, which the gateway mints for such routes.
    """

    kind: Kind
    scope: str | None = None
    roles: frozenset[str] = frozenset()
    fresh: bool = False
    unverified: bool = False

    async def __call__(self, request: Request) -> None:
        if self.kind != "user":
            await find_caller(request)
            return
        caller = await get_caller(request)
        self._check_account(caller)
        self._check_grants(caller)
        if self.fresh:
            check_fresh(caller)
        if self.roles and request.app.state.runtime.settings.is_production and caller.assurance < SECOND_FACTOR:
            raise Forbidden("Admin routes need a second factor in production.", code="second_factor_required")

    def _check_account(self, caller: Principal) -> None:
        if not caller.verified and not self.unverified:
            raise Forbidden("Confirm your e-mail address first.")

    def _check_grants(self, caller: Principal) -> None:
        if caller.scopes is not None and (self.scope is None or self.scope not in caller.scopes):
            raise Forbidden(f"This API key lacks the scope {self.scope}." if self.scope else "API keys can't do this.")
        if caller.scopes is None and self.scope == "runner":
            raise Forbidden("Only a runner key may do this.")
        if self.roles and not self.roles & caller.roles:
            raise Forbidden


def check_fresh(caller: Principal) -> None:
    """Refuse a login older than ten minutes or a token older than five seconds. Tokens are timed by wall clock."""
    now = datetime.now(UTC)
    if caller.scopes is not None or now - caller.authenticated_at > FRESH_LOGIN:
        raise FreshLoginRequired
    if now - caller.token_issued_at > FRESH_TOKEN:
        raise FreshLoginRequired("The identity token is too old for this route.")


public = Access("public")
visitor = Access("visitor")


def user(*, scope: str | None = None, fresh: bool = False, unverified: bool = False) -> Access:
    """Any signed-in user; an API key only with `scope`."""
    return Access("user", scope=scope, fresh=fresh, unverified=unverified)


def role(*names: str, fresh: bool = True) -> Access:
    """Staff with one of these roles; a second factor as well in production.

    Leave `fresh` out only where somebody works for longer than ten minutes at a stretch.
    """
    return Access("user", roles=frozenset(names), fresh=fresh)


class Router:
    """A router whose verbs demand `access=`; the other options are FastAPI's own.

    It declares; `attach` makes the routes the app's own. FastAPI's inclusion would match each request twice.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._declared: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []

    @cached_property
    def routes(self) -> Sequence[APIRoute]:
        """The declared routes, for whoever walks them. Declare nothing afterwards."""
        router = APIRouter()
        self._declare_on(router.add_api_route)
        return [route for route in router.routes if isinstance(route, APIRoute)]

    def attach(self, app: FastAPI) -> None:
        """Put the declared routes on the app."""
        self._declare_on(app.add_api_route)

    def _declare_on(self, add: Callable[..., None]) -> None:
        for path, endpoint, options in self._declared:
            add(path, endpoint, **options)

    def include(self, other: "Router") -> None:
        """Take over another router's routes."""
        self._declared.extend(other._declared)  # noqa: SLF001 - of the same class

    def get(self, path: str, *, access: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._route("GET", path, access, options)

    def post(self, path: str, *, access: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._route("POST", path, access, options)

    def put(self, path: str, *, access: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._route("PUT", path, access, options)

    def patch(self, path: str, *, access: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._route("PATCH", path, access, options)

    def delete(self, path: str, *, access: Access, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._route("DELETE", path, access, options)

    def _route(self, method: str, path: str, access: Access, options: dict[str, Any]) -> Callable[[Endpoint], Endpoint]:
        dependencies = [Depends(access), *options.pop("dependencies", ())]
        options = {**self._options, **options, "methods": [method], "dependencies": dependencies}

        def declare(endpoint: Endpoint) -> Endpoint:
            self._declared.append((path, endpoint, options))
            return endpoint

        return declare


def access_of(route: APIRoute) -> Access | None:
    """The policy a route was declared with, or None: the architecture test refuses None."""
    calls = (dependency.dependency for dependency in route.dependencies)
    return next((call for call in calls if isinstance(call, Access)), None)
