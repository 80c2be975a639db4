"""A described model as the command line of a ``llama-server``, and what such a line gives away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapd.config.schema import LlamaCpp

BINARY = "${binary}"
DEVICE = "${device}"
PORT, SOCKET = "${port}", "${socket}"
PARALLEL = ("-np", "--parallel")
CONTEXT = ("-c", "--ctx-size")

OWNED = {
    "--host": "swapd chooses it",
    "--port": "swapd chooses it",
    "-a": "it is the model's name",
    "--alias": "it is the model's name",
    "-m": "use 'path'",
    "--model": "use 'path'",
    "-np": "use 'parallel'",
    "--parallel": "use 'parallel'",
}
"""Flags that ``args`` must not repeat, and what to do instead."""


def argv(name: str, path: str, keys: LlamaCpp) -> tuple[str, ...]:
    """The command line. What only the engine room can know (core.spec.PLACEHOLDERS) is left open."""
    binary = BINARY if keys.binary == "auto" else keys.binary
    address = ("--host", SOCKET) if keys.socket == "unix" else ("--host", "${host}", "--port", PORT)
    return (binary, *address, "--metrics", "--alias", name, "-m", path, *_flags(keys), *keys.args)


def _flags(keys: LlamaCpp) -> Iterator[str]:
    ubatch = keys.ubatch
    if ubatch is None and (keys.embeddings or keys.reranking):
        ubatch = keys.batch  # an input that is embedded must fit into one physical batch
    yield from _valued("-ngl", keys.gpu_layers)
    yield from ("--threads", str(keys.threads or "${threads}"))
    yield from _valued("--threads-batch", keys.threads_batch)
    yield from _valued("-c", keys.context)
    yield from _valued("-b", keys.batch)
    yield from _valued("-ub", ubatch)
    yield from ("-np", str(keys.parallel))
    yield from _valued("--device", DEVICE if keys.device == ("auto",) else ",".join(keys.device) or None)
    yield from ["--embeddings"] * keys.embeddings
    yield from ["--reranking"] * keys.reranking
    yield from _valued("--mmproj", keys.mmproj)
    if keys.draft is not None:  # named alone, a draft model is not even loaded (b10434, b11549)
        yield from ("--model-draft", keys.draft, "--spec-type", "draft-simple")
    yield from _valued("--lora", ",".join(keys.lora) or None)  # said twice, only the last one would count


def _valued(flag: str, value: str | int | None) -> tuple[str, ...]:
    return () if value is None else (flag, str(value))


def repeated(args: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Those of ``args`` that swapd sets itself: the index, the flag, what to do instead."""
    for n, arg in enumerate(args):
        flag = arg.partition("=")[0]
        if flag in OWNED:
            yield n, flag, OWNED[flag]


def word_after(argv: Sequence[str], flags: Sequence[str]) -> str:
    """The word that follows the last of ``flags`` in a command line, or is joined to it by ``=``; else empty."""
    found = ""
    for n, word in enumerate(argv):
        flag, joined, value = word.partition("=")
        if flag in flags:
            found = value if joined else "".join(argv[n + 1 : n + 2])
    return found


def number_after(argv: Sequence[str], flags: Sequence[str]) -> int | None:
    """The same, where it is a positive number."""
    value = word_after(argv, flags)
    return int(value) if value.isdecimal() and int(value) > 0 else None
