"""Hints about llama-server: its flags, its files, its memory."""

from __future__ import annotations

from swapd.engines.hints_row import HERE, Row

FLAGS = (
    Row(
        r"invalid device: (?P<what>\S+)|cannot use (only )?device (?P<which>[^\s:]+)",
        "there is no device <what>: llama-server --list-devices shows those there are; check device",
        'error while handling argument "-dev": invalid device: CUDA9\nusage:\n'
        "-dev,  --device <dev1,dev2,..>          comma-separated list of devices to use for offloading",
        HERE,
    ),
    Row(
        r"(invalid argument|(unknown|unexpected|unrecognized) (argument|option)s?):? (?P<what>\S+)",
        "this engine does not know <what> (it says '<line>'): take it out of args or command, or take another "
        "build; "
        "its --help shows what it knows",
        "error: invalid argument: --no-such-flag",
        HERE,
    ),
    Row(
        r"error while handling argument \"(?P<what>[^\"]+)\"|invalid value for (?P<which>[^\s:]+)",
        "the engine does not accept what <what> is set to (it says '<line>'): correct it in args, command or the "
        "key "
        "that stands for it",
        'error while handling argument "--cache-type-k": Unsupported cache type: q9_9\nusage:\n'
        "-ctk,  --cache-type-k TYPE              KV cache data type for K",
        HERE,
    ),
    Row(
        r"couldn't bind|cannot listen on|address already in use",
        "another process took the port, or the command has a host or port of its own, not ${host} and ${port}",
        "0.00.005.021 E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 9812\n"
        "0.00.005.154 E srv  llama_server: exiting due to HTTP server error",
        HERE,
    ),
    Row(
        r"chat template is not supported|failed to initialize chat template",
        "the chat template has an error: check --chat-template or --chat-template-file in args",
        "0.00.004.671 E common_chat_templates_init: failed to initialize chat template\n"
        "error: the supplied chat template is not supported: {% for x %}",
        HERE,
    ),
    Row(
        r"V cache (requires|quantization requires) flash_attn",
        "a quantized V cache needs flash attention: add -fa on to args, or leave out --cache-type-v",
        "0.00.011.179 E llama_init_from_model: quantized V cache requires flash_attn to be enabled\n"
        "0.00.011.200 E cmn  common_init_: failed to create context with model '/srv/m.gguf'",
        HERE,
    ),
    Row(
        r"HTTPS is not supported",
        "this build of llama-server cannot download: take one with HTTPS, or give path instead of hf",
        "0.00.005.244 E get_repo_commit: error: HTTPS is not supported. Please rebuild with one of:\n"
        "0.00.007.855 E cmn  common_init_: failed to load model ''",
        HERE,
    ),
    Row(
        r"built without SSL support",
        "this build of llama-server speaks no TLS: take --ssl-key-file and --ssl-cert-file out of args; clients "
        "get "
        "TLS from swapd (the key tls)",
        "0.00.003.224 E srv          init: the server is built without SSL support\n"
        "0.00.003.224 E srv  llama_server: failed to initialize HTTP server",
        HERE,
    ),
)

FILES = (
    Row(
        r"failed to open GGUF file '(?P<what>[^']+)' \(Permission denied\)",
        "swapd's user may not read <what>: chmod it, and the folders above it",
        "0.00.006.555 E gguf_init_from_file: failed to open GGUF file '/srv/m.gguf' (Permission denied)\n"
        "0.00.006.565 E srv    load_model: failed to load model, '/srv/m.gguf'",
        HERE,
    ),
    Row(
        r"failed to open GGUF file '(?P<what>[^']+)'|cannot load (draft )?\w+ (?P<which>.+): no such file",
        "<what> cannot be opened: check path (or mmproj, draft, lora); of a model in parts, all must be there",
        "0.00.007.262 E gguf_init_from_file: failed to open GGUF file '/nope/x.gguf' (No such file or directory)\n"
        "0.00.007.266 E llama_model_load: error loading model: llama_model_loader: failed to load model from "
        "/nope/x.gguf",
        HERE,
    ),
    Row(
        r"failed to load (multimodal|CLIP) model|failed to load clip|clip_init|cannot load projector",
        "check mmproj: it must be a projector, and belong to this very model",
        "0.00.020.002 E mtmd_init_from_file: error: Failed to load CLIP model from /srv/m.gguf\n"
        "0.00.020.003 E srv    load_model: failed to load multimodal model, '/srv/m.gguf'",
        HERE,
    ),
    Row(
        r"failed to (load|apply) lora adapter|cannot load adapter",
        "check lora: it must be an adapter as a GGUF, made for this very model",
        "0.00.008.839 E llama_adapter_lora_init: failed to apply lora adapter: expect general.type to be "
        "'adapter', "
        "but got: \n0.00.008.868 E cmn  common_init_: failed to create context with model '/srv/m.gguf'",
        HERE,
    ),
    Row(
        r"failed to load draft model|cannot load draft",
        "check draft: it must be a whole GGUF of a model that has the same vocabulary",
        "0.00.021.539 E common_speculative_init_result: failed to load draft model, 'bad.gguf'\n"
        "0.00.021.545 E srv    load_model: failed to load draft model, 'bad.gguf'",
        HERE,
    ),
    Row(
        r"this GGUF file is version \d+|unknown model architecture|unknown architecture|unknown pre-tokenizer type"
        r"|missing tensor|wrong number of tensors",
        "this build of llama.cpp does not know such models yet (it says '<line>'): update the engine, or take an "
        "older GGUF of the model",
        "0.00.008.396 E llama_model_load: error loading model: unknown model architecture: 'zlama'\n"
        "0.00.008.419 E llama_model_load_from_file_impl: failed to load model",
        HERE,
    ),
    Row(
        r"not within the file bounds|corrupted or incomplete|failed to read (magic|key-value|tensor|header)",
        "the GGUF is not whole: download it again, and compare its size",
        "0.00.007.312 E llama_model_load: error loading model: tensor 'output.weight' data is not within the file "
        "bounds, model is corrupted or incomplete\n0.00.007.338 E srv    load_model: failed to load model, "
        "'t.gguf'",
        HERE,
    ),
    Row(
        r"invalid magic|bad magic|not a GGUF",
        "the file is no GGUF (a web page, or a pointer of git-lfs?): download it again",
        "0.00.010.877 E gguf_init_from_reader: invalid magic characters: 'this', expected 'GGUF'\n"
        "0.00.010.900 E llama_model_load: error loading model: llama_model_loader: failed to load model from "
        "b.gguf",
        HERE,
    ),
)

MEMORY = (
    Row(
        r"bad_alloc|^(?!.*mlock).*Cannot allocate memory|failed to allocate|out of memory|MemoryError",
        "not enough memory: lower context, parallel or batch, or choose a smaller model",
        "0.01.072.657 E alloc_tensor_range: failed to allocate CPU buffer of size 3072589824\n"
        "0.01.075.475 E llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv "
        "cache",
        HERE,
    ),
    Row(
        r"(?P<what>GGML_ASSERT\(.*\) failed|GGML_ABORT.*)",
        "llama.cpp gave up at a check of its own, <what>: undo the last change of args, or try another build",
        "/src/llama-context.cpp:2397: GGML_ASSERT(n_outputs >= 1) failed\n"
        "#2  0x00007effecf4fe72 in ggml_abort () from libggml-base.so.0",
        HERE,
    ),
)

REST = (
    Row(
        r"failed to create.context",
        "the model loads, but its context cannot be made: lower context, parallel or batch, or undo the last "
        "change "
        "of args",
        "0.00.011.204 E cmn  common_init_: failed to create context with model '/srv/m.gguf'\n"
        "0.00.011.211 E srv    load_model: failed to create_context with model '/srv/m.gguf'",
        HERE,
    ),
    Row(
        r"failed to load model|error loading model",
        "check that the model file is there, whole, and a GGUF that this build of llama.cpp knows",
        "0.00.007.858 E srv    load_model: failed to load model, ''\n"
        "0.00.008.643 E srv  llama_server: exiting due to model loading error",
        HERE,
    ),
)
"""What says least, and comes last."""
