"""How an engine's process stands with the kernel, whether it comes back, and whether it outlives its daemon."""

from __future__ import annotations

import pytest

from swapd.config import standing
from swapd.core.spec import Restart, Standing

RAW = "command: 'sh ${port}'"
NO_UMASK = "is no umask: write it in octal, with three or four digits, like 0027"

RIGHT = {
    "nice: -20": Standing(nice=-20),
    "nice: 19": Standing(nice=19),
    "cpus: 3": Standing(cpus=(3,)),
    "cpus: '0-3,8'": Standing(cpus=(0, 1, 2, 3, 8)),
    "cpus: ' 8 , 0-1 '": Standing(cpus=(0, 1, 8)),
    "cpus: [8, 0-1, '1-2,5']": Standing(cpus=(0, 1, 2, 5, 8)),
    "cpus: []": Standing(),
    "oom_score_adj: -1000": Standing(oom_score_adj=-1000),
    "oom_score_adj: 1000": Standing(oom_score_adj=1000),
    "umask: 0027": Standing(umask=0o027),
    "umask: '077'": Standing(umask=0o077),
}

WRONG = [
    ("nice: 20", "1:20: models.m.nice: 20 is too large: the most is 19"),
    ("nice: -21", "1:20: models.m.nice: -21 is too small: the least is -20"),
    ("nice: low", "1:20: models.m.nice: 'low' is not a whole number"),
    ("nise: 5", "1:14: models.m.nise: there is no key 'nise' here (did you mean 'nice'?)"),
    ("oom_score_adj: 1001", "1:29: models.m.oom_score_adj: 1001 is too large: the most is 1000"),
    ("cpus: all", "1:20: models.m.cpus: 'all' names no CPUs: write it like 0-3,8"),
    ("cpus: '0,'", "1:20: models.m.cpus: '0,' names no CPUs: write it like 0-3,8"),
    ("cpus: 3-1", "1:20: models.m.cpus: '3-1' runs backwards: write 1-3"),
    ("cpus: 9000", "1:20: models.m.cpus: there is no CPU 9000: no machine has more than 8192"),
    ("cpus: [0, -1]", "1:24: models.m.cpus[1]: '-1' names no CPUs: write it like 0-3,8"),
    ("umask: 27", f"1:21: models.m.umask: '27' {NO_UMASK}"),
    ("umask: 1777", f"1:21: models.m.umask: '1777' {NO_UMASK}"),
    ("umask: 0o27", f"1:21: models.m.umask: '0o27' {NO_UMASK}"),
    ("restart: alwys",
     "1:23: models.m.restart: 'alwys' is not one of auto, always, never (did you mean 'always'?)"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "stands"), RIGHT.items(), ids=RIGHT)
def test_it_is_part_of_the_launch(model, keys, stands):
    assert model(f"{RAW}, {keys}").launch.standing == stands
    assert model(f"path: /x, {keys}").launch.standing == stands


@pytest.mark.parametrize(("keys", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_is_wrong_is_told_at_its_place(problems, keys, told):
    assert problems(f"models: {{m: {{{keys}, {RAW}}}}}") == [f"swapd.yaml:{told}"]


def test_the_defaults_may_say_it_and_a_model_says_it_better(spec):
    text = f"defaults: {{nice: 5, cpus: 0, restart: always}}\nmodels: {{m: {{{RAW}, cpus: []}}}}"
    made = spec(text)
    assert made.launch.standing == Standing(nice=5)
    assert made.terms.restart is Restart.ALWAYS
    assert spec(text.replace("cpus: []", "ttl: 5m")).launch.standing == Standing(nice=5, cpus=(0,))


def test_what_runs_elsewhere_has_none_of_it_and_inherits_none(problems, spec):
    told = "has no effect beside 'url': swapd neither starts nor stops what somebody else runs; remove it"
    for keys in ("nice: 5", "cpus: 0", "oom_score_adj: 5", "umask: 0027", "restart: always"):
        key = keys.partition(":")[0]
        assert problems(f"models: {{m: {{url: 'http://h', {keys}}}}}") == [
            f"swapd.yaml:1:31: models.m.{key}: {told}"
        ]
    below = "nice: 5, cpus: 0, oom_score_adj: 5, umask: 0027, restart: always"
    made = spec(f"defaults: {{{below}}}\nmodels: {{m: {{url: 'http://h'}}}}")
    assert (made.launch.standing, made.terms.restart) == (Standing(), Restart.AUTO)


@pytest.mark.parametrize("word", [restart.value for restart in Restart])
def test_whether_it_comes_back_is_one_of_the_terms(model, word):
    assert model(f"{RAW}, restart: {word}").terms.restart is Restart(word)
    assert model(RAW).terms.restart is Restart.AUTO


def test_a_cpu_that_is_not_there_is_a_warning_at_its_place(warnings, monkeypatch):
    monkeypatch.setattr(standing, "online", lambda: (0, 1))
    told = "models.m.cpus: this machine has no CPU {}, its last is 1: mend it, or remove it"
    assert warnings(f"models: {{m: {{{RAW}, cpus: 0-3}}}}") == [f"swapd.yaml:1:43: {told.format(2)}"]
    assert warnings(f"models: {{m: {{{RAW}, cpus: [0, '1,7']}}}}") == [f"swapd.yaml:1:47: {told.format(7)}"]
    assert warnings(f"models: {{m: {{{RAW}, cpus: 0-1}}}}") == []


def test_a_tool_that_is_not_installed_is_a_warning(warnings, tmp_path):
    (tmp_path / "sh").touch(0o755)
    text = f"models: {{m: {{{RAW}, nice: 5, cpus: 0, oom_score_adj: 5, umask: 0027}}}}"
    told = (
        "there is no program '{}', which sets it: install util-linux, or remove it; "
        "until then the model cannot be started"
    )
    assert warnings(text, environ={"PATH": str(tmp_path)}) == [
        f"swapd.yaml:1:43: models.m.nice: {told.format('renice')}",
        f"swapd.yaml:1:52: models.m.cpus: {told.format('taskset')}",
    ]


def test_the_cpus_of_the_machine_are_those_the_kernel_has_switched_on(tmp_path, monkeypatch):
    assert 0 in standing.online()
    monkeypatch.setattr(standing, "_ONLINE", tmp_path / "online")
    (tmp_path / "online").write_text("0-2,4\n")
    assert standing.online() == (0, 1, 2, 4)
    (tmp_path / "online").write_text("")
    assert standing.online()[0] == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 60), ("adoption: 5m", 300), ("adoption: never", None), ("adoption: 0s", None)]
)
def test_engines_outlive_a_dead_daemon_for_a_while_or_not_at_all(loaded, text, seconds):
    assert loaded(f"{text}\nmodels: {{}}").settings.adoption == seconds


def test_how_long_they_do_is_a_duration(problems):
    assert problems("adoption: nevr\nmodels: {}") == [
        "swapd.yaml:1:11: adoption: 'nevr' is not a duration: write it like 500ms, 30s, 15m, 1h or 2d, or never "
        "(did you mean 'never'?)"
    ]
