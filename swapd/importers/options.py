"""llama-server's options by every name that a preset file may use: long, short, or of the environment.

From ``llama-server --help`` of build 10434, which a test compares. A preset's key is a flag without its dashes.
"""

from __future__ import annotations

_ONE_DASH = """
t tb C Cr Cb Crb c n b ub e fa ctk ctv dt lm dev ot cmoe ncmoe ngl sm ts mg fit fitt fitc m mu dr hf hfr hff hft
lv ctkd ctvd s l j jf bs hfd hfrd td tbd Cd Crd Cbd otd cmoed ncmoed devd ngld md lcs lcd ctxcp cms cram kvu r sp
np cb mm mmu a ag to rea sps v kvo nkvo nr dio ndio no-kvu nocb no-ag
"""
SHORT = frozenset(_ONE_DASH.split())
"""Names with one dash before them."""

_SAME = """
t:threads tb:threads-batch c:ctx-size n:predict n-predict:predict b:batch-size ub:ubatch-size fa:flash-attn
ctk:cache-type-k ctv:cache-type-v lm:load-mode dev:device ot:override-tensor cmoe:cpu-moe ncmoe:n-cpu-moe
ngl:n-gpu-layers gpu-layers:n-gpu-layers sm:split-mode ts:tensor-split mg:main-gpu fitt:fit-target fitc:fit-ctx
m:model mu:model-url hf:hf-repo hfr:hf-repo hff:hf-file hft:hf-token s:seed temperature:temp md:model-draft
spec-draft-model:model-draft np:parallel mm:mmproj mmu:mmproj-url a:alias kvu:kv-unified kvo:kv-offload
cb:cont-batching embedding:embeddings rerank:reranking to:timeout rea:reasoning ctxcp:ctx-checkpoints
cram:cache-ram ngld:n-gpu-layers-draft devd:device-draft cms:checkpoint-min-step sps:slot-prompt-similarity
nkvo:no-kv-offload nr:no-repack ndio:no-direct-io no-kvu:no-kv-unified nocb:no-cont-batching no-ag:no-agent
ag:agent no-webui:no-ui no-mmproj:no-mmproj-auto typical:typical-p top-nsigma:top-n-sigma dio:direct-io webui:ui
j:json-schema l:logit-bias lv:verbosity C:cpu-mask Cr:cpu-range Cb:cpu-mask-batch Crb:cpu-range-batch e:escape
dt:defrag-thold dr:docker-repo v:log-verbose verbose:log-verbose log-verbosity:verbosity
spec-draft-type-k:cache-type-k-draft ctkd:cache-type-k-draft spec-draft-type-v:cache-type-v-draft
ctvd:cache-type-v-draft sampler-seq:sampling-seq jf:json-schema-file bs:backend-sampling
spec-draft-hf:hf-repo-draft hfd:hf-repo-draft hfrd:hf-repo-draft spec-draft-threads:threads-draft
td:threads-draft spec-draft-threads-batch:threads-batch-draft tbd:threads-batch-draft
spec-draft-cpu-mask:cpu-mask-draft Cd:cpu-mask-draft spec-draft-cpu-range:cpu-range-draft Crd:cpu-range-draft
spec-draft-cpu-strict:cpu-strict-draft spec-draft-prio:prio-draft spec-draft-poll:poll-draft
spec-draft-cpu-mask-batch:cpu-mask-batch-draft Cbd:cpu-mask-batch-draft
spec-draft-cpu-strict-batch:cpu-strict-batch-draft spec-draft-prio-batch:prio-batch-draft
spec-draft-poll-batch:poll-batch-draft spec-draft-override-tensor:override-tensor-draft
otd:override-tensor-draft cmoed:spec-draft-cpu-moe cpu-moe-draft:spec-draft-cpu-moe
spec-draft-ncmoe:spec-draft-n-cpu-moe ncmoed:spec-draft-n-cpu-moe n-cpu-moe-draft:spec-draft-n-cpu-moe
draft-p-split:spec-draft-p-split draft-p-min:spec-draft-p-min spec-draft-device:device-draft
spec-draft-ngl:n-gpu-layers-draft gpu-layers-draft:n-gpu-layers-draft lcs:lookup-cache-static
lcd:lookup-cache-dynamic swa-checkpoints:ctx-checkpoints r:reverse-prompt sp:special webui-config:ui-config
webui-config-file:ui-config-file webui-mcp-proxy:ui-mcp-proxy no-webui-mcp-proxy:no-ui-mcp-proxy
"""
CANONICAL = dict(pair.split(":") for pair in _SAME.split())
"""Other name -> the name under which it is told apart from others."""

_SWITCHES = """
swa-full no-host check-tensors cpu-moe log-disable log-verbose offline ignore-eos spec-draft-cpu-moe
special spm-infill backend-sampling reuse-port embeddings reranking metrics props
lora-init-without-apply spec-default mlock embd-gemma-default fim-qwen-1.5b-default fim-qwen-3b-default
fim-qwen-7b-default fim-qwen-7b-spec fim-qwen-14b-spec fim-qwen-30b-default gpt-oss-20b-default
gpt-oss-120b-default vision-gemma-4b-default vision-gemma-12b-default
"""
_BOTH = """
perf escape kv-offload repack mmap direct-io log-prefix log-timestamps op-offload kv-unified cache-idle-slots
context-shift warmup cont-batching mmproj-offload cors-credentials ui agent cache-prompt slots jinja
reasoning-preserve skip-chat-parsing prefill-assistant models-autoload mmproj-auto spec-draft-backend-sampling
ui-mcp-proxy
"""
SWITCHES = frozenset(_SWITCHES.split())
"""Flags without a value that have no opposite."""
BOTH = frozenset(_BOTH.split())
"""Flags without a value whose opposite is the same name behind ``no-``."""

_VARIABLES = """
BATCH:batch-size UBATCH:ubatch-size N_PARALLEL:parallel ROPE_SCALING_TYPE:rope-scaling THINK:reasoning-format
THINK_BUDGET:reasoning-budget THINK_BUDGET_MESSAGE:reasoning-budget-message ENDPOINT_METRICS:metrics
ENDPOINT_PROPS:props ENDPOINT_SLOTS:slots STATIC_PATH:path CHECKPOINT_MIN_SPACING_NT:checkpoint-min-step
SPEC_DRAFT_CACHE_TYPE_K:cache-type-k-draft SPEC_DRAFT_CACHE_TYPE_V:cache-type-v-draft LOG_VERBOSITY:verbosity
SPEC_DRAFT_HF_REPO:hf-repo-draft DRAFT_MAX:draft-max DRAFT_MIN:draft-min
"""
VARIABLES = {f"LLAMA_ARG_{name}": option for name, _, option in (p.partition(":") for p in _VARIABLES.split())}
"""Variables whose name is not made of the flag's."""
VARIABLES |= {"LLAMA_API_KEY": "api-key", "HF_TOKEN": "hf-token"}

_ON, _OFF = {"1", "true", "on", "yes", "enabled"}, {"0", "false", "off", "no", "disabled"}


def option(key: str) -> str:
    """The one name of an option, however a preset spells it: ``c``, ``ctx-size``, ``LLAMA_ARG_CTX_SIZE``."""
    name = key.strip().lstrip("-")
    if name in VARIABLES:
        name = VARIABLES[name]
    elif name.startswith("LLAMA_ARG_"):
        name = name.removeprefix("LLAMA_ARG_").lower().replace("_", "-")
    if name not in SHORT:
        name = name.replace("_", "-")
    return CANONICAL.get(name, name)


def told(name: str, value: str) -> tuple[str, str]:
    """The option and its value; ``no-mmap = true`` is ``mmap = false``."""
    bare = name.removeprefix("no-")
    if bare == name or bare not in BOTH:
        return name, value
    return bare, "true" if value.lower() in _OFF else "false"


def is_switch(name: str) -> bool:
    """Whether the option takes no value."""
    return name in SWITCHES or name in BOTH


def words(name: str, value: str) -> tuple[str, ...]:
    """The option as it stands in a command line; nothing for a switch that is off and has no opposite."""
    flag = f"-{name}" if name in SHORT else f"--{name}"
    if not is_switch(name):
        return (flag, value)
    on = value.lower() not in _OFF
    if name in BOTH:
        return (f"--{'' if on else 'no-'}{name}",)
    return (flag,) if on else ()


def is_on(value: str) -> bool:
    """Whether a value says yes."""
    return value.strip().lower() in _ON
