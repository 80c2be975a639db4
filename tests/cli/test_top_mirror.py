"""What ``swapd top`` makes of the frames of ``/admin/live``."""

from __future__ import annotations

from swapd.cli.top.mirror import Mirror, ordered
from tests.cli.top_scenes import MOMENT, NOW, STATUS, ago, model


def begun(*models) -> Mirror:
    mirror = Mirror()
    mirror.hear("hello", {"now": NOW.isoformat(), "status": STATUS | {"models": list(models)}}, MOMENT)
    return mirror


def test_a_change_replaces_what_it_names_and_leaves_the_rest():
    mirror = begun(model("a"), model("b"))
    change = {"now": ago(-1), "status": {"generation": 4}, "models": [model("b", "ready")]}
    mirror.hear("change", change, MOMENT + 1)
    assert [mirror.models[name]["state"] for name in ("a", "b")] == ["cold", "ready"]
    assert (mirror.status["generation"], mirror.status["version"]) == (4, "0.1.0")


def test_names_bring_new_models_in_and_take_old_ones_out():
    mirror = begun(model("a"), model("b"))
    mirror.hear("change", {"now": ago(0), "models": [model("c")], "names": ["c", "a"]}, MOMENT)
    assert list(mirror.models) == ["c", "a"]


def test_the_time_is_the_daemons_and_goes_on_between_frames():
    mirror = begun()
    assert (mirror.clock.now(MOMENT + 5) - NOW).total_seconds() == 5


def test_requests_and_tokens_a_second_are_those_of_the_last_ten():
    mirror = begun()
    rows = [{"at": ago(0), "completion": 20}] * 4 + [{"at": ago(0), "completion": None}]
    mirror.hear("answered", {"requests": rows, "skipped": 45}, MOMENT)
    assert mirror.rate.per_second(MOMENT + 1) == (5.0, 8.0)
    assert mirror.rate.per_second(MOMENT + 11) == (0.0, 0.0)


def test_requests_of_before_are_not_counted():
    mirror = begun()
    mirror.hear("answered", {"requests": [{"at": ago(60)}] * 5, "skipped": 0}, MOMENT)
    assert mirror.rate.per_second(MOMENT) == (0.0, 0.0)


def test_events_that_come_again_after_a_reconnect_are_kept_once():
    mirror = begun()
    told = [{"type": "start", "at": ago(9 - n), "text": str(n)} for n in range(3)]
    for event in told:
        mirror.hear("told", event, MOMENT)
    mirror.hear("hello", {"now": NOW.isoformat(), "status": STATUS | {"models": []}}, MOMENT)
    for event in [*told, {"type": "start", "at": ago(0), "text": "new"}]:
        mirror.hear("told", event, MOMENT)
    assert [event["text"] for event in mirror.told] == ["0", "1", "2", "new"]


def test_events_are_bounded_and_those_up_to_a_number_can_be_had():
    mirror = begun()
    for n in range(1000):
        mirror.hear("told", {"type": "start", "at": None, "text": str(n)}, MOMENT)
    assert (len(mirror.told), mirror.count) == (500, 1000)
    assert [event["text"] for event in mirror.events(1000, 2)] == ["998", "999"]
    assert [event["text"] for event in mirror.events(700, 2)] == ["698", "699"]
    assert [event["text"] for event in mirror.events(501, 2)] == ["500", "501"]


def test_frames_of_a_later_version_are_left_alone():
    mirror = begun(model("a"))
    mirror.hear("bye", {"why": "swapd is shutting down"}, MOMENT)
    mirror.hear("something", {}, MOMENT)
    assert list(mirror.models) == ["a"]


def test_a_waiting_model_stands_among_those_that_are_up():
    found = ordered([model("b"), model("z", waiting=1), model("c", "ready")], "")
    assert [each["name"] for each in found] == ["c", "z", "b"]


def test_the_filter_finds_names_aliases_and_states():
    models = [model("Qwen"), model("b", aliases=["gpt-4o"]), model("c", "failed")]
    for wanted, name in (("qwe", "Qwen"), ("GPT", "b"), ("fail", "c")):
        assert [each["name"] for each in ordered(models, wanted)] == [name]
