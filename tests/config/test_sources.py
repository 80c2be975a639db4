"""A config in several files."""

from __future__ import annotations

from pathlib import PurePath

MAIN = "macros: {g: /srv}\ninclude: [models.d/*.yaml]\nmodels: {a: {path: /x}}\n"


def test_included_models_join_in_sorted_order_and_know_the_macros(loaded, tmp_path):
    folder = tmp_path / "models.d"
    folder.mkdir()
    (folder / "2.yaml").write_text("models: {c: {path: '${g}/c'}}")
    (folder / "1.yaml").write_text("models: {b: {path: '${g}/b'}}")
    (folder / ".#1.yaml").write_text("an editor's lock: [")
    (folder / "notes.txt").write_text("[")
    found = loaded(MAIN)
    assert list(found.catalog.models) == ["a", "b", "c"]
    assert "/srv/c" in found.catalog.models["c"].launch.argv
    assert found.files == (tmp_path / "swapd.yaml", folder / "1.yaml", folder / "2.yaml")
    assert found.folders == (folder,)


def test_a_pattern_that_matches_nothing_is_no_problem(loaded, tmp_path):
    found = loaded(MAIN)
    assert found.problems == ()
    assert found.folders == (tmp_path / "models.d",)


def test_a_file_that_is_named_must_exist(problems):
    assert problems("include: [b.yaml]\nmodels: {}") == [
        "swapd.yaml:1:11: include: there is no file 'b.yaml': create it or remove it here"
    ]


def test_a_file_that_is_missing_is_still_to_be_watched(loaded, tmp_path):
    assert tmp_path / "b.yaml" in loaded("include: [b.yaml]\nmodels: {}").files


def test_a_file_is_read_once_and_the_config_never_includes_itself(loaded, tmp_path):
    found = loaded("include: ['*.yaml', more.yaml]\nmodels: {a: {path: /x}}", more="models: {b: {path: /x}}")
    assert found.problems == ()
    assert found.files == (tmp_path / "swapd.yaml", tmp_path / "more.yaml")


def test_many_files_are_not_each_compared_with_all_others(loaded, tmp_path, monkeypatch):
    compared = 0
    equal = PurePath.__eq__

    def counted(one: PurePath, other: object) -> bool:
        nonlocal compared
        compared += 1
        return equal(one, other)

    (tmp_path / "models.d").mkdir()
    for n in range(100):
        (tmp_path / "models.d" / f"{n}.yaml").write_text("{}")
    monkeypatch.setattr(PurePath, "__eq__", counted)
    assert len(loaded(MAIN).files) == 101
    assert compared < 300


def test_a_model_given_twice_is_told_with_both_places(problems):
    assert problems("include: more.yaml\nmodels: {a: {path: /x}}", more="models:\n  a: {path: /y}\n") == [
        "more.yaml:2:3: models.a: 'a' is already given at swapd.yaml:2:10: rename or remove one"
    ]


def test_an_included_file_holds_only_models(problems):
    assert problems("include: more.yaml\nmodels: {}", more="modls: {}\nlisten: x\n") == [
        "more.yaml:1:1: modls: an included file holds only 'models' (did you mean 'models'?): move 'modls' to the "
        "main file",
        "more.yaml:2:1: listen: an included file holds only 'models': move 'listen' to the main file",
    ]


def test_problems_of_an_included_file_are_told_in_its_name(problems):
    assert problems("include: more.yaml\nmodels: {}", more="models: {b: {path: /x, ttl: 1y}}") == [
        "more.yaml:1:29: models.b.ttl: '1y' is not a duration: write it like 500ms, 30s, 15m, 1h or 2d, or never"
    ]
    assert problems("include: more.yaml\nmodels: {}", more="") == [
        "more.yaml:1:1: the file is empty: it needs at least 'models:'"
    ]


def test_a_pattern_that_cannot_be_matched_is_told(problems):
    (told,) = problems("include: 'a/**b/*.yaml'\nmodels: {}")
    assert told.startswith("swapd.yaml:1:10: include: 'a/**b/*.yaml' cannot be matched: ")


def test_models_must_be_a_mapping(problems):
    assert problems("models: [a]") == ["swapd.yaml:1:9: models: must be a mapping of names, not a list"]
