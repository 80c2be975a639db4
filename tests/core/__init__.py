"""The study's tests: plays, walks, and the laws that watch both."""

import pytest

pytest.register_assert_rewrite("tests.core.laws", "tests.core.naive", "tests.core.play", "tests.core.world")
