"""A paid service on loopback that speaks both dialects, counts what it would charge for, and fails as it is told."""

import asyncio
import base64

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.jobs import picture


async def cut_off():
    """The beginning of an answer, and then the connection is gone."""
    yield b'{"'
    raise ConnectionResetError


class ProviderServer:
    """`faults` are answers for the next requests for work: a status, `lose` (take the job, then hang up), `rubbish`."""

    def __init__(self):
        self.url, self.faults, self.headers = "", [], {}
        self.asked, self.accepted, self.keys, self.cancelled = 0, [], [], []
        self.finish = asyncio.Event()
        self.finish.set()
        self._app = Starlette(
            routes=[
                Route("/images/generations", self.generate, methods=["POST"]),
                Route("/models/{owner}/{name}/predictions", self.predict, methods=["POST"]),
                Route("/predictions/{id}", self.tell),
                Route("/predictions/{id}/cancel", self.cancel, methods=["POST"]),
                Route("/files/{name}", self.send),
            ]
        )

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["method"] == "POST" and "cancel" not in scope["path"]:
            self.asked += 1
            fault = self.faults.pop(0) if self.faults else None
            if isinstance(fault, int):
                await Response(status_code=fault, headers=self.headers)(scope, receive, send)
                return
            scope["fault"] = fault
        await self._app(scope, receive, send)

    async def generate(self, request: Request):
        body = orjson.loads(await request.body())
        self.accepted.append(body)
        self.keys.append(request.headers["idempotency-key"])
        if request.scope["fault"] == "lose":
            return StreamingResponse(cut_off(), media_type="application/json")
        piece = b"no picture" if request.scope["fault"] == "rubbish" else picture(size=(32, 24))
        entry = {"b64_json": base64.b64encode(piece).decode(), "revised_prompt": "better words"}
        return JSONResponse({"data": [entry] * body["n"]})

    async def predict(self, request: Request):
        self.accepted.append(orjson.loads(await request.body()))
        if request.scope["fault"] == "lose":
            return StreamingResponse(cut_off(), media_type="application/json")
        return JSONResponse({"id": f"p{len(self.accepted)}", "status": "starting"}, 201)

    async def tell(self, request: Request):
        state = {"id": request.path_params["id"], "status": "processing"}
        if self.finish.is_set():
            state |= {"status": "succeeded", "output": [f"{self.url}/files/a.png"]}
        return JSONResponse(state)

    async def cancel(self, request: Request):
        self.cancelled.append(request.path_params["id"])
        return JSONResponse({})

    async def send(self, request: Request):
        return Response(picture(size=(40, 30)), media_type="image/png")
