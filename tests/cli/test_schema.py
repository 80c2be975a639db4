"""``swapd schema``: what editors complete and check the config by."""

from __future__ import annotations

import json

from swapd.config.jsonschema import json_schema


async def test_it_prints_the_schema(swapd):
    done = await swapd("schema")
    assert (done.exit_code, json.loads(done.stdout)) == (0, json_schema())


async def test_it_is_written_beside_the_config_and_editors_are_told(swapd, tmp_path):
    config, path = tmp_path / "swapd.yaml", tmp_path / "swapd.schema.json"
    config.write_text("models: {}\n")
    done = await swapd("schema", "--write")
    assert (done.exit_code, done.stdout) == (0, f"{path}\n")
    assert "# yaml-language-server: $schema=./swapd.schema.json" in done.stderr
    assert json.loads(path.read_text()) == json_schema()
    config.write_text("# yaml-language-server: $schema=./swapd.schema.json\nmodels: {}\n")
    path.write_text("of an older swapd")
    assert (await swapd("schema", "--write")).stderr == ""
    assert json.loads(path.read_text()) == json_schema()


async def test_without_a_config_there_is_nothing_to_write_beside(swapd):
    done = await swapd("schema", "--write")
    assert done.exit_code == 2
    assert "cannot find a config" in done.stderr
