"""llama-server's flags as a table: their names, what follows them, and what they set on xllamacpp's parameters.

A row leads from a flag to *settings*: field of ``CommonParams`` (dots go into its parts) -> value. Later flags
overwrite earlier ones. A test compares every name here with a true ``llama-server --help``, and every field with
xllamacpp, so that neither can rot unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from swapd.engines import llama_values as v

Settings = Mapping[str, object]

MODEL, MMPROJ, DRAFT = "model.path", "mmproj.path", "speculative.draft.mparams.path"
HOSTS, PORT = "hostnames", "port"
DEVICES, LORA_FILES = "DEVICES", "LORA_FILES"
"""Not fields of CommonParams: what the front looks after itself."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One row. ``settings`` takes the word after the flag ("" if it takes none); raises ValueError."""

    names: tuple[str, ...]
    metavar: str
    help: str
    settings: Callable[[str], Settings]

    @property
    def usage(self) -> str:
        """``-c, --ctx-size N``."""
        return f"{', '.join(self.names)} {self.metavar}".rstrip()


def takes(names: str, metavar: str, read: v.Read, *fields: str, help: str) -> Flag:
    """A flag with a value, read once and set on every field."""
    return Flag(tuple(names.split()), metavar, help, lambda word: dict.fromkeys(fields, read(word)))


def switch(names: str, settings: Settings, help: str) -> Flag:
    """A flag without a value."""
    return Flag(tuple(names.split()), "", help, lambda _: settings)


def _context(word: str) -> Settings:
    """An explicit 0 means the whole trained context: then fitting must not shrink it (-1: no lower bound)."""
    tokens = v.whole(word)
    return {"n_ctx": tokens} if tokens else {"n_ctx": 0, "fit_params_min_ctx": -1}


def _reasoning(word: str) -> Settings:
    return cast(Settings, v.one_of(_THINKING)(word))


def _lora(word: str) -> Settings:
    return {"lora_adapters": v.adapters(word), LORA_FILES: v.words(word)}


_CACHE_TYPE = v.member("ggml_type", "GGML_TYPE_", "f32 f16 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1")
_POOLING = v.member("llama_pooling_type", "LLAMA_POOLING_TYPE_", "none mean cls last rank")
_SPLIT = v.member("llama_split_mode", "LLAMA_SPLIT_MODE_", "none layer row tensor")
_ATTENTION = v.member("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_", "on=ENABLED off=DISABLED auto")
_ROPE = v.member("llama_rope_scaling_type", "LLAMA_ROPE_SCALING_TYPE_", "none linear yarn")
_LOADING = v.member(
    "llama_load_mode", "LLAMA_LOAD_MODE_", "auto none mmap mlock mmap+mlock=MMAP_MLOCK dio=DIRECT_IO"
)
_THOUGHTS = v.member("common_reasoning_format", "COMMON_REASONING_FORMAT_", "none auto deepseek deepseek-legacy")
_THINKING: Mapping[str, Settings] = {
    "on": {"enable_reasoning": 1, "default_template_kwargs": {"enable_thinking": "true"}},
    "off": {"enable_reasoning": 0, "default_template_kwargs": {"enable_thinking": "false"}},
    "auto": {"enable_reasoning": -1},
}
_RANKING = v.late_member("llama_pooling_type", "LLAMA_POOLING_TYPE_RANK")
_ON_OFF = v.one_of({"on": True, "off": False})

FLAGS: tuple[Flag, ...] = (
    # what is loaded
    takes("-m --model", "FILE", v.text, MODEL, help="the GGUF file to load"),
    takes("-mm --mmproj", "FILE", v.text, MMPROJ, help="its multimodal projector"),
    takes("-md --model-draft --spec-draft-model", "FILE", v.text, DRAFT, help="a small model that drafts for it"),
    Flag(("--lora",), "FILE,...", "LoRA adapters", _lora),
    switch("--lora-init-without-apply", {"lora_init_without_apply": True}, "load adapters, apply them on request"),
    takes("-a --alias", "NAME,...", v.names, "model_alias", help="the model's names in the API"),
    takes("--tags", "TAG,...", v.names, "model_tags", help="tags shown in the API"),
    takes("-lm --load-mode", "MODE", _LOADING, "load_mode", help="auto, none, mmap, mlock, mmap+mlock, dio"),
    switch("--check-tensors", {"check_tensors": True}, "look for invalid values while loading"),
    switch("--no-warmup", {"warmup": False}, "skip the empty first run"),
    switch("--warmup", {"warmup": True}, "do the empty first run (default)"),
    switch("--offline", {"offline": True}, "never touch the network"),
    # where it is computed
    takes(
        "-ngl --gpu-layers --n-gpu-layers", "N", v.layers, "n_gpu_layers", help="layers on the GPU: N, auto, all"
    ),
    takes("-dev --device", "NAME,...", v.words, DEVICES, help="the GPUs to use, or none"),
    takes("-sm --split-mode", "MODE", _SPLIT, "split_mode", help="none, layer, row, tensor"),
    takes("-ts --tensor-split", "N,...", v.shares, "tensor_split", help="each GPU's share"),
    takes("-mg --main-gpu", "N", v.whole, "main_gpu", help="the GPU of split mode none"),
    takes("-fit --fit", "on|off", _ON_OFF, "fit_params", help="fit what is unset to the free memory (on)"),
    takes("-fitt --fit-target", "MiB,...", v.margins, "fit_params_target", help="memory that --fit leaves free"),
    takes("-fitc --fit-ctx", "N", v.whole, "fit_params_min_ctx", help="least context that --fit may choose"),
    takes("-t --threads", "N", v.whole, "cpuparams.n_threads", help="CPU threads that generate"),
    takes("-tb --threads-batch", "N", v.whole, "cpuparams_batch.n_threads", help="CPU threads that read prompts"),
    takes("--poll", "N", v.whole, "cpuparams.poll", help="how eagerly threads wait, 0 to 100"),
    switch("-nkvo --no-kv-offload", {"no_kv_offload": True}, "keep the KV cache off the GPU"),
    switch("-kvo --kv-offload", {"no_kv_offload": False}, "keep the KV cache on the GPU (default)"),
    switch("--no-op-offload", {"no_op_offload": True}, "compute host tensors on the CPU"),
    switch("--op-offload", {"no_op_offload": False}, "compute host tensors on the GPU (default)"),
    switch("--no-mmproj-offload", {"mmproj_use_gpu": False}, "keep the projector off the GPU"),
    switch("--mmproj-offload", {"mmproj_use_gpu": True}, "keep the projector on the GPU (default)"),
    switch("-nr --no-repack", {"no_extra_bufts": True}, "load weights as they are"),
    switch("--repack", {"no_extra_bufts": False}, "repack weights for the CPU (default)"),
    # context and batches
    Flag(("-c", "--ctx-size"), "N", "tokens of context, 0: as trained", _context),
    takes("-b --batch-size", "N", v.whole, "n_batch", help="logical batch"),
    takes("-ub --ubatch-size", "N", v.whole, "n_ubatch", help="physical batch"),
    takes("-np --parallel", "N", v.slots, "n_parallel", help="requests served at once, -1: automatic"),
    takes("--keep", "N", v.whole, "n_keep", help="prompt tokens kept when the context is shifted"),
    switch("-kvu --kv-unified", {"kv_unified": True}, "one KV cache for all slots"),
    switch("-no-kvu --no-kv-unified", {"kv_unified": False}, "a KV cache for each slot"),
    switch("--swa-full", {"swa_full": True}, "full-size cache for sliding windows"),
    switch("--context-shift", {"ctx_shift": True}, "drop old tokens when the context is full"),
    switch("--no-context-shift", {"ctx_shift": False}, "stop when the context is full (default)"),
    switch("-cb --cont-batching", {"cont_batching": True}, "batch requests together (default)"),
    switch("-nocb --no-cont-batching", {"cont_batching": False}, "do not batch requests together"),
    takes("-fa --flash-attn", "on|off|auto", _ATTENTION, "flash_attn_type", help="flash attention (auto)"),
    takes("-ctk --cache-type-k", "TYPE", _CACHE_TYPE, "cache_type_k", help="type of the K cache (f16)"),
    takes("-ctv --cache-type-v", "TYPE", _CACHE_TYPE, "cache_type_v", help="type of the V cache (f16)"),
    takes("--rope-scaling", "TYPE", _ROPE, "rope_scaling_type", help="none, linear, yarn"),
    takes("--rope-freq-base", "N", v.number, "rope_freq_base", help="RoPE base frequency"),
    takes("--rope-freq-scale", "N", v.number, "rope_freq_scale", help="RoPE frequency scale"),
    takes("--yarn-orig-ctx", "N", v.whole, "yarn_orig_ctx", help="context the model was trained with"),
    takes("-cram --cache-ram", "MiB", v.whole, "cache_ram_mib", help="prompt cache in RAM, 0: off, -1: no limit"),
    takes("--cache-reuse", "N", v.whole, "n_cache_reuse", help="least chunk reused from the cache"),
    takes("-ctxcp --ctx-checkpoints", "N", v.whole, "n_ctx_checkpoints", help="context checkpoints of a slot"),
    switch("--cache-prompt", {"cache_prompt": True}, "reuse the cache of earlier prompts (default)"),
    switch("--no-cache-prompt", {"cache_prompt": False}, "read every prompt anew"),
    takes(
        "-ngld --gpu-layers-draft", "N", v.layers, "speculative.draft.n_gpu_layers", help="the draft's GPU layers"
    ),
    takes(
        "--spec-type",
        "TYPE,...",
        v.drafters,
        "speculative.types",
        help="none, draft-simple (for -md), ngram-mod, ...",
    ),
    takes("--spec-draft-n-max", "N", v.whole, "speculative.draft.n_max", help="most tokens drafted at once"),
    takes("--spec-draft-n-min", "N", v.whole, "speculative.draft.n_min", help="fewest tokens drafted at once"),
    takes("--spec-draft-p-min", "N", v.number, "speculative.draft.p_min", help="least probability of a draft"),
    # what it serves
    takes("--host", "HOST,...", v.words, HOSTS, help="addresses, or paths ending in .sock (127.0.0.1)"),
    takes("--port", "N", v.port, PORT, help="port, 0: any free one (8080)"),
    switch("--reuse-port", {"reuse_port": True}, "share the port with other servers"),
    takes("--api-prefix", "PATH", v.text, "api_prefix", help="serve below this path"),
    takes("--api-key", "KEY,...", v.words, "api_keys", help="keys that clients must show"),
    takes("--api-key-file", "FILE", v.keys, "api_keys", help="the same from a file, one a line"),
    takes("--ssl-key-file", "FILE", v.text, "ssl_file_key", help="TLS key"),
    takes("--ssl-cert-file", "FILE", v.text, "ssl_file_cert", help="TLS certificate"),
    takes("--cors-origins", "ORIGIN,...", v.text, "cors_origins", help="origins that browsers may call from (*)"),
    takes(
        "-to --timeout", "SECONDS", v.whole, "timeout_read", "timeout_write", help="read and write timeout (3600)"
    ),
    takes("--threads-http", "N", v.whole, "n_threads_http", help="threads that serve HTTP"),
    takes("--sse-ping-interval", "SECONDS", v.whole, "sse_ping_interval", help="pings in a silent stream (30)"),
    takes("--sleep-idle-seconds", "SECONDS", v.whole, "sleep_idle_seconds", help="unload when idle this long"),
    switch("--embedding --embeddings", {"embedding": True}, "serve embeddings only"),
    switch("--rerank --reranking", {"embedding": True, "pooling_type": _RANKING}, "serve reranking"),
    takes("--pooling", "TYPE", _POOLING, "pooling_type", help="none, mean, cls, last, rank"),
    takes("--embd-normalize", "N", v.whole, "embd_normalize", help="norm of embeddings (2)"),
    switch("--metrics", {"endpoint_metrics": True}, "serve /metrics"),
    switch("--props", {"endpoint_props": True}, "let POST /props change properties"),
    switch("--slots", {"endpoint_slots": True}, "serve /slots (default)"),
    switch("--no-slots", {"endpoint_slots": False}, "do not serve /slots"),
    takes("--slot-save-path", "FOLDER", v.folder, "slot_save_path", help="where slots are saved"),
    takes(
        "-sps --slot-prompt-similarity", "N", v.number, "slot_prompt_similarity", help="likeness to reuse a slot"
    ),
    takes("--media-path", "FOLDER", v.folder, "media_path", help="local media that requests may name"),
    switch("--ui --webui", {"ui": True}, "serve the web page, where there is one (default)"),
    switch("--no-ui --no-webui", {"ui": False}, "serve no web page"),
    # how it talks
    switch("--jinja", {"use_jinja": True}, "use the model's chat template (default)"),
    switch("--no-jinja", {"use_jinja": False}, "use built-in chat templates"),
    takes("--chat-template", "TEMPLATE", v.text, "chat_template", help="a chat template instead of the model's"),
    takes("--chat-template-file", "FILE", v.contents, "chat_template", help="the same from a file"),
    takes("--chat-template-kwargs", "JSON", v.template_values, "default_template_kwargs", help="values for it"),
    switch("--prefill-assistant", {"prefill_assistant": True}, "continue a last assistant message (default)"),
    switch("--no-prefill-assistant", {"prefill_assistant": False}, "take it for a full message"),
    takes(
        "--reasoning-format", "FORMAT", _THOUGHTS, "reasoning_format", help="none, auto, deepseek, deepseek-legacy"
    ),
    Flag(("-rea", "--reasoning"), "on|off|auto", "let the model think (auto)", _reasoning),
    takes("--reasoning-budget", "N", v.whole, "sampling.reasoning_budget_tokens", help="tokens to think, -1: any"),
    # sampling, where the request names none
    takes("-n --predict --n-predict", "N", v.whole, "n_predict", help="most tokens of an answer, -1: any"),
    takes("-s --seed", "N", v.seed, "sampling.seed", help="seed, -1: random"),
    takes("--temp --temperature", "N", v.number, "sampling.temp", help="temperature (0.8)"),
    takes("--top-k", "N", v.whole, "sampling.top_k", help="top-k (40)"),
    takes("--top-p", "N", v.number, "sampling.top_p", help="top-p (0.95)"),
    takes("--min-p", "N", v.number, "sampling.min_p", help="min-p (0.05)"),
    takes("--repeat-last-n", "N", v.whole, "sampling.penalty_last_n", help="tokens that penalties look at (64)"),
    takes("--repeat-penalty", "N", v.number, "sampling.penalty_repeat", help="penalty of repetition (1.0)"),
    takes("--presence-penalty", "N", v.number, "sampling.penalty_present", help="penalty of presence (0.0)"),
    takes("--frequency-penalty", "N", v.number, "sampling.penalty_freq", help="penalty of frequency (0.0)"),
    switch("--ignore-eos", {"sampling.ignore_eos": True}, "go on after the end of a text"),
    # what it says
    takes(
        "-lv --verbosity --log-verbosity",
        "N",
        v.whole,
        "verbosity",
        help="1 errors, 2 warnings, 3 info, 4 trace, 5 debug",
    ),
    switch("-v --verbose --log-verbose", {"verbosity": (1 << 31) - 1}, "say everything"),
)

BY_NAME: Mapping[str, Flag] = {name: flag for flag in FLAGS for name in flag.names}
