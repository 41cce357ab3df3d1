"""The way to the account's state for everything that is not an API call: the page, the controls, the clock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from deploy.stripe_twin.account import Account, seconds
from deploy.stripe_twin.errors import StripeError
from deploy.stripe_twin.settings import Clock
from deploy.stripe_twin.store import Connection, Store

T = TypeVar("T")


@dataclass(frozen=True)
class Books:
    """`wake` tells the delivery worker that a commit may have left something to post."""

    store: Store
    clock: Clock
    public_url: str
    wake: Callable[[], None]

    def now(self) -> int:
        return seconds(self.clock.now())

    def account(self, connection: Connection, request_id: str | None = None, key: str | None = None) -> Account:
        return Account(connection, self.now(), self.public_url, request_id, key)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Account]:
        async with self.store.read() as connection:
            yield self.account(connection)

    async def perform(self, action: Callable[[Account], Awaitable[T]]) -> T:
        """Run in one transaction. A refusal that keeps its effects is raised after the commit."""
        refusal: StripeError | None = None
        async with self.store.write() as connection:
            try:
                result = await action(self.account(connection))
            except StripeError as error:
                if not error.keeps_effects:
                    raise
                refusal = error
        self.wake()
        if refusal is not None:
            raise refusal
        return result
