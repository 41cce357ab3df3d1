"""What happens after the fork: limits, the tool's own work, one report, and the end of the process."""

import errno
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from services.jobs.engines import extras
from services.jobs.engines.protocol import InputFile, InvalidInput, Output, OutputFile, Retryable, Tool
from services.jobs.runner.processes import die_with_parent

Report = Callable[[dict[str, Any]], None]
OUT_OF_RESOURCES = {errno.ENOSPC, errno.ENOMEM, errno.EDQUOT, errno.EFBIG, errno.EMFILE}


@dataclass
class Context:
    """What the engine is lent; see `engines.protocol.Context`."""

    workdir: Path
    seed: int
    inputs: list[InputFile]
    report: Report

    def progress(self, percent: int, stage: str) -> None:
        self.report({"event": "progress", "percent": max(0, min(100, int(percent))), "stage": str(stage)[:100]})


def live(order: Mapping[str, Any], tools: Mapping[str, Tool], pipe: int, parent: int) -> None:
    """Run one order to its end and exit. Never returns."""
    code = 1
    try:
        _leave_the_family(Path(order["folder"]), parent)
        _limit(order["limits"])
        _report_to(pipe)(_work(order, tools, _report_to(pipe)))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it must not run on in the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _leave_the_family(folder: Path, parent: int) -> None:
    """A session of our own, so that one signal reaches all that we start; and no hold on the parent's pipes."""
    os.setsid()
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.chdir(folder)


def _limit(limits: Mapping[str, int]) -> None:
    """`memory_mb` and `file_mb` in MiB, `cpu_seconds` of processor time; a core dump would only fill the disk."""
    mebibyte = 1024 * 1024
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_mb"] * mebibyte),
        (resource.RLIMIT_FSIZE, limits["file_mb"] * mebibyte),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    # Beyond the limit a write must fail with an error that we can report, not kill us.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _report_to(pipe: int) -> Report:
    def report(message: dict[str, Any]) -> None:
        line = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n"
        while line:
            line = line[os.write(pipe, line) :]

    return report


def _work(order: Mapping[str, Any], tools: Mapping[str, Tool], report: Report) -> dict[str, Any]:
    """The one message that tells how it went."""
    tool = tools[order["tool"]]
    inputs = [InputFile(Path(entry["path"]), entry["media"] or {}) for entry in order["inputs"]]
    context = Context(Path(order["folder"]) / "out", order["seed"], inputs, report)
    try:
        if tool.needs_extras:
            extras.join()
        output = tool.run(context, order["prompt"], tool.options.model_validate(order["options"]))
        return {"event": "result", **_described(output, context.workdir)}
    except InvalidInput as refused:
        return {"event": "refused", "code": refused.code, "message": refused.message}
    except Retryable as failed:
        return _failure(failed.code, failed.message, failed.retry_after)
    except MemoryError:
        return _failure("OUT_OF_RESOURCES", "The work needed more memory than it may have.")
    except OSError as error:
        traceback.print_exc()
        code = "OUT_OF_RESOURCES" if error.errno in OUT_OF_RESOURCES else "INTERNAL"
        return _failure(code, "Something went wrong on our side.")
    except Exception:  # noqa: BLE001 - an engine's bug is a failed attempt, with its trace in the log
        traceback.print_exc()
        return _failure("INTERNAL", "Something went wrong on our side.")


def _failure(code: str, message: str, retry_after: float | None = None) -> dict[str, Any]:
    return {"event": "failed", "code": code, "message": message, "retry_after": retry_after}


def _described(output: Output, workdir: Path) -> dict[str, Any]:
    return {"files": [_file(file, workdir) for file in output.files], "data": output.data, "units": output.units}


def _file(file: OutputFile, workdir: Path) -> dict[str, Any]:
    """A result file, which must be a real one inside the work folder: a link could lead anywhere."""
    path = file.path.resolve()
    if file.path.is_symlink() or not path.is_relative_to(workdir.resolve()):
        raise ValueError(f"{file.name} is not in the work folder")
    return {
        "path": str(path),
        "name": file.name,
        "kind": file.kind,
        "content_type": file.content_type,
        "bytes": path.stat().st_size,
        "width": file.width,
        "height": file.height,
        "duration": file.duration,
    }
