"""Fixtures and settings of all tests.

Environment variables:

- ``CI``, when set: hypothesis runs derandomised, so that a run is a function of the code alone.
- ``SKLR_ALL_SEEDS=1``: fixture `seed` takes 0..99 instead of 0..9.
- ``SKLR_DATA``: the folder of the data sets; the tests that need it are skipped where it is not set.
"""

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: the first call of a test may load a library or start the thread pool.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(params=range(100 if os.environ.get("SKLR_ALL_SEEDS") == "1" else 10))
def seed(request):
    """Seed of a statistical test, which must pass for every one of 0..99, not for a lucky one.

    So each assertion that uses it has a derived failure probability of at most 1e-6.
    """
    return request.param


@pytest.fixture(scope="session")
def sklr_data():
    """Path of the folder that ``SKLR_DATA`` names; the test is skipped where it is not set."""
    name = os.environ.get("SKLR_DATA")
    if not name:
        pytest.skip("needs data sets: set SKLR_DATA to their folder")
    path = Path(name)
    if not path.is_dir():
        pytest.fail(f"SKLR_DATA={name!r} is not a folder")
    return path


@pytest.fixture(scope="session")
def ci_script():
    """Function that imports a script of ``.ci`` by its name; they are no package."""

    def load(name):
        path = Path(__file__).parents[1] / ".ci" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"ci_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
