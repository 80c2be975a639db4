"""Which server a command line or an image starts, as far as its name tells.

Names, ports and flags from their documentation: llama.cpp ("docker"), vLLM ("Deployment: Using Docker"), SGLang
("Install"), Text Generation Inference and Text Embeddings Inference ("Quick tour"), Ollama ("Docker"), LocalAI
("Containers").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

LLAMA_SERVER = "llama-server"


@dataclass(frozen=True, slots=True)
class Server:
    """One kind of server. ``engine``: its name in ``core.kinds``; empty where it has none there."""

    engine: str
    port: int
    """Where it listens if nobody says."""
    images: tuple[str, ...]
    """What an image's name holds."""
    words: tuple[str, ...] = ()
    """What one of the first words of its command line is, or ends with."""
    names: tuple[str, ...] = ("--served-model-name", "--model-path", "--model", "--model-id")
    """Flags that tell the name it goes by, the best first."""
    capabilities: tuple[str, ...] = ()


SERVERS = (
    Server("llama.cpp", 8080, ("llama.cpp:server", "llama.cpp:full", "llama-server", "llamacpp"), (LLAMA_SERVER,)),
    Server("vllm", 8000, ("vllm",), ("vllm", "vllm.entrypoints.openai.api_server")),
    Server("sglang", 30000, ("sglang",), ("sglang.launch_server", "sglang")),
    Server("", 80, ("text-embeddings-inference",), ("text-embeddings-router",), (), ("embeddings", "rerank")),
    Server("tgi", 80, ("text-generation-inference",), ("text-generation-launcher",)),
    Server("ollama", 11434, ("ollama/ollama", "ollama:"), ("ollama",), ()),
    Server("localai", 8080, ("localai", "local-ai"), ("local-ai",), ()),
)
_SPEAK_OF = "echo printf grep pgrep pkill killall ps tail cat rm cp ln tee docker podman nerdctl"
"""Programs that name a server and start none."""
_ASIDE = "-h --help --version --list-devices --cache-list pull push rm list install uninstall bench"
"""Words with which a server's program serves nothing."""
_SERVING = "serve -m --model -hf --hf-repo --model-id --model-path --models-dir --port"
"""Words by which a line starts a server though another program stands first."""
_LOOKED_AT = 8
"""Words of a command line, from the left, that may name the program: ``uv run python -m vllm...``."""


def of_image(image: str) -> Server | None:
    """The server in a container image."""
    name = image.lower()
    return next((server for server in SERVERS if any(part in name for part in server.images)), None)


def of_command(words: Sequence[str]) -> Server | None:
    """The server that a command line starts."""
    for word in words[:_LOOKED_AT]:
        found = next((server for server in SERVERS if _is(word, server)), None)
        if found is not None:
            return found
    return None


def _is(word: str, server: Server) -> bool:
    name = PurePath(word).name
    return name in server.words or (server.words == (LLAMA_SERVER,) and LLAMA_SERVER in name and " " not in name)


def starts(words: Sequence[str]) -> bool:
    """Whether a command of a script starts a server, and does not only speak of one."""
    server = of_command(words)
    if server is None or PurePath(words[0]).name in _SPEAK_OF.split() or set(_ASIDE.split()).intersection(words):
        return False
    if server.engine in ("ollama", "vllm") and _is(words[0], server):
        return "serve" in words
    flags = {word.partition("=")[0] for word in words}
    return _is(words[0], server) or bool(flags.intersection(_SERVING.split()))


def is_llama_server(words: Sequence[str]) -> bool:
    """Whether the program itself is a llama-server, so that its line may be said in keys."""
    return bool(words) and LLAMA_SERVER in PurePath(words[0]).name


def served_name(server: Server, words: Sequence[str]) -> str:
    """The name by which it knows its model; empty where the line does not say."""
    for flag in server.names:
        for n, word in enumerate(words):
            if word == flag:
                return "".join(words[n + 1 : n + 2])
            if word.startswith(f"{flag}="):
                return word.partition("=")[2]
    positional = list(words).index("serve") + 1 if server.engine == "vllm" and "serve" in words else 0
    name = "".join(words[positional : positional + 1]) if positional else ""
    return "" if name.startswith("-") else name
