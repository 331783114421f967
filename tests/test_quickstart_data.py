"""The data of the quickstart: a folder that does not hold them is said, not passed over."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[1] / "examples" / "quickstart.py"


@pytest.fixture(scope="module")
def quickstart():
    """The example as a module; it is not run."""
    spec = importlib.util.spec_from_file_location("quickstart", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("value", [None, ""])
def test_digits_where_nothing_is_asked_for(quickstart, value, monkeypatch, capsys):
    monkeypatch.delenv("SKLR_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("SKLR_DATA", value)
    assert quickstart.load()[0] == "scikit-learn's digits"
    assert capsys.readouterr().out == ""


def test_missing_file_is_said(quickstart, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SKLR_DATA", str(tmp_path))
    assert quickstart.load()[0] == "scikit-learn's digits"
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    for part in ("SKLR_DATA", str(tmp_path), "mnist_train_20k.npz", "digits"):
        assert part in said


def test_data_of_the_folder(quickstart, tmp_path, monkeypatch, capsys):
    (tmp_path / "images_mnist").mkdir()
    X, y = np.arange(12, dtype=np.uint8).reshape(4, 3), np.arange(4)
    np.savez(tmp_path / "images_mnist" / "mnist_train_20k.npz", X=X, y=y)
    monkeypatch.setenv("SKLR_DATA", str(tmp_path))
    name, found, labels, _ = quickstart.load()
    assert name == "MNIST" and found.dtype == np.float32 and capsys.readouterr().out == ""
    np.testing.assert_array_equal(found, X)
    np.testing.assert_array_equal(labels, y)
