"""House rules as functions from source to findings, so that the rules themselves can be tested."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FUNCTION_LINES = 40
FILE_LINES = 400
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "core", "common", "manager", "base", "misc"}
# Where transactions end: the session's own module and the bus.
COMMITTING = ("shared/database.py", "shared/events/", "shared/migrations.py", "deploy/stripe_twin/")


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


Rule = Callable[[str, ast.Module, str], Iterator[Finding]]


def commits_only_where_transactions_live(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    if path.startswith(COMMITTING):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
            yield Finding(path, node.lineno, "commit() outside the places that own transactions")


def no_http_exception(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    if path == "shared/problems.py":
        return
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name == "HTTPException":
            yield Finding(path, node.lineno, "HTTPException instead of a typed problem")


def no_print(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield Finding(path, node.lineno, "print() instead of the log")


def no_naive_datetimes(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        call, given = node.func.attr, len(node.args) + len(node.keywords)
        naive_now = call == "now" and isinstance(node.func.value, ast.Name) and node.func.value.id == "datetime"
        if call in {"utcnow", "utcfromtimestamp"} or (naive_now and given == 0):
            yield Finding(path, node.lineno, "a datetime without a time zone")


MONEY = {"amount", "price", "balance", "commission", "refund", "net", "tax", "discount", "total"}


def no_float_money(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            words = set(node.target.id.lower().split("_"))
            if words & MONEY and "float" in ast.unparse(node.annotation):
                yield Finding(path, node.lineno, f"{node.target.id} is money in a float")


MONEY_PLACES = (
    "services/billing/",
    "services/community/affiliates/",
    "shared/money.py",
    "shared/contracts/billing.py",
)


def no_float_arithmetic_with_money(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    """Where money is computed nothing is divided but by `//`, rounded by chance or turned into a float."""
    if not path.startswith(MONEY_PLACES):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _is_path(node):
            yield Finding(path, node.lineno, "a division that makes floats, where money is computed")
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
            yield Finding(path, node.lineno, "a division that makes floats, where money is computed")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"float", "round"}:
            yield Finding(path, node.lineno, f"{node.func.id}() where money is computed")


def _is_path(node: ast.BinOp) -> bool:
    """Paths are joined with the same sign, and end in text."""
    return isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)


def use_cases_know_no_http(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    if not (path.startswith("services/") and "usecases" in path):
        return
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for name in [*names, module]:
            if name.split(".")[0] in {"fastapi", "starlette"} or name.split(".")[-1].startswith("schemas"):
                yield Finding(path, node.lineno, f"a use case imports {name}")


def endpoints_are_async(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    """A sync endpoint or dependency runs in a thread and halves a hot path's rate."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(_is_route(decorator) for decorator in node.decorator_list):
            yield Finding(path, node.lineno, f"{node.name} is a sync endpoint")


def _is_route(decorator: ast.expr) -> bool:
    verbs = {"get", "post", "put", "patch", "delete"}
    return (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in verbs
        and any(keyword.arg == "access" for keyword in decorator.keywords)
    )


def names_say_something(path: str, _tree: ast.Module, _source: str) -> Iterator[Finding]:
    parts = path.removesuffix(".py").split("/")
    for part in set(parts) & VAGUE_NAMES:
        if path != "shared/contracts/common.py":
            yield Finding(path, 1, f"a module or folder called {part}")


def functions_fit_a_screen(path: str, tree: ast.Module, _source: str) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield Finding(path, node.lineno, f"{node.name} has {lines} lines")


def files_fit_a_head(path: str, _tree: ast.Module, source: str) -> Iterator[Finding]:
    lines = source.count("\n")
    if lines > FILE_LINES:
        yield Finding(path, 1, f"{lines} lines in one file")


RULES: tuple[Rule, ...] = (
    commits_only_where_transactions_live,
    no_http_exception,
    no_print,
    no_naive_datetimes,
    no_float_money,
    no_float_arithmetic_with_money,
    use_cases_know_no_http,
    endpoints_are_async,
    names_say_something,
    functions_fit_a_screen,
    files_fit_a_head,
)


def findings(path: str, source: str) -> list[Finding]:
    tree = ast.parse(source)
    return [finding for rule in RULES for finding in rule(path, tree, source)]
