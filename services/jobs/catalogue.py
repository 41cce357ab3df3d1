"""The tools: what each takes, costs and needs, and whether it can run here now."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from services.jobs.engines import TOOLS, extras
from services.jobs.engines.protocol import InvalidInput, Tool
from services.jobs.errors import InvalidJob, ToolUnavailable, ToolUnknown, field_errors, media_refused
from services.jobs.providers.configuration import LOCAL, ProviderConfig
from services.jobs.queue import EngineName
from shared.errors import Problem
from shared.problems import readable

REMOTE = "remote"
LANES = ("interactive", "render", REMOTE)


@dataclass(frozen=True)
class Catalogue:
    """`extra` are tools for tests: they run like any other and are shown to nobody.

    `manned` are the tools that some runner can do now, here or elsewhere, whatever packages this host has.
    """

    shipped: Mapping[str, Tool] = field(default_factory=lambda: TOOLS)
    extra: Mapping[str, Tool] = field(default_factory=dict)
    providers: Mapping[str, ProviderConfig] = field(default_factory=dict)
    engines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    manned: frozenset[str] = frozenset()

    def get_tool(self, tool_id: str, family: str) -> Tool:
        """Raises ToolUnavailable for a tool whose programs are not there, ToolUnknown for what is none."""
        tool = self.shipped.get(tool_id) or self.extra.get(tool_id)
        if tool is not None and tool.family == family:
            if self.engines_of(tool_id) == (LOCAL,) and (fault := self.lacks(tool)):
                raise ToolUnavailable(f"{tool.title} can't be used yet. {fault}")
            return tool
        raise ToolUnknown(f"There is no {family} tool with this name.")

    def family_of(self, tool_id: str) -> str:
        """The family of a tool that is known by its id alone; raises ToolUnknown."""
        tool = self.shipped.get(tool_id) or self.extra.get(tool_id)
        if tool is None:
            raise ToolUnknown("There is no tool with this name.")
        return tool.family

    @property
    def lanes(self) -> frozenset[str]:
        """The lanes that have tools, be they available yet or not."""
        local = frozenset(tool.lane for tool in (*self.shipped.values(), *self.extra.values()))
        return local | {REMOTE} if self.tools_of(REMOTE) else local

    def tools_of(self, lane: str) -> list[str]:
        """Ids of everything a runner of this host can do now in this lane."""
        if lane == REMOTE:
            return sorted({tool for config in self.providers.values() for tool in config.models})
        return [tool.id for tool in self._in_lane(lane) if is_available(tool)]

    def tools_elsewhere(self, lane: str) -> list[str]:
        """Ids of everything an attached runner may do in this lane: what it needs for that is its own business."""
        return [tool.id for tool in self._in_lane(lane)]

    def _in_lane(self, lane: str) -> list[Tool]:
        return [tool for tool in (*self.shipped.values(), *self.extra.values()) if tool.lane == lane]

    def is_available_here(self, tool_id: str) -> bool:
        """Whether this host has the packages; of a tool that isn't known, there are none to have."""
        tool = self.shipped.get(tool_id) or self.extra.get(tool_id)
        return tool is None or is_available(tool)

    def lacks(self, tool: Tool) -> str | None:
        """Why nobody can do the tool's work now, for users; None when somebody can."""
        return None if tool.id in self.manned else lacks(tool)

    def choose_engine(self, tool: Tool, asked: str) -> EngineName:
        """Who is to do the work: the one that was asked for, or the first of the tool's order. Raises InvalidJob."""
        name = self.engines_of(tool.id)[0] if asked == "auto" else asked
        if name == LOCAL and (fault := self.lacks(tool)):
            raise InvalidJob.at("engine", "engine_unavailable", fault)
        if name == LOCAL:
            return EngineName(tool.engine_name, tool.engine_version)
        if name not in self.engines_of(tool.id):
            raise InvalidJob.at("engine", "engine_unknown", f"{tool.title} has no engine with this name.")
        return EngineName(name, self.providers[name].models[tool.id])

    def local_engine_of(self, tool_id: str) -> EngineName:
        """For a tool that runs here; raises KeyError for any other."""
        tool = self.shipped.get(tool_id) or self.extra[tool_id]
        return EngineName(tool.engine_name, tool.engine_version)

    def engines_of(self, tool_id: str) -> Sequence[str]:
        return self.engines.get(tool_id) or (LOCAL,)

    def lane_of(self, tool: Tool, engine: EngineName) -> str:
        return REMOTE if engine.provider in self.providers else tool.lane


def is_available(tool: Tool) -> bool:
    """Whether the tool can run here now: its packages may still be on their way."""
    return lacks(tool) is None


def lacks(tool: Tool) -> str | None:
    """Why the tool can't run here now, for users; None when it can."""
    return extras.lacks(tool.parts) if tool.needs_extras else None


def open_catalogue(
    extra_module: str,
    providers: Mapping[str, ProviderConfig] = MappingProxyType({}),
    engines: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Catalogue:
    extra = importlib.import_module(extra_module).TOOLS if extra_module else {}
    return Catalogue(extra=extra, providers=providers, engines=engines)


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that the tool can do: its options complete, its units and expected seconds known."""

    tool: Tool
    options: dict[str, Any]
    units: dict[str, int]
    est_seconds: float
    engine: EngineName
    lane: str


def plan_work(tool: Tool, prompt: str | None, options: dict[str, Any], inputs: int) -> Plan:
    """Check a request against its tool before anything is written. Raises InvalidJob, with the fields it is about."""
    if inputs > tool.accepts_inputs:
        raise InvalidJob.at("input_files", "too_many", f"{tool.title} takes at most {tool.accepts_inputs} files.")
    if tool.needs_prompt and not (prompt or "").strip():
        raise InvalidJob.at("prompt", "missing", f"{tool.title} needs a prompt.")
    chosen = _options_of(tool, options)
    try:
        tool.check(prompt, chosen, inputs)
    except InvalidInput as refused:
        raise _refusal(refused) from refused
    units = _counted(tool.units(chosen))
    local = EngineName(tool.engine_name, tool.engine_version)
    return Plan(tool, chosen.model_dump(mode="json"), units, tool.est_seconds(chosen), local, tool.lane)


def price(plan: Plan, prompt: str | None, media: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan with what this very request costs, where its tool can tell. Raises InvalidJob for what is too much."""
    if plan.tool.quote is None:
        return plan
    try:
        quote = plan.tool.quote(prompt, plan.tool.options.model_validate(plan.options), media)
    except InvalidInput as refused:
        raise _refusal(refused) from refused
    return replace(plan, units=_counted(quote.units), est_seconds=quote.seconds)


def _counted(units: Mapping[str, int]) -> dict[str, int]:
    return {metric: amount for metric, amount in units.items() if amount > 0}


def _refusal(refused: InvalidInput) -> Problem:
    # Too long a prompt is a field's fault, not a body's size.
    problem = media_refused("INVALID_INPUT", refused.message)
    problem.errors = [{"field": refused.field, "code": refused.code.lower(), "detail": refused.message}]
    return problem


def _options_of(tool: Tool, options: dict[str, Any]) -> BaseModel:
    try:
        return tool.options.model_validate(options)
    except ValidationError as error:
        found = field_errors("options", readable(error.errors(include_url=False)))
        raise InvalidJob("The options are not valid for this tool.", errors=found) from error


class Engine(BaseModel):
    name: str
    version: str
    available: bool


class ToolRead(BaseModel):
    """An entry of the catalogue. `units` is the cost with default options; `options_schema` is JSON Schema."""

    model_config = ConfigDict(json_schema_extra={"description": "A tool and what it takes."})

    id: str
    family: str
    title: str
    description: str
    kind: str
    available: bool
    reason: str | None = None
    options_schema: dict[str, Any]
    engines: list[Engine]
    units: dict[str, int]
    accepts_inputs: int
    needs_prompt: bool


def entries(catalogue: Catalogue) -> list[ToolRead]:
    """What is shown to users, be it available yet or not."""
    return [_shown(catalogue, tool) for tool in catalogue.shipped.values()]


def _shown(catalogue: Catalogue, tool: Tool) -> ToolRead:
    engines = [_engine(catalogue, tool, name) for name in catalogue.engines_of(tool.id)]
    available = any(engine.available for engine in engines)
    return ToolRead(
        id=tool.id,
        family=tool.family,
        title=tool.title,
        description=tool.description,
        kind=tool.kind,
        available=available,
        reason=None if available else catalogue.lacks(tool),
        options_schema=tool.options.model_json_schema(),
        engines=engines,
        units=tool.units(tool.options()),
        accepts_inputs=tool.accepts_inputs,
        needs_prompt=tool.needs_prompt,
    )


def _engine(catalogue: Catalogue, tool: Tool, name: str) -> Engine:
    if name == LOCAL:
        return Engine(name=tool.engine_name, version=tool.engine_version, available=catalogue.lacks(tool) is None)
    engine = catalogue.choose_engine(tool, name)
    return Engine(name=engine.provider, version=engine.version, available=True)
