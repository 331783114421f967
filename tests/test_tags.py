"""The table of doc/api/tags.rst has every public estimator and its tags."""

import csv
from operator import attrgetter
from pathlib import Path

import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.utils import get_tags

import sklr

# Arguments of those that cannot do without.
REQUIRED = {
    "GrowingSearchCV": {"estimator": sklr.SketchedRidgeClassifier()},
    "SketchSearchCV": {"estimator": sklr.SketchedRidgeClassifier(), "param_grid": {}},
    "TransductiveEmbedding": {"embedding": TruncatedSVD(), "graph": None},
}
TEXT = (Path(__file__).parents[1] / "doc" / "api" / "tags.rst").read_text(encoding="utf-8")


def table():
    """Return ``{estimator: {tag: text}}`` of the csv-table, the indented lines after its options."""
    body = TEXT.partition(".. csv-table::")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = csv.DictReader([line.strip() for line in body.splitlines()], skipinitialspace=True)
    return {row.pop("estimator"): row for row in rows}


def test_table_has_every_estimator():
    assert list(table()) == sorted(sklr._ESTIMATORS)


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
