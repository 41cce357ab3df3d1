"""A job at a provider: the one that is asked first, what is kept so that nobody pays twice, and where it goes else."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx

from services.jobs.providers.configuration import LOCAL, ProviderConfig
from services.jobs.providers.openai import OpenAI
from services.jobs.providers.protocol import Accepted, Made, NotAccepted, Provider, Request, TryAgain, Uncertain
from services.jobs.providers.replicate import Replicate
from services.jobs.queue import Claim, EngineName
from shared.breaker import Breaker
from shared.database import Database
from shared.rate_limits import Rule, hit

POLL_SECONDS = 1.0

# A lease has one holder, so that nobody else writes for the same job meanwhile.
_INTEND = """
    INSERT INTO job_checkpoints (job_id, provider, saved_at) VALUES (%s, %s, now()) ON CONFLICT (job_id) DO NOTHING
"""
_ACCEPTED = "UPDATE job_checkpoints SET remote_id = %s, saved_at = now() WHERE job_id = %s"
_FORGET = "DELETE FROM job_checkpoints WHERE job_id = %s AND remote_id IS NULL"
_FIND = "SELECT provider, remote_id FROM job_checkpoints WHERE job_id = %s"


@dataclass(frozen=True, slots=True)
class Remote:
    """A provider as this process knows it."""

    name: str
    config: ProviderConfig
    provider: Provider
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class Done:
    made: Made
    engine: EngineName


def open_remotes(providers: Mapping[str, ProviderConfig], http: httpx.AsyncClient) -> dict[str, Remote]:
    kinds: dict[str, Callable[[httpx.AsyncClient, ProviderConfig], Provider]] = {
        "openai": OpenAI,
        "replicate": Replicate,
    }
    return {
        name: Remote(name, config, kinds[config.kind](http, config), Breaker()) for name, config in providers.items()
    }


class RemoteWork:
    """Runs jobs at providers. `engines` is the order of engines by tool, for jobs that leave the choice to us."""

    def __init__(self, database: Database, remotes: Mapping[str, Remote], engines: Mapping[str, Sequence[str]]) -> None:
        self._database, self._remotes, self._engines = database, remotes, engines

    async def run(self, claim: Claim, report: Callable[[str], None]) -> Done | None:
        """What a provider made, or None when the local engine is next.

        Raises Refused (final), NotAccepted (nobody took it; try later), TryAgain, or Uncertain (ask nobody again).
        """
        kept = await self._find(claim.job_id)
        if kept is not None:
            return await self._resume(claim, report, *kept)
        trouble: NotAccepted | None = None
        for name in self._order(claim):
            if name == LOCAL:
                return None
            try:
                return await self._ask(claim, self._remotes[name], report)
            except NotAccepted as error:
                trouble = error
        raise trouble or NotAccepted("PROVIDER_UNAVAILABLE", "No engine for this is set up here any more.")

    def _order(self, claim: Claim) -> Sequence[str]:
        names = self._engines.get(claim.tool, ()) if claim.engine == "auto" else (claim.engine,)
        return [name for name in names if name == LOCAL or self._can(name, claim.tool)]

    def _can(self, name: str, tool: str) -> bool:
        return name in self._remotes and tool in self._remotes[name].config.models

    async def _resume(self, claim: Claim, report: Callable[[str], None], name: str, remote_id: str | None) -> Done:
        """Go on with what an earlier attempt began: at the same provider and, if it answered, under the same id."""
        if not self._can(name, claim.tool):
            raise Uncertain
        remote = self._remotes[name]
        if remote_id is not None:
            return await self._wait(claim, remote, remote_id, report)
        if not remote.config.idempotent:
            raise Uncertain
        try:
            return await self._submit(claim, remote, report)
        except NotAccepted as error:
            # The earlier request may have been, so this job may not go elsewhere.
            raise TryAgain(error.code, error.message, error.retry_after) from error

    async def _ask(self, claim: Claim, remote: Remote, report: Callable[[str], None]) -> Done:
        if rest := remote.breaker.rest():
            raise NotAccepted("PROVIDER_UNAVAILABLE", "The provider does not work at the moment.", rest)
        await self._keep_pace(remote)
        await self._write(_INTEND, claim.job_id, remote.name)
        try:
            return await self._submit(claim, remote, report)
        except NotAccepted:
            await self._write(_FORGET, claim.job_id)
            raise

    async def _keep_pace(self, remote: Remote) -> None:
        """The provider's limit counts over all our processes."""
        async with self._database.pool.connection() as connection:
            verdict = await hit(connection, f"provider:{remote.name}", Rule(remote.config.per_minute, 60))
        if not verdict.allowed:
            raise NotAccepted("PROVIDER_RATE_LIMITED", "The provider has too much to do.", verdict.retry_after)

    async def _submit(self, claim: Claim, remote: Remote, report: Callable[[str], None]) -> Done:
        report(f"at {remote.name}")
        try:
            answer = await remote.provider.submit(self._request(claim, remote))
        except NotAccepted as error:
            # Too many requests are no illness; a breaker that opened for them would only make it worse.
            if error.code != "PROVIDER_RATE_LIMITED":
                remote.breaker.failed()
            raise
        except Uncertain:
            remote.breaker.failed()
            if not remote.config.idempotent:
                raise
            raise TryAgain("PROVIDER_UNAVAILABLE", "The provider's answer was lost.") from None
        remote.breaker.worked()
        if isinstance(answer, Accepted):
            await self._write(_ACCEPTED, answer.remote_id, claim.job_id)
            return await self._wait(claim, remote, answer.remote_id, report)
        return Done(answer, self._engine(claim, remote))

    async def _wait(self, claim: Claim, remote: Remote, remote_id: str, report: Callable[[str], None]) -> Done:
        while True:
            pause = POLL_SECONDS
            try:
                made = await remote.provider.poll(remote_id)
            except NotAccepted as error:
                # It goes on working; only our question did not get through.
                made, pause = None, error.retry_after or POLL_SECONDS
            if made is not None:
                return Done(made, self._engine(claim, remote))
            report(f"at {remote.name}")
            await asyncio.sleep(pause)

    async def cancel(self, claim: Claim) -> None:
        """Tell the provider, if it has begun, that nobody wants the result any more."""
        kept = await self._find(claim.job_id)
        if kept and kept[1] is not None and kept[0] in self._remotes:
            await self._remotes[kept[0]].provider.cancel(kept[1])

    def _request(self, claim: Claim, remote: Remote) -> Request:
        model = remote.config.models[claim.tool]
        return Request(claim.job_id, claim.tool, model, claim.prompt or "", claim.options, claim.seed)

    def _engine(self, claim: Claim, remote: Remote) -> EngineName:
        return EngineName(remote.name, remote.config.models[claim.tool])

    async def _find(self, job_id: UUID) -> tuple[str, str | None] | None:
        async with self._database.pool.connection() as connection:
            row = await (await connection.execute(_FIND, (job_id,))).fetchone()
        return (row["provider"], row["remote_id"]) if row else None

    async def _write(self, query: str, *values: object) -> None:
        async with self._database.pool.connection() as connection:
            await connection.execute(query.encode(), values)
