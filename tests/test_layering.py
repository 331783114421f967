"""Imports go down only.

The floors, from the top: the packages of estimators, their plumbing, ``linalg``, ``sketch``, ``_backend``.
`faults` reads one module's source and says what it does that it may not:

1. A module imports from its own package and from lower floors, never from a higher one, and never from
   another package of its floor. The modules of the plumbing are one package in this sense.
2. Below the plumbing nothing imports scikit-learn.
3. Nothing imports `sklr.testing`, which itself may import everything.
4. ``sklr/__init__.py`` imports nothing of sklr or of the libraries under it; and nothing imports a lazy name
   from it, which would hide the floor.
5. Only `_backend` names ``memmap``: what a matrix is stored in makes no difference elsewhere.

Imports inside functions and under ``TYPE_CHECKING`` count, and so does ``import_module`` of a literal.
"""

import ast
from pathlib import Path

import pytest

import sklr

ROOT = Path(sklr.__file__).parent

ESTIMATORS = {
    "decomposition",
    "linear_model",
    "feature_selection",
    "sample_selection",
    "kernel_approximation",
    "graph",
    "outliers",
    "metrics",
    "model_selection",
    "inspection",
}
PLUMBING = {"base", "_checkpoint", "_validation", "_sklearn_compat"}
FLOORS = [{"_backend"}, {"sketch"}, {"linalg"}, PLUMBING, ESTIMATORS]
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names}
LIBRARIES = {"numpy", "scipy", "sklearn", "joblib", "threadpoolctl"}


def imports(tree, module, is_package):
    """Yield ``(line, target)`` of every import, the target absolute and as long as it is known."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                base = ".".join([*parents, base] if base else parents)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def mentions(tree, word):
    """Yield the line of every name, attribute or imported name that is `word`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == word:
            yield node.lineno
        elif isinstance(node, ast.Name) and node.id == word:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and any(alias.name == word for alias in node.names):
            yield node.lineno


def faults(source, module, is_package=False):
    """Return what the source of `module` (a dotted name) does that it may not, as a list of sentences."""
    tree = ast.parse(source)
    package = module.split(".")[1] if "." in module else None
    if package == "testing":
        return []
    if package is not None and package not in FLOOR:
        return [f"{module}: package {package!r} is on no floor; give it one in FLOORS"]
    found = []
    for line, target in imports(tree, module, is_package):
        here = f"{module}, line {line}: imports {target}"
        top, _, rest = target.partition(".")
        if package is None:
            if top == "sklr" or top in LIBRARIES:
                found.append(f"{here}: sklr/__init__.py is lazy")
            continue
        if top == "sklearn" and FLOOR[package] < FLOOR["base"]:
            found.append(f"{here}: {package} is below the estimators")
        if top != "sklr":
            continue
        other = rest.partition(".")[0]
        if other == "testing":
            found.append(f"{here}: sklr.testing is imported by nothing in sklr")
        elif other not in FLOOR:
            if other != "__version__":
                found.append(f"{here}: not a package on a floor")
        elif FLOOR[other] > FLOOR[package]:
            found.append(f"{here}: {other} is above {package}")
        elif FLOOR[other] == FLOOR[package] and other != package and not {other, package} <= PLUMBING:
            found.append(f"{here}: {other} is beside {package}")
    if package not in (None, "_backend"):
        found += [f"{module}, line {line}: memmap outside _backend" for line in mentions(tree, "memmap")]
    return found


def modules():
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = ["sklr", *path.relative_to(ROOT).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        found.append(pytest.param(path, is_package, id=".".join(parts[:-1] if is_package else parts)))
    return found


@pytest.mark.parametrize("path, is_package", modules())
def test_module_keeps_to_its_floor(path, is_package, request):
    module = request.node.callspec.id
    assert faults(path.read_text(encoding="utf-8"), module, is_package) == []


def test_every_floor_is_looked_at():
    seen = {name for name in FLOOR if (ROOT / name).is_dir()}
    assert {"_backend", "sketch", "linalg", "decomposition"} <= seen


@pytest.mark.parametrize(
    "module, source, reason",
    [
        ("sklr._backend.tiles", "from sklr.sketch import Gaussian", "sketch is above _backend"),
        ("sklr._backend.tiles", "import sklr.linalg.svd", "linalg is above _backend"),
        ("sklr._backend.tiles", "from ..linalg import svd", "linalg is above _backend"),
        ("sklr._backend.tiles", "from .. import sketch", "sketch is above _backend"),
        ("sklr.sketch.dense", "from sklr.linalg.plan import plan", "linalg is above sketch"),
        ("sklr.sketch.dense", "from sklr import linalg", "linalg is above sketch"),
        ("sklr.sketch.dense", "def f():\n    from sklr import linalg", "linalg is above sketch"),
        ("sklr.sketch.dense", "importlib.import_module('sklr.linalg')", "linalg is above sketch"),
        ("sklr.linalg.svd", "from sklr.base import SklrEstimator", "base is above linalg"),
        ("sklr.linalg.svd", "from sklr._validation import check", "_validation is above linalg"),
        ("sklr.base", "from sklr import decomposition", "decomposition is above base"),
        ("sklr.linear_model.ridge", "from sklr.decomposition import CUR", "decomposition is beside"),
        ("sklr.linear_model.ridge", "from ..decomposition import CUR", "decomposition is beside"),
        ("sklr.linalg.svd", "import sklearn", "linalg is below the estimators"),
        ("sklr.sketch.dense", "from sklearn.utils import check_array", "sketch is below the estimators"),
        ("sklr._backend.tiles", "try:\n    import sklearn.utils as u\nexcept ImportError: pass", "below"),
        ("sklr.decomposition.low_rank", "from sklr.testing import check", "imported by nothing"),
        ("sklr.linalg.svd", "from ..testing import check", "imported by nothing"),
        ("sklr.linalg.svd", "from sklr import RandomizedLowRank", "not a package on a floor"),
        ("sklr.linalg.svd", "import sklr", "not a package on a floor"),
        ("sklr.novelty.thing", "", "'novelty' is on no floor"),
        ("sklr.decomposition.low_rank", "isinstance(X, np.memmap)", "memmap outside _backend"),
        ("sklr.sketch.dense", "from numpy import memmap", "memmap outside _backend"),
        ("sklr.linalg.svd", "memmap('x')", "memmap outside _backend"),
    ],
)
def test_planted_fault_is_found(module, source, reason):
    found = faults(source, module)
    assert len(found) >= 1
    assert all(reason in sentence for sentence in found)


@pytest.mark.parametrize("source", ["from .decomposition import X", "import numpy", "import sklr.sketch"])
def test_planted_fault_in_the_lazy_root_is_found(source):
    (sentence,) = faults(source, "sklr", is_package=True)
    assert "lazy" in sentence


def test_relative_import_of_a_package_starts_in_the_package():
    assert faults("from .tiles import Tiles", "sklr._backend", is_package=True) == []
    assert faults("from ..linalg import svd", "sklr.sketch", is_package=True) != []


@pytest.mark.parametrize(
    "module, source",
    [
        ("sklr._backend.tiles", "import numpy as np\nnp.memmap\nfrom .streams import Stream"),
        ("sklr.sketch.dense", "from sklr._backend import Stream\nfrom . import _base"),
        ("sklr.linalg.svd", "from ..sketch import make_sketch\nimport scipy.linalg"),
        ("sklr.base", "import sklearn\nfrom ._validation import check\nfrom sklr import __version__"),
        (
            "sklr.decomposition.low_rank",
            "from sklearn.base import X\nfrom ..base import Y\nfrom .. import linalg",
        ),
        ("sklr.testing.sketch", "import sklearn, sklr\nfrom sklr.decomposition import X\nnp.memmap"),
        ("sklr", "import importlib"),
    ],
)
def test_what_is_allowed(module, source):
    assert faults(source, module) == []
