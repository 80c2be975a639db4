"""What a model's keys must be to each other."""

from __future__ import annotations

import pytest

BAD = [
    ("a: {ttl: 5m}",
     "10: models.a: says neither 'path' (a GGUF file) nor 'command' (what starts its engine) nor 'url' "
     "(where it runs): give one"),
    ("a: {path: /x, command: 'x ${port}'}",
     "33: models.a.command: stands beside 'path': a model has one or the other, remove one"),
    ("a: {command: 'x -p 80'}",
     "23: models.a.command: never says '${port}': swapd chooses a free port for each start, so add "
     "'--port ${port}', or '--host ${socket}' if the engine can listen on a Unix socket"),
    ("a: {command: 'x ${port} ${socket}'}",
     "23: models.a.command: says '${port}' and '${socket}': an engine listens on one of them, remove the other"),
    ("a: {command: 'x ${socket}', env: {P: '${port}'}}",
     "23: models.a.command: says '${port}' and '${socket}': an engine listens on one of them, remove the other"),
    ("a: {command: 'x ${socket}', socket: unix}",
     "38: models.a.socket: has no effect beside 'command': write it as a flag into the command"),
    ("a: {path: /x, socket: unix, args: ['${port}']}",
     "44: models.a.args: says '${port}', which has no value with 'socket: unix': remove one of them"),
    ("a: {path: /x, stop: 'x ${socket}'}",
     "30: models.a.stop: says '${socket}', which has no value with 'socket: tcp': remove one of them"),
    ("a: {command: 'x ${socket}', stop: 'x ${port}'}",
     "44: models.a.stop: says '${port}', which has no value where the engine listens on '${socket}': "
     "write that instead"),
    ("a: {command: x, env: {P: '${port}'}, stop: 'x ${host} ${socket}'}",
     "53: models.a.stop: says '${socket}', which has no value where the engine listens on '${port}': "
     "write that instead"),
    ("a: {path: /x, socket: udp}",
     "32: models.a.socket: 'udp' is not one of tcp, unix"),
    ("a: {command: 'x ${port}', gpu_layers: 9}",
     "36: models.a.gpu_layers: has no effect beside 'command': write it as a flag into the command"),
    ("a: {command: 'x ${port}', args: [-c, 9]}",
     "36: models.a.args: has no effect beside 'command': write it as a flag into the command"),
    ("a: {command: 'x ${binary} ${port}'}",
     "23: models.a.command: '${binary}' can only be the first word of a command, alone"),
    ("a: {command: '${binary}x ${port}'}",
     "23: models.a.command: '${binary}' can only be the first word of a command, alone"),
    ("a: {command: \"x 'y ${port}\"}",
     "23: models.a.command: cannot be split into words: no closing quotation; check the quotes"),
    ("a: {command: 'x ${port}', stop: \"x '\"}",
     "42: models.a.stop: cannot be split into words: no closing quotation; check the quotes"),
    ("a: {path: /x, args: [--port, 1]}", "31: models.a.args[0]: '--port' cannot be set here: swapd chooses it"),
    ("a: {path: /x, args: [-v, --host=0.0.0.0]}",
     "35: models.a.args[1]: '--host' cannot be set here: swapd chooses it"),
    ("a: {path: /x, args: [--alias, b]}",
     "31: models.a.args[0]: '--alias' cannot be set here: it is the model's name"),
    ("a: {path: /x, args: [-m, b]}", "31: models.a.args[0]: '-m' cannot be set here: use 'path'"),
    ("a: {path: /x, args: [-np, 2]}", "31: models.a.args[0]: '-np' cannot be set here: use 'parallel'"),
    ("a: {path: /x, device: [CUDA0, auto]}",
     "40: models.a.device: 'auto' cannot stand beside other names: with it alone swapd chooses, else remove it"),
    ("a: {path: /x, health: health}", "32: models.a.health: 'health' is not a path: begin it with '/'"),
    ("a: {path: /x, env: {A=B: 1}}",
     "29: models.a.env.A=B: 'A=B' cannot be the name of a variable: it is a word without '='"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD, ids=[told for _, told in BAD])
def test_what_does_not_go_together_is_told(problems, text, told):
    assert problems(f"models: {{{text}}}") == [f"swapd.yaml:1:{told}"]


def test_a_command_may_take_its_port_from_the_environment(model):
    assert model("command: serve, env: {PORT: '${port}'}").launch.env == (("PORT", "${port}"),)


def test_a_stop_may_say_where_its_engine_listens(model):
    assert model("command: 'x ${socket}', stop: 'bye ${socket}'").terms.stop == ("bye", "${socket}")
    assert model("command: 'x ${port}', stop: 'bye ${host}:${port}'").terms.stop == ("bye", "${host}:${port}")


def test_a_command_may_begin_with_the_binary_that_is_found(model):
    made = model("command: '${binary} -m /x --port ${port} -t ${threads} --device ${device}'")
    words = ("${binary}", "-m", "/x", "--port", "${port}", "-t", "${threads}", "--device", "${device}")
    assert made.launch.argv == words


def test_a_ttl_beside_pinned_has_no_effect_and_a_default_one_is_no_matter(warnings):
    told = "models.m.ttl: has no effect: a pinned model stays; remove one"
    assert warnings("models: {m: {path: /dev/null, pinned: true, ttl: 5m}}") == [f"swapd.yaml:1:50: {told}"]
    assert warnings("defaults: {ttl: 5m}\nmodels: {m: {path: /dev/null, pinned: true}}") == []
    assert warnings("models: {m: {path: /dev/null, pinned: true, ttl: never}}") == []
