"""The porch: a module a verb, or a room of its own for a large one. A verb is imported when it is called.

A verb that asks a daemon finds it by ``target`` and talks to it through ``client``, over what ``connect``
connects; ``console`` prints, ``words`` are for amounts and ages, ``failure`` is how it ends badly. Several verbs
want a config ``reading``, models ``weighed``, files ``putting`` in place, a ``tiny_model``. ``leftovers`` are what
``reap`` looks for.
"""

from __future__ import annotations

import os
from importlib import import_module

import click

from swapd import __version__
from swapd.lasting import lasting

VERBS = {
    "serve": "Run the daemon.",
    "check": "Print all problems of the config, or every model's command line.",
    "status": "Show what runs, what waits and what failed (also: ps).",
    "top": "Watch it live; load, unload, pin and read logs by keys.",
    "load": "Bring a model up, whatever failed before.",
    "unload": "Drain a model and stop its engine.",
    "pin": "Load a model and keep it, until it is unpinned.",
    "unpin": "Let a pinned model go as any other does.",
    "reload": "Read the config again and say what changed.",
    "reap": "End the engines that a dead daemon has left.",
    "logs": "Print what a model's engines wrote.",
    "explain": "Say why a model is, or is not, up, and when those who wait are served.",
    "events": "Show what happens and is decided, as it does.",
    "simulate": "Play a trace on a virtual clock: loads and waits of this policy and others.",
    "bench": "Load-test a server, or several side by side: latencies, throughput, the cost of a swap.",
    "scan": "Find model files, and write a config for them.",
    "import": "Carry over what another tool is configured with.",
    "schema": "Print the JSON Schema of the config, for editors.",
    "key": "Make a key for a client.",
    "service": "Make swapd a service of systemd, look at it, or undo that.",
    "demo": "See it work: three models take turns, here and now.",
    "version": "Print versions, and the engine found.",
}
"""Verb -> its line in ``--help``; the module of the same name holds its command as ``verb``."""
ALSO = {"ps": "status"}
MODULES = {"import": "importing"}
"""The verbs whose module cannot have their name."""
STDERR = 2
"""The number of the last standard stream."""
INTERRUPTED = 130
"""The exit code that shells know for Ctrl-C."""


class Verbs(click.Group):
    """Knows its commands by name; loads one only when it is called."""

    def __init__(self) -> None:
        stubs: dict[str, click.Command] = {
            name: click.Command(name, short_help=help) for name, help in VERBS.items()
        }
        hidden: dict[str, click.Command] = {name: click.Command(name, hidden=True) for name in ALSO}
        super().__init__(
            "swapd",
            commands=stubs | hidden,
            help="One GPU box, many models, one URL. New here? Try `swapd demo`.",
            epilog='Completion: eval "$(_SWAPD_COMPLETE=bash_source swapd)", or zsh_source, fish_source.',
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order one meets them."""
        return list(VERBS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The real command instead of its stub."""
        name, stub, rest = super().resolve_command(ctx, args)
        if name is None or stub is None:
            return name, stub, rest
        with lasting():
            module = ALSO.get(name, MODULES.get(name, name))
            return name, import_module(f"swapd.cli.{module}").verb, rest

    def invoke(self, ctx: click.Context) -> object:
        """Ctrl-C ends quietly."""
        _fill_standard_streams()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            return ctx.exit(INTERRUPTED)


def _fill_standard_streams() -> None:
    """Where the parent closed one of them, the next file or socket that is opened would take its number.

    What is meant for a stream would go there then; and libuv aborts when it closes a socket of such a number.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(fd, True)
    os.close(fd)


main = click.version_option(__version__, prog_name="swapd", message="%(prog)s %(version)s")(Verbs())
