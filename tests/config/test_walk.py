"""Shapes and the tree: every mismatch at its own place, with its key's path."""

from __future__ import annotations

import pytest

from swapd.config import shapes
from swapd.config.expand import LATER
from swapd.config.schema import Config, Model

CASES = [
    ("modles: {}\nmodels: {}", "1:1: modles: there is no key 'modles' here (did you mean 'models'?)"),
    ("models: {m: {path: /x, gpu_layer: 1}}",
     "1:24: models.m.gpu_layer: there is no key 'gpu_layer' here (did you mean 'gpu_layers'?)"),
    ("models: {m: {path: /x, timeouts: {idel: 1s}}}",
     "1:35: models.m.timeouts.idel: there is no key 'idel' here (did you mean 'idle'?)"),
    ("models: {m: {path: /x, aliases: {a: {sett: {}}}}}",
     "1:38: models.m.aliases.a.sett: there is no key 'sett' here (did you mean 'set'?)"),
    ("models: {m: {path: /x, ttl: 5x}}",
     "1:29: models.m.ttl: '5x' is not a duration: write it like 500ms, 30s, 15m, 1h or 2d, or never"),
    ("models: {m: {path: /x, ttl: }}", "1:29: models.m.ttl: is empty: give it a value or remove the key"),
    ("models: {m: {path: ''}}", "1:20: models.m.path: is empty: give it a path or remove the key"),
    ("models: {m: {path: [a]}}", "1:20: models.m.path: must be a single value, not a list"),
    ("models: {m: {path: /x, gpu_layers: al}}",
     "1:36: models.m.gpu_layers: 'al' is not a whole number, or all or auto (did you mean 'all'?)"),
    ("models: {m: {path: /x, parallel: 0}}", "1:34: models.m.parallel: 0 is too small: the least is 1"),
    ("models: {m: {path: /x, args: --jinja}}", "1:30: models.m.args: must be a list, not '--jinja'"),
    ("models: {m: {path: /x, args: {a: 1}}}", "1:30: models.m.args: must be a list, not a mapping"),
    ("models: {m: {path: /x, args: [a, [b]]}}", "1:34: models.m.args[1]: must be a single value, not a list"),
    ("models: {m: {path: /x, aliases: a}}", "1:33: models.m.aliases: must be a mapping of names, not 'a'"),
    ("models: {m: {path: /x, env: [A]}}", "1:29: models.m.env: must be a mapping of names, not a list"),
    (
        "models: {m: {path: /x, retry: 3}}",
        "1:31: models.m.retry: must be a mapping of keys ('attempts', 'backoff'), not '3'",
    ),
    ("log: [debug]\nmodels: {}", "1:6: log: must be a mapping of keys ('level', 'format', 'access'), not a list"),
    ("cors: [a]\nmodels: {}", "1:7: cors: must be a mapping of keys ('origins'), not a list"),
    ("log: {level: infos}\nmodels: {}",
     "1:14: log.level: 'infos' is not one of debug, info, warning, error (did you mean 'info'?)"),
    ("insecure: maybe\nmodels: {}", "1:11: insecure: 'maybe' is neither true nor false"),
    ("limits: {body: 5G}\nmodels: {}",
     "1:16: limits.body: '5G' is not a size: write it like 512MiB, 22GiB or 100MB"),
    ("default_model: '${model}'\nmodels: {}",
     "1:16: default_model: '${model}' cannot be used here: it is known only in a model"),
    ("models: {m: {path: '/x/${port}'}}",
     "1:20: models.m.path: '${port}' cannot be used here: "
     "it is known only in 'args', 'env', 'stop' and 'command'"),
    ("models: {m: {path: '/x/${socket}'}}",
     "1:20: models.m.path: '${socket}' cannot be used here: "
     "it is known only in 'args', 'env', 'stop' and 'command'"),
    ("models: {m: {path: /x, metadata: {a: ['${threads}']}}}",
     "1:39: models.m.metadata.a[0]: '${threads}' cannot be used here: it is known only in 'args' and 'command'"),
    ("models: {m: {path: /x, args: ['${binary}']}}",
     "1:31: models.m.args[0]: '${binary}' cannot be used here: it is known only in 'command'"),
    ("models: {m: {path: /x, args: ['${device}']}}",
     "1:31: models.m.args[0]: '${device}' cannot be used here: it is known only in 'command'"),
    ("models: {m: {path: /x, env: {A: '${threads}'}}}",
     "1:33: models.m.env.A: '${threads}' cannot be used here: it is known only in 'args' and 'command'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), CASES, ids=[told for _, told in CASES])
def test_each_mismatch_is_told_at_its_place(problems, text, told):
    assert problems(text) == [f"swapd.yaml:{told}"]


@pytest.mark.parametrize("name", sorted(LATER))
def test_a_name_that_is_filled_in_later_is_taken_or_told_of_whatever_the_key(loaded, name):
    keys = [f"  {key}: {{{key}: '${{{name}}}'}}" for key in shapes.keys_of(Model)]
    top = [f"{key}: '${{{name}}}'" for key in shapes.keys_of(Config) if key != "models"]
    told = [problem.message for problem in loaded("\n".join([*top, "models:", *keys])).problems]
    wrong = [message for message in told if "cannot be used here" in message]
    assert wrong
    assert all(message.endswith((" a model", "'")) for message in wrong)


def test_all_problems_of_a_file_are_told_in_one_go(problems):
    text = "listn: x\nlog: {level: loud}\nmodels:\n  a: {path: /x, ttl: 5x, threads: many}\n  b: {pth: /y}\n"
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in problems(text)] == [
        "swapd.yaml:1:1 listn",
        "swapd.yaml:2:14 log.level",
        "swapd.yaml:4:22 models.a.ttl",
        "swapd.yaml:4:35 models.a.threads",
        "swapd.yaml:5:7 models.b.pth",
    ]


def test_several_wrong_items_of_a_list_are_all_told(problems):
    assert len(problems("models: {m: {path: /x, args: [[a], b, [c]]}}")) == 2


def test_an_empty_section_is_as_good_as_none(problems):
    assert problems("log:\ndefaults:\nscheduling: {}\nmodels: {m: {path: /x, aliases: {a: }, retry: }}") == []


def test_the_model_s_name_is_filled_in_after_a_command_is_split(spec):
    made = spec("models: {\"it's\": {command: 'run --name ${model} --port ${port}', description: '<${model}>'}}")
    assert made.launch.argv == ("run", "--name", "it's", "--port", "${port}")
    assert made.terms.service.listing.description == "<it's>"


def test_the_model_s_name_is_filled_in_within_free_data(model):
    made = model(
        "path: /x, metadata: {who: ['${model}', 1], deep: {a: '${model}'}}, request: {set: {user: '${model}'}}"
    )
    assert made.terms.service.listing.metadata == {"who": ["m", 1], "deep": {"a": "m"}}
    assert made.terms.service.edits.set == {"user": "m"}


def test_numbers_and_switches_may_be_texts_where_text_is_wanted(model):
    made = model("path: /x, args: [-ctk, 8, on], env: {A: on, B: 010, C: 1.50}")
    assert made.launch.argv[-3:] == ("-ctk", "8", "on")
    assert made.launch.env == (("A", "on"), ("B", "010"), ("C", "1.50"))


def test_text_may_be_a_number_where_a_number_is_wanted(spec):
    made = spec("macros: {n: 8}\nmodels: {m: {path: /x, threads: '${n}', context: '4096'}}")
    assert made.launch.argv[-6:] == ("--threads", "8", "-c", "4096", "-np", "1")
