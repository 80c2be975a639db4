"""The front's table of flags: argv in, settings or complaints out; and how settings reach xllamacpp."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import xllamacpp

from swapd.engines.llama_argv import ALL_NAMES, help_text, parse
from swapd.engines.llama_flags import DEVICES, FLAGS, LORA_FILES
from swapd.engines.llama_server import DEFAULTS, CannotStart, parameters, read_environment, run

EXAMPLES = {
    "MODE": "none",
    "on|off": "off",
    "on|off|auto": "on",
    "JSON": '{"enable_thinking": false}',
    "FORMAT": "none",
    "TYPE,...": "draft-simple,ngram-mod",
    "MiB,...": "512",
}
"""A good value by metavar, where "1" is none."""
TYPES = {"--pooling": "mean", "--rope-scaling": "yarn"}


def params(line=""):
    settings, complaints = parse(line.split())
    assert complaints == []
    return parameters({**DEFAULTS, **settings}, xllamacpp)


def example(flag, tmp_path):
    if not flag.metavar:
        return []
    if flag.metavar == "FOLDER":
        return [str(tmp_path)]
    if flag.metavar == "FILE":
        (tmp_path / "file").write_text("text")
        return [str(tmp_path / "file")]
    return [TYPES.get(flag.names[-1], "f16") if flag.metavar == "TYPE" else EXAMPLES.get(flag.metavar, "1")]


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.names[-1])
def test_every_flag_sets_fields_that_xllamacpp_has(flag, tmp_path):
    settings, complaints = parse([flag.names[0], *example(flag, tmp_path)])
    assert complaints == [] and settings
    parameters({field: value for field, value in settings.items() if field != DEVICES}, xllamacpp)


def test_no_name_is_given_to_two_flags():
    assert len(ALL_NAMES) == len(set(ALL_NAMES))


def test_a_described_model_reaches_llama_cpp():
    p = params("-m /m.gguf --host 127.0.0.1 --port 8081 --alias b,a -ngl all -t 3 -tb 4 -c 4096")
    assert (p.model.path, p.hostnames, p.port, p.model_alias) == ("/m.gguf", ["127.0.0.1"], 8081, {"a", "b"})
    assert (p.n_gpu_layers, p.cpuparams.n_threads, p.cpuparams_batch.n_threads, p.n_ctx) == (-2, 3, 4, 4096)
    p = params("-b 1024 -ub 256 -np 2 --mmproj /p.gguf -md /d.gguf --lora /x,/y --timeout 9")
    assert (p.n_batch, p.n_ubatch, p.n_parallel, p.mmproj.path) == (1024, 256, 2, "/p.gguf")
    assert (p.speculative.draft.mparams.path, p.timeout_read, p.timeout_write) == ("/d.gguf", 9, 9)
    assert [(adapter.path, adapter.scale) for adapter in p.lora_adapters] == [("/x", 1.0), ("/y", 1.0)]


def test_what_is_not_asked_for_is_as_llama_server_has_it():
    p = params("-m /m.gguf")
    assert (p.n_parallel, p.n_gpu_layers, p.hostnames, p.port) == (-1, -1, ["127.0.0.1"], 8080)


def test_reranking_is_embedding_with_ranks():
    p = params("--reranking")
    assert p.embedding and p.pooling_type == xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK


def test_an_explicit_context_of_0_is_never_shrunk_to_fit():
    assert (params("-c 0").fit_params_min_ctx, params().fit_params_min_ctx) == (-1, 4096)


def test_lists_for_each_gpu_are_filled_up():
    assert list(params("-ts 3,1").tensor_split)[:4] == [3.0, 1.0, 0.0, 0.0]
    assert set(params("-fitt 512").fit_params_target) == {512 << 20}
    assert list(params("-fitt 512,256").fit_params_target)[:3] == [512 << 20, 256 << 20, 1024 << 20]


def test_sampling_that_was_asked_for_is_not_overruled_by_the_model():
    known = xllamacpp.common_params_sampling_config
    claimed = params("--temp 0.5 --top-k 3 --seed -1").sampling
    both = known.COMMON_PARAMS_SAMPLING_CONFIG_TEMP | known.COMMON_PARAMS_SAMPLING_CONFIG_TOP_K
    assert claimed.user_sampling_config == both and claimed.seed == 0xFFFFFFFF
    assert params().sampling.user_sampling_config == 0


def test_the_folder_for_slots_gets_the_slash_that_llama_cpp_needs(tmp_path):
    assert params(f"--slot-save-path {tmp_path}").slot_save_path == f"{tmp_path}/"


def test_in_long_flags_an_underscore_is_a_dash_and_the_last_flag_wins():
    assert parse(["--ctx_size", "1", "-c", "2"]) == ({"n_ctx": 2}, [])


def test_the_next_word_is_the_value_whatever_it_looks_like():
    assert parse(["--cache-ram", "-1", "--alias", "--jinja"]) == (
        {"cache_ram_mib": -1, "model_alias": {"--jinja"}},
        [],
    )


def test_every_wrong_word_is_named_at_once_with_what_was_probably_meant():
    line = "--nope 3 --gpu_layer 9 stray -c many -fa maybe --ctx-size=12 --port 99999 -np 0 --pooling"
    assert parse(line.split())[1] == [
        "invalid argument: --nope",
        "invalid argument: --gpu_layer (did you mean --gpu-layers?)",
        "invalid argument: stray",
        "invalid value for -c: expected a whole number, not 'many'",
        "invalid value for -fa: expected on, off, auto, not 'maybe'",
        "invalid argument: --ctx-size=12 (did you mean '--ctx-size 12'?)",
        "invalid value for --port: expected a port from 0 to 65535, not '99999'",
        "invalid value for -np: expected at least 1, or -1 for automatic, not '0'",
        "--pooling needs a value: --pooling TYPE",
    ]


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--slot-save-path", "/nowhere"], "/nowhere is not a folder"),
        (["--api-key-file", "/nowhere"], "cannot read /nowhere: No such file or directory"),
        (["--chat-template-kwargs", "[]"], "expected a JSON object, not '[]'"),
        (["--chat-template-kwargs", "{"], "expected a JSON object: "),
        (["--temp", "hot"], "expected a number, not 'hot'"),
        (["--fit-target", ","], "expected sizes in MiB"),
        (["--spec-type", "guess"], "expected none, draft-simple,"),
        (["--reasoning", "perhaps"], "expected on, off, auto, not 'perhaps'"),
    ],
)
def test_a_bad_value_says_what_was_expected(argv, complaint):
    assert parse(argv)[1][0].startswith(f"invalid value for {argv[0]}: {complaint}")


def test_a_number_that_llama_cpp_cannot_hold_is_an_error():
    with pytest.raises(CannotStart, match=r"^cannot set n_ctx to 99999999999: out of range$"):
        params("-c 99999999999")


def test_keys_are_read_from_a_file_without_its_comments(tmp_path):
    (tmp_path / "keys").write_text("# ours\none\n\n two \n")
    assert params(f"--api-key-file {tmp_path}/keys").api_keys == ["one", "two"]


def test_a_template_is_read_from_a_file(tmp_path):
    (tmp_path / "template").write_text("{{ messages }}")
    assert params(f"--chat-template-file {tmp_path}/template").chat_template == "{{ messages }}"


def machine(*names):
    """An xllamacpp on a machine with these GPUs."""
    kinds = xllamacpp.ggml_backend_dev_type
    devices = [{"name": "CPU", "type": kinds.GGML_BACKEND_DEVICE_TYPE_CPU}]
    devices += [{"name": name, "type": kinds.GGML_BACKEND_DEVICE_TYPE_GPU} for name in names]
    return SimpleNamespace(
        get_device_info=lambda: devices,
        CommonParams=xllamacpp.CommonParams,
        ggml_backend_dev_type=kinds,
        common_params_sampling_config=xllamacpp.common_params_sampling_config,
    )


def test_device_none_keeps_everything_off_the_gpu_whatever_else_was_asked():
    p = parameters(parse(["-ngl", "99", "-dev", "none"])[0], machine("CUDA0"))
    assert (p.n_gpu_layers, p.no_kv_offload, p.no_op_offload, p.mmproj_use_gpu) == (0, True, True, False)


def test_naming_all_the_gpus_there_are_changes_nothing():
    p = parameters(parse(["-ngl", "99", "-dev", "CUDA1,CUDA0"])[0], machine("CUDA0", "CUDA1"))
    assert (p.n_gpu_layers, p.no_kv_offload) == (99, False)


@pytest.mark.parametrize(
    ("present", "complaint"),
    [
        ([], "cannot use device CUDA0: this build of xllamacpp has no GPU;"),
        (["Vulkan0"], "cannot use device CUDA0: this build of xllamacpp has Vulkan0;"),
        (["CUDA0", "CUDA1"], "cannot use only device CUDA0: xllamacpp cannot choose among CUDA0, CUDA1;"),
    ],
)
def test_a_device_that_cannot_be_had_is_an_error(present, complaint):
    with pytest.raises(CannotStart, match=f"^{complaint}"):
        parameters(parse(["--device", "CUDA0"])[0], machine(*present))


def test_the_files_behind_lora_are_remembered_for_the_check():
    assert parse(["--lora", "/x,/y"])[0][LORA_FILES] == ["/x", "/y"]


def test_variables_that_llama_server_would_heed_are_refused_not_ignored():
    environ = {"LLAMA_API_KEY": "k", "LLAMA_ARG_CTX_SIZE": "1", "LLAMA_CACHE": "/c", "PATH": "/bin"}
    assert [complaint.split(":")[0] for complaint in read_environment(environ)] == [
        "cannot honour LLAMA_API_KEY",
        "cannot honour LLAMA_ARG_CTX_SIZE",
    ]


def test_without_a_model_there_is_nothing_to_start(capsys):
    assert run(["--port", "0"]) == 1
    assert capsys.readouterr().err == "error: cannot start: no model named (-m FILE)\n"


@pytest.mark.parametrize(("content", "why"), [(b"", "the file is empty"), (b"PK\3\4", "not a GGUF file")])
def test_a_file_that_is_no_model_is_told_before_anything_is_loaded(tmp_path, capsys, content, why):
    model = tmp_path / "model.gguf"
    model.write_bytes(content)
    assert run(["-m", str(model), "--port", "0"]) == 1
    assert capsys.readouterr().err == f"error: cannot load model {model}: {why}\n"


def test_help_names_every_flag_and_the_version_goes_to_stderr(capsys):
    assert run(["-m", "x", "--help"]) == 0
    text = capsys.readouterr().out
    assert text == help_text() and all(name in text for name in ALL_NAMES)
    assert run(["--version"]) == 0
    assert capsys.readouterr().err.startswith("version: xllamacpp 2")


def test_importing_the_front_brings_no_engine_and_no_other_room():
    code = "import swapd.engines.llama_server, sys; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {module for module in modules if module.startswith("swapd")}
    front = {f"swapd.engines.llama_{part}" for part in ("server", "argv", "flags", "values")}
    assert ours == {"swapd", "swapd.engines"} | front
    assert not {"xllamacpp", "asyncio", "aiohttp"} & set(modules)
