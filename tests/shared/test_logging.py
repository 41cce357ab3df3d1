"""Whatever ends in a log line by mistake, secrets and mail addresses are masked there and the rest stays readable."""

import io
import logging

import pytest
import structlog

from shared.logging import configure_logging, get_logger, masked

TOKEN = "q3Rk_5mD0-xW7vB2nL9sT4yU6iO1pA8fG3hJ5kZ0cVA"


@pytest.fixture
def written(monkeypatch):
    """What a process that is set up as ours writes to its standard error."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level, structlog.get_config()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging()
    yield stream.getvalue
    root.handlers[:], root.level = before[:2]
    structlog.configure(**before[2])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach postgresql://jobs:hunter2@db:5432/jobs", "cannot reach postgresql://jobs:[hidden]@db:5432/jobs"),
        ("mail to ann.b+x@mail.example.com failed", "mail to [hidden] failed"),
        ("GET /v1/files/a?expires=9&signature=c2ln&x=1", "GET /v1/files/a?expires=9&signature=[hidden]&x=1"),
        ("GET /verify?token=abc", "GET /verify?token=[hidden]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("key ak_live_abcdefghijkl refused", "key [hidden] refused"),
        ("No such key: sk_live_51Habc", "No such key: [hidden]"),
        (f"/verify/{TOKEN} is gone", "/verify/[hidden] is gone"),
        ("It exists.\nDETAIL:  Key (email)=(x y\nz).\n[SQL: INSERT]", "It exists.\nDETAIL: [hidden]\n[SQL: INSERT]"),
        ("job 0192f5c0-7d1e-7a6b-8c3d-2b1a0f9e8d7c took 3.5 s", "job 0192f5c0-7d1e-7a6b-8c3d-2b1a0f9e8d7c took 3.5 s"),
        ("a_function_with_a_name_as_long_as_a_token_has", "a_function_with_a_name_as_long_as_a_token_has"),
    ],
)  # fmt: skip
def test_only_what_looks_like_a_secret_is_masked(text, shown):
    assert masked(text) == shown


def test_a_long_text_without_a_secret_is_read_in_one_pass():
    """A pattern that goes back over what it read would take hours for this."""
    text = "a.b-" * 250_000
    assert masked(text) == text


def test_a_traceback_and_a_library_s_line_are_masked_as_ours_are(written):
    try:
        int(f"ann@example.com with {TOKEN}")
    except ValueError:
        get_logger("ours").exception("failed", reason="ann@example.com is taken", password="hunter2")
    logging.getLogger("theirs").warning("refused %s for %s", TOKEN, "ann@example.com")
    lines = written()
    assert lines.count("\n") == 2
    assert "ValueError" in lines
    assert "is taken" in lines
    for secret in (TOKEN, "ann@example.com", "hunter2"):
        assert secret not in lines
