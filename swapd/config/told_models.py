"""The keys of a model in words, and of the sections within one: the texts of the schema and of the README."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """What a key is for, in Markdown, and what it is where nobody says it."""

    what: str
    default: Any = None
    """As it would be written in YAML; None where it is not set, or no value can say it."""
    words: str | None = None
    """What the README says of the default, where that is more than the default itself."""
    examples: tuple[Any, ...] = ()
    listed: bool = True
    """Whether it has a line of its own in the README."""


MODEL: dict[str, Key] = {
    "path": Key("a GGUF file: swapd writes the llama-server command line"),
    "command": Key(
        "or a command line of your own with `${port}` (or `--host ${socket}`); split like a shell does, "
        "run without one",
    ),
    "url": Key(
        "or where somebody else runs the engine: `http://192.168.1.20:1234`, `https://host/openai/v1`; see below",
    ),
    "api_key": Key(
        "the engine's own key; sent to it and to nobody else, never shown, inherited from nowhere; best "
        "as `${env.SWAPD_…}`: engines started here inherit no such variable",
    ),
    "binary": Key("which llama-server, for `path`", "auto"),
    "socket": Key(
        "for `path`: `unix` = the engine listens on a Unix socket in a folder of swapd's own, instead of "
        "on a loopback port",
        "tcp",
    ),
    "engine": Key("the kind of engine, for a `command` or a `url`; see below", "llama.cpp"),
    "capabilities": Key(
        "what may be asked of it: `[chat, tools]`; anything else is a 501 that starts nothing",
        words="as `engine` and its flags say",
    ),
    "gpu_layers": Key("number, `all`, or `auto`: llama.cpp fits it to the free memory", "auto"),
    "threads": Key(
        "CPU threads; `auto` shares the physical cores among the models on the CPU that fit together",
        "auto",
    ),
    "threads_batch": Key("CPU threads for prompts"),
    "context": Key("context size in tokens"),
    "batch": Key("logical batch size"),
    "ubatch": Key("physical batch size; for embeddings and rerank it follows `batch`"),
    "parallel": Key("slots: requests computed at once", 1),
    "device": Key(
        "`[CUDA0]`, …; `auto`: swapd places it; unset: all GPUs, as llama.cpp does", examples=("auto", ["CUDA0"])
    ),
    "embeddings": Key("serve `/v1/embeddings`", False),
    "reranking": Key("serve `/v1/rerank`", False),
    "mmproj": Key("projector file, for images"),
    "draft": Key("draft model file, for speculative decoding"),
    "lora": Key("adapter file or list"),
    "args": Key("more flags, last"),
    "aliases": Key(
        "other names: a list, or `name: {set, default, strip}` with request edits of their own",
    ),
    "needs": Key(
        "what an engine of it takes: `{CUDA0: 9GiB, big: 1}`",
        words="estimated, then learned",
    ),
    "ttl": Key("idle time after which the engine is stopped, or `never`", "10m"),
    "pinned": Key("always up, never evicted", False),
    "preload": Key("up at start", False),
    "priority": Key("higher is served sooner", 0),
    "concurrency": Key(
        "requests passed on at once; for a `command` its `-np`, else 4; for a `url` 16",
        words="`parallel`",
    ),
    "env": Key("variables for the engine; swapd's own `LLAMA_*` are not inherited"),
    "cwd": Key("working folder"),
    "health": Key(
        "path that answers 200 when ready; other kinds of engines have others, see below",
        words="`/health`",
    ),
    "stop": Key("a command run before SIGTERM (`docker stop …`)"),
    "start_timeout": Key(
        "until ready, in all; a load that does nothing at all for 2 minutes is given up sooner; for a `url` 30s",
        words="`10m`",
    ),
    "stop_grace": Key(
        "between SIGTERM and SIGKILL; other kinds of engines have longer, see below",
        words="`10s`",
    ),
    "drain": Key("how long running requests may finish when an engine must go", "30s"),
    "restart": Key(
        "of an engine that crashed: `auto` = a pinned or preloaded one comes back by itself, any other "
        "with the next request; `always` = each does; `never` = it rests until it is loaded by hand or "
        "its launch is edited",
        "auto",
    ),
    "nice": Key(
        "-20 to 19: higher yields the CPUs to others; below swapd's own only with the right to it (`LimitNICE=`)",
        words="as swapd's own",
    ),
    "cpus": Key(
        'the CPUs it may run on, with all its threads: `"0-3,8"` or `[0-3, 8]`; `threads: auto` is its '
        "share of these",
        words="all",
    ),
    "oom_score_adj": Key(
        "-1000 to 1000: higher is killed sooner when memory runs out; lower than it was only with the "
        "right to it (`CAP_SYS_RESOURCE`)",
        words="`0`, or swapd's own if that is higher",
    ),
    "umask": Key("of the files it makes, in octal: `0027`", words="as swapd's own"),
    "timeouts": Key(
        "the proxy's patience with the engine; `routes: {embeddings: {first_byte: 20s}}` has some of "
        "their own for `chat`, `completions`, `embeddings`, `rerank`, `responses`, `messages`, "
        "`moderations`, `audio`, `images`, `tokenize` or `native` (llama-server's own)",
    ),
    "retry": Key(
        "when an engine dies before its first byte, or says 503: it loads; each pause is twice the last, ± 25 %",
    ),
    "request": Key("`{set, default, strip}`: edits to every request's JSON"),
    "upstream_model": Key(
        "the name the engine knows; another kind than llama.cpp, or one at a `url`, is told the model's own",
    ),
    "strict_json": Key(
        "refuse (400) a request with half a surrogate pair or bytes that are not UTF-8, instead of "
        "sending it on with U+FFFD there",
        False,
    ),
    "unlisted": Key("not shown in `/v1/models`", False),
    "description": Key("a text that `/v1/models` shows"),
    "metadata": Key("data of yours that `/v1/models` shows"),
}

WAITS: dict[str, Key] = {
    "connect": Key("until the engine takes the connection; `never` for no bound", "5s"),
    "first_byte": Key("until its answer begins, so the prompt's computing is in it; `never` for no bound", "5m"),
    "idle": Key("between two pieces of its answer; `never` for no bound", "2m"),
    "total": Key("for the whole answer; `never` for no bound", "never"),
}
ROUTES: dict[str, Key] = {
    route: Key(f"the same bounds, for {what} alone; what is not said here is as for all", listed=False)
    for route, what in {
        "chat": "`/v1/chat/completions`",
        "completions": "`/v1/completions`",
        "embeddings": "embeddings",
        "rerank": "reranking",
        "responses": "`/v1/responses`",
        "messages": "`/v1/messages`",
        "moderations": "`/v1/moderations`",
        "audio": "speech and transcription",
        "images": "images",
        "tokenize": "tokenizing",
        "native": "llama-server's own routes",
    }.items()
}
RETRY: dict[str, Key] = {
    "attempts": Key("further tries after a failure before the engine's first byte", 1),
    "backoff": Key("the first pause; each is twice the last, ± 25 %", "250ms"),
}
EDITS: dict[str, Key] = {
    "set": Key("keys of the request's JSON that are put in whatever the client said: `{temperature: 0}`"),
    "default": Key("keys that are put in where the client did not say them"),
    "strip": Key("names of keys that are taken out: `[logit_bias]`"),
}
