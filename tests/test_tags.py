"""The table of doc/api/tags.rst has every public estimator and its tags."""

import csv
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.utils import get_tags

import sklr
from sklr.linalg import RowChunks

# Arguments of those that cannot do without.
REQUIRED = {
    "GrowingSearchCV": {"estimator": sklr.SketchedRidgeClassifier()},
    "SketchSearchCV": {"estimator": sklr.SketchedRidgeClassifier(), "param_grid": {}},
    "TransductiveEmbedding": {"embedding": TruncatedSVD(), "graph": None},
}
TEXT = (Path(__file__).parents[1] / "doc" / "api" / "tags.rst").read_text(encoding="utf-8")


def table(which=1):
    """Return ``{estimator: {tag: text}}`` of a csv-table, the indented lines after its options."""
    body = TEXT.split(".. csv-table::")[which].partition("\n\n")[2].partition("\n\n")[0]
    rows = csv.DictReader([line.strip() for line in body.splitlines()], skipinitialspace=True)
    return {row.pop("estimator"): row for row in rows}


@pytest.mark.parametrize("which", [1, 2])
def test_table_has_every_estimator(which):
    assert list(table(which)) == sorted(sklr._ESTIMATORS)


@pytest.mark.parametrize("name", sklr._ESTIMATORS)
def test_tags_are_those_of_the_table(name):
    tags = get_tags(getattr(sklr, name)(**REQUIRED.get(name, {})))
    for tag, text in table()[name].items():
        group = tag.rpartition(".")[0]
        if group and attrgetter(group)(tags) is None:
            assert text == "-", tag  # no transformer
            continue
        value = attrgetter(tag)(tags)
        assert text == (" ".join(value) if isinstance(value, list) else str(value)), tag


def reads_chunks(estimator):
    """Whether an estimator takes rows that come chunk by chunk."""
    tags = get_tags(estimator)
    X = np.abs(np.random.default_rng(0).standard_normal((40, 6)))
    X = X @ X.T if tags.input_tags.pairwise else X
    chunks = RowChunks(lambda: iter((X[:25], X[25:])), X.shape, X.dtype)
    try:
        estimator.fit(chunks, np.arange(40) % 2)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("name", sklr._ESTIMATORS)
def test_what_they_can_do(name):
    kind = getattr(sklr, name)
    estimator = kind(**REQUIRED.get(name, {}))
    tags = get_tags(estimator)
    found = {
        "pairwise": tags.input_tags.pairwise,
        "multi-output": tags.target_tags.multi_output
        or (tags.classifier_tags is not None and tags.classifier_tags.multi_label),
        "streaming": hasattr(kind, "partial_fit"),
        "in chunks": name != "TransductiveEmbedding" and reads_chunks(estimator),  # whose X are ids
        "nested": hasattr(kind, "fit_path"),
    }
    assert table(2)[name] == {column: str(value) for column, value in found.items()}
