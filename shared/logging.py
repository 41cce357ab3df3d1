"""Structured logs: one JSON object a line, with the request's id and subject on each."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

SECRET_WORDS = ("password", "token", "secret", "authorization", "cookie", "signature")
# What a secret looks like wherever it stands: in a traceback, in an outside party's words, in a row that a constraint
# refused. Postgres quotes that row after DETAIL.
SECRET_SHAPES = re.compile(
    r"""
    (?P<detail>\bDETAIL:\s).*?(?=\n(?:CONTEXT:|HINT:|\[SQL|\(Background|Traceback|\n)|\Z)
    | (?P<user>://[^\s/:@]*:)[^\s@/]+(?=@)
    | (?P<parameter>[?&](?:token|signature|sig|code|key|secret|password)=)[^&\s"')]+
    | (?P<scheme>\b[Bb]earer\s)\S+
    | \b(?:ss_|ak_live_|sk_test_|sk_live_|rk_live_|whsec_)[A-Za-z0-9_+/=-]+
    | \beyJ[\w-]+\.[\w-]*\.[\w-]*
    | (?<![\w.%+-])[\w.%+-]+@[\w-]+(?:\.[\w-]+)+
    | (?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[0-9])[\w-]{43}(?![\w-])
    """,
    re.VERBOSE | re.DOTALL,
)


def configure_logging(*, level: str = "INFO", pretty: bool = False) -> None:
    """Route structlog and the standard library through one formatter. Call it once, from an entry point."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    plain = structlog.dev.plain_traceback
    last = structlog.dev.ConsoleRenderer(exception_formatter=plain) if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        # A line below the level costs one comparison, not the whole chain.
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask_secrets,
            last,
        ],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiormq", "aio_pika", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def hide_secrets(_logger: Any, _method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Blank any field whose name says it holds a secret: a slip in one call must not end in the log store."""
    return {
        name: "[hidden]" if any(word in name.lower() for word in SECRET_WORDS) else value
        for name, value in fields.items()
    }


def mask_secrets(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Mask in every text what has the shape of a secret or of a mail address; what surrounds it stays readable."""
    return {name: masked(value) if isinstance(value, str) else value for name, value in fields.items()}


def masked(text: str) -> str:
    return SECRET_SHAPES.sub(lambda found: f"{found[found.lastgroup] if found.lastgroup else ''}[hidden]", text)


def get_logger(name: str) -> Any:
    return structlog.stdlib.get_logger(name)
