"""Fixtures for every suite: the session's Postgres and the rule that tests reach nothing but this machine."""

import gc
import os
from contextlib import ExitStack

import pytest
from pytest_socket import socket_allow_hosts

from shared.logging import configure_logging
from tests.support.postgres import throwaway_server


def pytest_configure(config: pytest.Config) -> None:
    """Only the controller starts the server; workers inherit its address."""
    configure_logging(level="CRITICAL")
    # As `./atelier` and the images have it: two threads for one small multiplication take several times as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if hasattr(config, "workerinput"):
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    stack.enter_context(throwaway_server())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of collected tests stay for the whole run: looking through them for garbage costs a tenth of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
