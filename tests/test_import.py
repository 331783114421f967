"""``import sklr`` is light, and every public name is reached through it."""

import importlib
import re
import subprocess
import sys
from types import ModuleType

import pytest

import sklr


def test_import_is_lazy():
    code = "import sys, sklr; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert "sklr" in loaded
    assert not {"numpy", "scipy", "sklearn", "joblib", "threadpoolctl"} & set(loaded)


@pytest.mark.parametrize("first", ["sklr.linalg", "sklr.sketch"])
def test_below_the_estimators_sklearn_is_not_loaded(first):
    code = f"import sys, {first}; print('sklearn' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


@pytest.mark.parametrize("name", sklr.__all__)
def test_public_name_resolves(name):
    assert getattr(sklr, name) is not None
    assert name in dir(sklr)


def test_dir_is_sorted_and_has_the_subpackages():
    assert dir(sklr) == sorted(dir(sklr))
    assert {"decomposition", "linalg", "sketch", "testing", "__version__"} <= set(dir(sklr))


def test_estimator_is_the_one_of_its_subpackage():
    from sklr.decomposition import RandomizedLowRank

    assert sklr.RandomizedLowRank is RandomizedLowRank


def test_every_public_estimator_is_in_the_table():
    from sklearn.base import BaseEstimator

    public = {
        name: package
        for package in sklr._SUBPACKAGES
        if package != "testing"
        for name in importlib.import_module(f"sklr.{package}").__all__
        if isinstance(obj := getattr(getattr(sklr, package), name), type) and issubclass(obj, BaseEstimator)
    }
    assert public == sklr._ESTIMATORS


@pytest.mark.parametrize("package", sklr._SUBPACKAGES)
def test_subpackage_lists_its_names(package):
    module = getattr(sklr, package)
    assert isinstance(module, ModuleType)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for name in module.__all__:
        assert not name.startswith("_")
        assert hasattr(module, name)


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'sklr' has no attribute 'RandomisedLowRank'"):
        sklr.RandomisedLowRank  # noqa: B018


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", sklr.__version__)
