"""``swapd key``: a fresh key for a client."""

from __future__ import annotations

import json
import re
import secrets

import click

from swapd.cli.console import Bit, Console, stdout

PREFIX = "sk-swapd-"
RANDOM_BYTES = 24
"""In base64 they are 32 characters, with nothing left over."""
_PLAIN_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)


@click.command("key")
@click.argument("name", default="client")
def verb(name: str) -> None:
    """Make a key for a client. It is kept nowhere: put it into the config, or into a file for `key_file`.

    In a pipe just the key is printed; on a terminal also the lines for the config, for a client called NAME.
    """
    show(stdout(), name, fresh_key())


def fresh_key() -> str:
    """A key that nobody has."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def show(console: Console, name: str, key: str) -> None:
    """The key; for people also what to do with it."""
    console.copyable(Bit(key, "bold"))
    if console.terminal:
        written = name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)
        console.line()
        console.line("For swapd.yaml, which others should not be able to read then:", style="dim")
        console.copyable(Bit("clients:"))
        console.copyable(Bit(f'  {written}: {{key: "{key}"}}'))
