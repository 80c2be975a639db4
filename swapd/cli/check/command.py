"""``swapd check``: what the daemon would make of the config, without starting anything."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from swapd.cli.check.findings import NOTHING, More
from swapd.cli.console import Bit, Console, stdout
from swapd.cli.reading import read
from swapd.cli.target import config_option, json_option
from swapd.cli.words import age, quantity, several
from swapd.config import Loaded
from swapd.core.spec import Pool

PORT = "<port>"
"""Stands for the port, which is picked when the engine starts."""


@click.command("check")
@config_option
@click.option("--strict", is_flag=True, help="Exit 1 if there are warnings.")
@json_option
@click.pass_context
def verb(ctx: click.Context, config: str | None, strict: bool, as_json: bool) -> None:
    """Print all problems of the config (exit 2), or every model's resolved command line.

    A missing model file or engine is only a warning: the daemon serves the rest.
    """
    path, loaded = read(config)
    models: list[dict[str, Any]] = []
    more = NOTHING
    if loaded.catalog is not None and loaded.settings is not None and not loaded.problems:
        # What looks at the machine takes its time: a config with problems need not wait for that.
        from swapd.cli.check.described import describe  # noqa: PLC0415
        from swapd.cli.check.inspected import inspect  # noqa: PLC0415

        models, together = describe(loaded.catalog, loaded.settings.state_dir, PORT)
        more = More(together.lines(), inspect(path, loaded, models))
    if as_json:
        stdout().json(as_data(loaded, models, more))
    else:
        show(stdout(), path, loaded, models, more)
    if loaded.problems:
        ctx.exit(2)
    ctx.exit(1 if strict and (loaded.warnings or _hopeless(models) or more.warnings) else 0)


def _hopeless(models: list[dict[str, Any]]) -> list[str]:
    """Those whose file is none, or that can never fit here; what the config alone tells is among its warnings."""
    large = [model["name"] for model in models if model["never_fits"] and model["source"] != "operator"]
    return large + [model["name"] for model in models if model["broken"]]


def as_data(loaded: Loaded, models: list[dict[str, Any]], more: More) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "files": [str(file) for file in loaded.files],
        "problems": [
            {"file": p.file, "line": p.line, "column": p.column, "key": p.key, "message": p.message}
            for p in loaded.problems
        ],
        "warnings": [str(warning) for warning in loaded.warnings],
        "models": models,
        "pools": [
            {"name": pool.name, "models": list(pool.models), "choose": pool.choose} for pool in _pools(loaded)
        ],
        **more.as_data(),
    }


def show(console: Console, path: Path, loaded: Loaded, models: list[dict[str, Any]], more: More) -> None:
    """All of it for people."""
    for problem in loaded.problems:
        console.bits(Bit(f"{problem.file}:{problem.line}:{problem.column}:", "bold"), _rest(str(problem)))
    for model in models:
        _show_model(console, model)
    for pool in _pools(loaded):
        console.line(pool.name, style="bold")
        console.copyable(Bit("  pool     ", "dim"), Bit(f"{', '.join(pool.models)} (choose: {pool.choose})"))
        console.line()
    for sentence in more.together:
        console.bits(Bit("memory: ", "dim"), Bit(sentence))
    for finding in more.findings:
        kind = Bit("note: ", "dim") if finding.note else Bit("warning: ", "yellow")
        console.bits(kind, Bit(f"{finding.about}: {finding.text}"))
    for warning in loaded.warnings:
        console.bits(Bit("warning: ", "yellow"), Bit(str(warning)))
    if loaded.problems:
        console.line(f"{path}: {several(len(loaded.problems), 'problem')}", style="bold red")
        return
    warnings = len(loaded.warnings) + len(_hopeless(models)) + len(more.warnings)
    but = f", {several(warnings, 'warning')}" if warnings else ""
    console.line(f"{path} is good: {_counts(loaded, models)}{but}", style="yellow" if but else "green")


def _counts(loaded: Loaded, models: list[dict[str, Any]]) -> str:
    counts = [several(len(models), "model"), several(sum(len(m["aliases"]) for m in models), "alias")]
    if pools := _pools(loaded):
        counts.append(several(len(pools), "pool"))
    if loaded.settings is not None and loaded.settings.clients is not None:
        counts.append(several(len(loaded.settings.clients), "client"))
    return ", ".join(counts)


def _pools(loaded: Loaded) -> list[Pool]:
    return list(loaded.catalog.pools.values()) if loaded.catalog is not None else []


def _rest(problem: str) -> Bit:
    """The text of a problem behind ``file:line:column:``."""
    return Bit(problem.split(":", 3)[3] if problem.count(":") > 2 else problem)


def _show_model(console: Console, model: dict[str, Any]) -> None:
    # The port is no literal: without quotes around it the line reads, and pastes, better.
    command = shlex.join(model["command"]).replace(f"'{PORT}'", PORT)
    stays = "pinned" if model["pinned"] else age(model["ttl"]) if model["ttl"] is not None else "never"
    facts = {
        "command": command,
        "url": f"{model['url']} ({model['engine']})" if model["url"] else "",
        "aliases": ", ".join(model["aliases"]),
        "needs": ", ".join(f"{name} {quantity(amount)}" for name, amount in model["needs"].items()),
        "memory": model["memory"],
        "ttl": stays + (" (preloaded)" if model["preload"] and not model["pinned"] else ""),
    }
    console.line(model["name"], style="bold")
    for name, fact in facts.items():
        if fact:
            console.copyable(Bit(f"  {name:<9}", "dim"), Bit(fact))
    if _hopeless([model]):
        why = "no engine can load its file: fetch it again, or mend the path"
        told = why if model["broken"] else f"it can never fit: {model['never_fits']}"
        console.copyable(Bit("  warning  ", "yellow"), Bit(told))
    console.line()
