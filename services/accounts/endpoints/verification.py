"""What the gateway and the services ask: who a request comes from, and which keys sign the answer."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Query, Request, Response

from services.accounts.endpoints.dependencies import InAccounts
from services.accounts.verification import verify
from shared.http import problem_response
from shared.routing import Router, public

router = Router(tags=["identity"])

Audience = Annotated[str, Query(pattern=r"^[a-z_]{1,32}$")]


@router.get("/_verify", access=public, include_in_schema=False)
async def verify_request(aud: Audience, request: Request, accounts: InAccounts) -> Response:
    """The gateway's question about another request, which it describes in X-Forwarded-Method and -Uri. The server has
    taken the client's address from X-Forwarded-For, if the question came from a gateway it trusts."""
    forwarded = request.headers
    answer = await verify(
        accounts.runtime,
        audience=aud,
        method=forwarded.get("x-forwarded-method", "GET"),
        path=urlsplit(forwarded.get("x-forwarded-uri", "/")).path,
        headers=forwarded,
        client_ip=request.client.host if request.client else "",
    )
    if answer.problem is not None:
        return problem_response(answer.problem, request.state.request_id)
    return Response(status_code=answer.status, headers=answer.headers)


@router.get("/.well-known/jwks.json", access=public)
async def read_key_set(accounts: InAccounts, response: Response) -> dict[str, Any]:
    response.headers["Cache-Control"] = "public, max-age=60"
    return accounts.parts.keys.jwks()
