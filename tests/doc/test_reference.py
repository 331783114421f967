"""The reference of the book has every public class and function, and every estimator its chapters."""

import importlib.util
import re
from pathlib import Path

import pytest

import sklr

DOC = Path(__file__).parents[2] / "doc"
ESTIMATORS = [f"sklr.{package}.{name}" for name, package in sklr._ESTIMATORS.items()]


def load_chapters():
    spec = importlib.util.spec_from_file_location("chapters", DOC / "api" / "chapters.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


chapters = load_chapters()


def public():
    """Return the dotted names of what the public packages list."""
    return [f"sklr.{p}.{name}" for p in sklr._SUBPACKAGES for name in getattr(sklr, p).__all__]


def listed(text, *, with_pages):
    """Return the dotted names in the tables of a page: of those that make pages, or of the others."""
    names, module = [], ""
    for block in re.split(r"\n(?=\S)", text):
        if found := re.match(r"\.\. currentmodule:: (\S+)", block):
            module = found[1]
        if block.startswith(".. autosummary::") and (":toctree:" in block) == with_pages:
            rows = [line.strip() for line in block.splitlines()[1:]]
            names += [f"{module}.{row}" for row in rows if row and not row.startswith(":")]
    return names


def read(path):
    return path.read_text(encoding="utf-8")


def test_every_public_name_has_one_page():
    """A name that was added to a package and not to the book, or one that is gone; or listed twice."""
    found = [
        name for path in (DOC / "api").glob("sklr.*.rst") for name in listed(read(path), with_pages=True)
    ]
    assert sorted(found) == sorted(public())


@pytest.mark.parametrize("package", sklr._SUBPACKAGES)
def test_package_has_a_page_in_the_index(package):
    names = listed(read(DOC / "api" / f"sklr.{package}.rst"), with_pages=True)
    assert names and all(name.startswith(f"sklr.{package}.") for name in names)
    index = read(DOC / "api" / "index.rst")
    assert f":doc:`sklr.{package} <sklr.{package}>`" in index
    assert re.search(rf"^   sklr\.{package}$", index, flags=re.MULTILINE)


def test_index_has_every_estimator():
    assert sorted(listed(read(DOC / "api" / "index.rst"), with_pages=False)) == sorted(ESTIMATORS)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimator_has_chapters_that_speak_of_it(name):
    """A chapter by the default of its package does not count: it may say nothing of a new estimator."""
    assert name in chapters.NAMES
    for chapter in chapters.of(name):
        assert re.search(rf"\b{name.rpartition('.')[2]}\b", read(DOC / f"{chapter[1:]}.rst")), chapter


def test_table_of_chapters_has_public_names_only():
    assert set(chapters.NAMES) <= set(public())
    assert {f"sklr.{package}" for package in sklr._SUBPACKAGES} - {"sklr.linalg"} == set(chapters.PACKAGES)


@pytest.mark.parametrize("name", public())
def test_public_name_has_a_chapter(name):
    assert chapters.of(name)
    for chapter in chapters.of(name):
        assert (DOC / f"{chapter[1:]}.rst").is_file()


@pytest.mark.parametrize("folder", ["start", "guide", "course", "developers"])
def test_index_of_a_part_has_every_page(folder):
    toctree = read(DOC / folder / "index.rst").partition(".. toctree::")[2]
    pages = {
        line.strip() for line in toctree.splitlines() if line.strip() and not line.strip().startswith(":")
    }
    assert pages == {path.stem for path in (DOC / folder).glob("*.rst")} - {"index"}


def test_whats_new_has_every_estimator():
    text = read(DOC / "whats_new.rst")
    assert [name for name in ESTIMATORS if f"`{name}`" not in text] == []
