"""Problems: their order, their text, what is told once."""

from __future__ import annotations

from swapd.config.problems import Place, Problem, Problems, did_you_mean


def test_a_problem_reads_as_file_line_column_key_message():
    assert str(Problem("a.yaml", 3, 5, "models.x.ttl", "is odd")) == "a.yaml:3:5: models.x.ttl: is odd"


def test_a_problem_of_the_whole_file_has_no_key():
    assert str(Problem("a.yaml", 1, 1, "", "is empty")) == "a.yaml:1:1: is empty"


def test_problems_are_sorted_by_file_then_place():
    found = Problems()
    for place in (Place("main", 9, 1), Place("more", 1, 1), Place("main", 2, 7), Place("main", 2, 3)):
        found.add(place, "k", "m")
    assert [(p.file, p.line, p.column) for p in found.sorted()] == [
        ("main", 2, 3), ("main", 2, 7), ("main", 9, 1), ("more", 1, 1),
    ]  # fmt: skip


def test_what_one_value_does_wrong_is_told_once():
    found = Problems()
    assert not found
    found.add(Place("f"), "defaults.ttl", "is odd")
    found.add(Place("f"), "models.a.ttl", "is odd")
    found.add(Place("f"), "models.a.ttl", "is even")
    assert found
    assert [(p.key, p.message) for p in found.sorted()] == [
        ("defaults.ttl", "is odd"),
        ("models.a.ttl", "is even"),
    ]


def test_the_closest_known_name_is_suggested_whatever_its_case():
    assert did_you_mean("GPU_Layer", ["threads", "gpu_layers"]) == " (did you mean 'gpu_layers'?)"
    assert did_you_mean("zzz", ["threads", "gpu_layers"]) == ""
