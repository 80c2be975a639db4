"""What a model's keys must be to each other; each rule is one small function of the visible list."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from swapd.config import llamacpp
from swapd.config.drafts import Draft
from swapd.config.problems import Problems
from swapd.config.schema import DESCRIBED, OF_PROCESS, Model
from swapd.config.sources import items
from swapd.core.kinds import LLAMA_CPP

_ORIGINS = ("path", "command", "url", "hf")


def check(draft: Draft, problems: Problems, warnings: Problems) -> None:
    """Apply every rule to a model."""
    if not draft.sound:
        _check(draft, problems)
    _pinned_has_no_ttl(draft, warnings)


def _check(draft: Draft, problems: Problems) -> None:
    _has_one_origin(draft, problems)
    _says_what_it_can(draft, problems)
    if draft.remote:
        _is_no_process(draft, problems)
        return
    if draft.raw:
        _command_describes_itself(draft, problems)
        _command_takes_its_place(draft, problems)
        _binary_comes_first(draft, problems)
    else:
        _path_is_for_llama_cpp(draft, problems)
        _auto_is_no_device_among_others(draft, problems)
        _place_is_the_one_chosen(draft, problems)
    _args_repeat_nothing(draft, problems)
    _variables_have_names(draft, problems)


def _has_one_origin(draft: Draft, problems: Problems) -> None:
    given = [key for key in _ORIGINS if key in draft.given.entries]
    if not given and not _misspelt_origin(draft):
        message = (
            "says neither 'path' (a GGUF file) nor 'command' (what starts its engine) nor 'url' (where it runs): "
            "give one"
        )
        problems.add(draft.named, draft.path(), message)
    for second in [key for key in given[1:] if key != "hf"]:
        message = f"stands beside '{given[0]}': a model has one or the other, remove one"
        problems.add(draft.place(second), draft.path(second), message)


def _misspelt_origin(draft: Draft) -> bool:
    """Whether a key is told already as a misspelling of what is missing here: one mistake, one problem."""
    return any(
        get_close_matches(key, _ORIGINS) for key in draft.given.entries if key not in Model.__struct_fields__
    )


def _says_what_it_can(draft: Draft, problems: Problems) -> None:
    if draft.keys.capabilities == ():
        message = "names nothing: remove it, or name what may be asked"
        problems.add(draft.place("capabilities"), draft.path("capabilities"), message)


def _is_no_process(draft: Draft, problems: Problems) -> None:
    for key, entry in draft.tree.entries.items():
        if key in OF_PROCESS:
            message = (
                "has no effect beside 'url': swapd neither starts nor stops what somebody else runs; remove it"
            )
            problems.add(entry.key.place, draft.path(key), message)


def _path_is_for_llama_cpp(draft: Draft, problems: Problems) -> None:
    kind = draft.keys.engine
    if "path" in draft.tree.entries and kind != LLAMA_CPP:
        message = f"'{kind}' cannot be started from a 'path': give the 'command' that starts it, or its 'url'"
        problems.add(draft.place("engine"), draft.path("engine"), message)


def _command_describes_itself(draft: Draft, problems: Problems) -> None:
    for key, entry in draft.tree.entries.items():
        if key in DESCRIBED:
            message = "has no effect beside 'command': write it as a flag into the command"
            problems.add(entry.key.place, draft.path(key), message)


def _command_takes_its_place(draft: Draft, problems: Problems) -> None:
    told = (*draft.keys.command, *draft.keys.env.values())
    port, socket = _says(told, llamacpp.PORT), _says(told, llamacpp.SOCKET)
    if draft.keys.command and not (port or socket):
        message = (
            "never says '${port}': swapd chooses a free port for each start, so add '--port ${port}', "
            "or '--host ${socket}' if the engine can listen on a Unix socket"
        )
        problems.add(draft.place("command"), draft.path("command"), message)
    elif port and socket:
        message = "says '${port}' and '${socket}': an engine listens on one of them, remove the other"
        problems.add(draft.place("command"), draft.path("command"), message)
    elif port or socket:
        has, lacks = (llamacpp.PORT, llamacpp.SOCKET) if port else (llamacpp.SOCKET, llamacpp.PORT)
        if _says(draft.keys.stop, lacks):
            message = f"says '{lacks}', which has no value where the engine listens on '{has}': write that instead"
            problems.add(draft.place("stop"), draft.path("stop"), message)


def _says(words: Iterable[str], name: str) -> bool:
    return any(name in word for word in words)


def _place_is_the_one_chosen(draft: Draft, problems: Problems) -> None:
    """Of a described model: only one of the two has a value."""
    other = llamacpp.PORT if draft.keys.socket == "unix" else llamacpp.SOCKET
    for key, told in (("args", draft.keys.args), ("env", draft.keys.env.values()), ("stop", draft.keys.stop)):
        if _says(told, other):
            message = f"says '{other}', which has no value with 'socket: {draft.keys.socket}': remove one of them"
            problems.add(draft.place(key), draft.path(key), message)


def _binary_comes_first(draft: Draft, problems: Problems) -> None:
    command = draft.keys.command
    arguments = command[1:] if command[:1] == (llamacpp.BINARY,) else command
    if any(llamacpp.BINARY in word for word in arguments):
        message = "'${binary}' can only be the first word of a command, alone"
        problems.add(draft.place("command"), draft.path("command"), message)


def _auto_is_no_device_among_others(draft: Draft, problems: Problems) -> None:
    if len(draft.keys.device) > 1:
        for place, name in zip(items(draft.tree.get("device")), draft.keys.device, strict=True):
            if name == "auto":
                message = "'auto' cannot stand beside other names: with it alone swapd chooses, else remove it"
                problems.add(place.place, draft.path("device"), message)


def _args_repeat_nothing(draft: Draft, problems: Problems) -> None:
    places = [item.place for item in items(draft.tree.get("args"))]
    for n, flag, instead in llamacpp.repeated(draft.keys.args):
        problems.add(places[n], draft.path(f"args[{n}]"), f"'{flag}' cannot be set here: {instead}")


def _variables_have_names(draft: Draft, problems: Problems) -> None:
    for name in draft.keys.env:
        if not name or "=" in name:
            message = f"'{name}' cannot be the name of a variable: it is a word without '='"
            problems.add(draft.place("env"), draft.path(f"env.{name}"), message)


def _pinned_has_no_ttl(draft: Draft, warnings: Problems) -> None:
    keys = draft.keys
    if keys.pinned and keys.ttl is not None and "ttl" in draft.given.entries:
        warnings.add(draft.place("ttl"), draft.path("ttl"), "has no effect: a pinned model stays; remove one")
