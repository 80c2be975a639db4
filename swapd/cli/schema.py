"""``swapd schema``: the JSON Schema of the config, by which editors complete and check it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from swapd.cli.console import Bit, stderr, stdout
from swapd.cli.failure import BadConfig, Failed
from swapd.cli.putting import put
from swapd.cli.target import config_option
from swapd.config import ConfigNotFound, find_config
from swapd.config.jsonschema import FILE, MODELINE, json_schema


@click.command("schema")
@config_option
@click.option("--write", is_flag=True, help=f"Put it beside the config, as {FILE}.")
def verb(config: str | None, write: bool) -> None:
    """Print the JSON Schema of the config (draft 2020-12): every key, what it is for, and what it may be."""
    if not write:
        stdout().json(json_schema())
        return
    try:
        path = find_config(config, os.environ, Path.cwd())
    except ConfigNotFound as error:
        raise BadConfig(str(error)) from None
    written = write_schema(path.parent)
    stdout().line(str(written))
    if not _names_it(path):
        stderr().bits(Bit("for editors, make this the first line of the config: ", "dim"), Bit(f"# {MODELINE}"))


def write_schema(folder: Path) -> Path:
    """Write it into a folder, over an older one. Raises Failed."""
    path = folder / FILE
    try:
        put(path, json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", over=True)
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror or error}") from None
    return path


def _names_it(path: Path) -> bool:
    try:
        with path.open(errors="replace") as file:
            return "yaml-language-server" in file.read(4096)
    except OSError:
        return True  # nobody edits what is not there
