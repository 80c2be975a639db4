"""``swapd check``: what the daemon would make of the config, without starting anything."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import click

from swapd.cli.console import Bit, Console, stdout
from swapd.cli.reading import read
from swapd.cli.target import config_option, json_option
from swapd.cli.weighed import Verdict, weigh
from swapd.cli.words import age, quantity, several
from swapd.config import Loaded
from swapd.core.spec import Catalog, Spec
from swapd.engines.binaries import find_binary
from swapd.engines.resolve import resolve, threads

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
    models = []
    if loaded.catalog is not None and loaded.settings is not None and not loaded.problems:
        models = describe(loaded.catalog, loaded.settings.state_dir)
    if as_json:
        stdout().json(as_data(loaded, models))
    else:
        show(stdout(), path, loaded, models)
    if loaded.problems:
        ctx.exit(2)
    ctx.exit(1 if strict and (loaded.warnings or _hopeless(models)) else 0)


def _hopeless(models: list[dict[str, Any]]) -> list[str]:
    """Those whose file is none, or that can never fit here; what the config alone tells is among its warnings."""
    large = [model["name"] for model in models if model["never_fits"] and model["source"] != "operator"]
    return large + [model["name"] for model in models if model["broken"]]


def describe(catalog: Catalog, state_dir: str) -> list[dict[str, Any]]:
    """Each model as data; ``command`` is the argv with everything resolved but the port."""
    verdicts = weigh(catalog, state_dir)
    aliases: dict[str, list[str]] = {name: [] for name in catalog.models}
    for alias in catalog.aliases.values():
        aliases[alias.model].append(alias.name)
    binary = find_binary(os.environ) or "llama-server"
    values = {"binary": binary, "host": "127.0.0.1", "port": PORT, "threads": str(threads())}
    return [_model(spec, aliases[name], values, verdicts[name]) for name, spec in catalog.models.items()]


def _model(spec: Spec, aliases: list[str], values: dict[str, str], verdict: Verdict) -> dict[str, Any]:
    stay = spec.terms.stay
    return {
        "name": spec.name,
        "aliases": aliases,
        "command": list(resolve(spec.launch, values)),
        "needs": dict(spec.terms.cost),
        "memory": str(verdict),
        "cost": dict(verdict.cost),
        "source": verdict.need.source.name.lower(),
        "never_fits": verdict.never,
        "broken": verdict.need.broken,
        "ttl": None if stay.pinned else stay.ttl,
        "concurrency": spec.terms.concurrency,
        "pinned": stay.pinned,
        "preload": stay.preload or stay.pinned,
    }


def as_data(loaded: Loaded, models: list[dict[str, Any]]) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "files": [str(file) for file in loaded.files],
        "problems": [
            {"file": p.file, "line": p.line, "column": p.column, "key": p.key, "message": p.message}
            for p in loaded.problems
        ],
        "warnings": [str(warning) for warning in loaded.warnings],
        "models": models,
    }


def show(console: Console, path: Path, loaded: Loaded, models: list[dict[str, Any]]) -> None:
    """All of it for people."""
    for problem in loaded.problems:
        console.bits(Bit(f"{problem.file}:{problem.line}:{problem.column}:", "bold"), _rest(str(problem)))
    for model in models:
        _show_model(console, model)
    for warning in loaded.warnings:
        console.bits(Bit("warning: ", "yellow"), Bit(str(warning)))
    if loaded.problems:
        console.line(f"{path}: {several(len(loaded.problems), 'problem')}", style="bold red")
        return
    count = f"{several(len(models), 'model')}, {several(sum(len(m['aliases']) for m in models), 'alias')}"
    warnings = len(loaded.warnings) + len(_hopeless(models))
    but = f", {several(warnings, 'warning')}" if warnings else ""
    console.line(f"{path} is good: {count}{but}", style="yellow" if but else "green")


def _rest(problem: str) -> Bit:
    """The text of a problem behind ``file:line:column:``."""
    return Bit(problem.split(":", 3)[3] if problem.count(":") > 2 else problem)


def _show_model(console: Console, model: dict[str, Any]) -> None:
    # The port is no literal: without quotes around it the line reads, and pastes, better.
    command = shlex.join(model["command"]).replace(f"'{PORT}'", PORT)
    stays = "pinned" if model["pinned"] else age(model["ttl"]) if model["ttl"] is not None else "never"
    facts = {
        "command": command,
        "aliases": ", ".join(model["aliases"]),
        "needs": ", ".join(f"{name} {quantity(amount)}" for name, amount in model["needs"].items()),
        "memory": model["memory"],
        "ttl": stays + (" (preloaded)" if model["preload"] and not model["pinned"] else ""),
    }
    console.line(model["name"], style="bold")
    for name, fact in facts.items():
        if fact:
            console.copyable(Bit(f"  {name:<9}", "dim"), Bit(fact))
    if model["never_fits"] and _hopeless([model]):
        console.copyable(Bit("  warning  ", "yellow"), Bit(f"it can never fit: {model['never_fits']}"))
    console.line()
