"""Every public docstring has the form of numpydoc and tells the truth about the signature.

Public is what can be reached from the ``__all__`` of the public subpackages: classes with their public
methods and properties, and functions. What a class inherits from outside sklr is not looked at.
"""

import ast
import inspect
import re
from types import FunctionType, ModuleType

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import ERROR_MSGS, validate
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import RidgeClassifier
from sklearn.utils import get_tags

import sklr

# Codes of numpydoc that are not asked for, each with the reason.
EXCLUDED = {
    "GL01": "the summary stands on the line of the opening quotes",
    "ES01": "a summary that says all needs no second paragraph",
    "SA01": "there is not always something else to see",
    "SA04": "the name referred to often says enough",
    "RT02": "a returned array is given a name, by which its description refers to it",
    "PR08": "a description may start with a symbol or the name of a dtype",
    "RT04": "as PR08",
}
# Asked of a class or a function, not of each method or property: the example of the class shows them.
EXCLUDED_IN_METHODS = {"EX01": "shown in the example of the class"}


def is_named_tuple(obj):
    return isinstance(obj, type) and issubclass(obj, tuple) and hasattr(obj, "_fields")


def is_exception(obj):
    return isinstance(obj, type) and issubclass(obj, Exception)


def is_ours(obj):
    return (getattr(obj, "__module__", None) or "").partition(".")[0] == "sklr"


def public_objects(module):
    """Yield ``(dotted name, object)`` of what the ``__all__`` of a module lists, modules included."""
    yield module.__name__, module
    for name in module.__all__:
        obj = getattr(module, name)
        if isinstance(obj, ModuleType):
            yield from public_objects(obj)
        elif isinstance(obj, type) or callable(obj):
            yield f"{module.__name__}.{name}", obj


def members(cls):
    """Yield ``(name, object)`` of the public methods and properties that a class has from sklr."""
    fields = cls._fields if is_named_tuple(cls) else ()
    for name in dir(cls):
        if name.startswith("_") or name in fields:
            continue
        owner = next(klass for klass in cls.__mro__ if name in vars(klass))
        if not is_ours(owner):
            continue
        raw = vars(owner)[name]
        obj = raw if isinstance(raw, property) else getattr(cls, name)
        # The second test leaves out what scikit-learn puts into a class of ours, such as `set_fit_request`.
        if isinstance(obj, property) or (callable(obj) and not isinstance(obj, type) and is_ours(obj)):
            yield name, obj


def collect():
    """Return ``{dotted name: (object, is_method)}``, each object once."""
    found, seen = {}, set()
    for package in sklr._SUBPACKAGES:
        for path, obj in public_objects(getattr(sklr, package)):
            if id(obj) in seen:
                continue
            seen.add(id(obj))
            found[path] = obj, False
            for name, member in members(obj) if isinstance(obj, type) else ():
                code = getattr(member, "__func__", member)
                if id(code) not in seen:
                    seen.add(id(code))
                    found[f"{path}.{name}"] = member, True
    return found


PUBLIC = collect()
MODULES = [path for path, (obj, _) in PUBLIC.items() if isinstance(obj, ModuleType)]
OBJECTS = [path for path in PUBLIC if path not in MODULES]
NAMED_TUPLES = [path for path in OBJECTS if is_named_tuple(PUBLIC[path][0])]
EXCEPTIONS = [path for path in OBJECTS if is_exception(PUBLIC[path][0])]
# Whose parameters are compared: the two kinds above have no signature that a user calls.
CALLABLES = [
    path
    for path in OBJECTS
    if not isinstance(PUBLIC[path][0], property) and path not in NAMED_TUPLES and path not in EXCEPTIONS
]
ESTIMATORS = [path for path in OBJECTS if hasattr(PUBLIC[path][0], "__sklearn_tags__")]


def test_public_objects_are_found():
    assert "sklr.decomposition.RandomizedLowRank" in ESTIMATORS
    methods = {path.rpartition(".")[2] for path in CALLABLES if ".RandomizedLowRank." in path}
    assert {"fit", "transform"} <= methods
    assert not {"set_output", "get_params", "get_metadata_routing"} & methods  # scikit-learn's
    for package in sklr._SUBPACKAGES:
        assert any(path.startswith(f"sklr.{package}.") for path in OBJECTS), package


def test_excluded_codes_exist():
    assert set(EXCLUDED) | set(EXCLUDED_IN_METHODS) <= set(ERROR_MSGS)


@pytest.mark.parametrize("path", MODULES)
def test_module_has_a_summary(path):
    summary = (inspect.getdoc(PUBLIC[path][0]) or "").partition("\n\n")[0]
    assert summary and summary.endswith((".", ":"))


@pytest.mark.parametrize("path", OBJECTS)
def test_numpydoc(path):
    obj, is_method = PUBLIC[path]
    excluded = set(EXCLUDED) | (set(EXCLUDED_IN_METHODS) if is_method else set())
    if is_named_tuple(obj):
        # Shown in the example of the function that returns it; test_named_tuple compares its fields.
        excluded |= {"PR01", "PR02", "EX01"}
    if is_exception(obj):
        excluded |= {"EX01"}  # its message says what to do
    errors = [f"{code}: {text}" for code, text in validate(path)["errors"] if code not in excluded]
    assert not errors, "\n".join([path, *errors])


def documented(obj, section="Parameters"):
    """Return ``{name: (type, description)}`` of a section; ``x, y : int`` is two names."""
    entries = NumpyDocString(inspect.getdoc(obj) or "")[section]
    return {
        name.strip().lstrip("*"): (entry.type, " ".join(entry.desc))
        for entry in entries
        for name in entry.name.split(",")
    }


def signature(obj):
    """Return the parameters that a caller gives, in order."""
    parameters = dict(inspect.signature(obj).parameters)
    if isinstance(obj, FunctionType) and next(iter(parameters), None) in ("self", "cls"):
        del parameters[next(iter(parameters))]
    return parameters


def default_fault(kind, default):
    """Return what is wrong with a documented type, given the default in the signature, or None."""
    _, has, text = kind.partition("default=")
    text = text.strip()
    if default is inspect.Parameter.empty:
        return f"documents the default {text}, but there is none" if has else None
    if not has:
        # scikit-learn's word for a parameter that is there for the convention only.
        return None if kind == "Ignored" else f"does not document its default, default={default!r}"
    try:
        value = ast.literal_eval(text)
        same = type(value) is type(default) and value == default
    except (ValueError, SyntaxError):
        name = getattr(default, "__name__", None)
        same = text == repr(default) or (name is not None and text in (name, f"np.{name}", f"numpy.{name}"))
    return None if same else f"documents default={text}, but it is {default!r}"


@pytest.mark.parametrize("path", CALLABLES)
def test_parameters_are_those_of_the_signature(path):
    obj = PUBLIC[path][0]
    actual, described = signature(obj), documented(obj)
    assert list(described) == list(actual)
    found = {
        name: default_fault(kind, actual[name].default)
        for name, (kind, _) in described.items()
        if actual[name].kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }
    assert not any(found.values()), f"{path}: {found}"


@pytest.mark.parametrize("path", NAMED_TUPLES)
def test_named_tuple(path):
    obj = PUBLIC[path][0]
    assert list(documented(obj) or documented(obj, "Attributes")) == list(obj._fields)


def make(cls):
    """An estimator with the arguments that it cannot do without."""
    needed = {
        "embedding": TruncatedSVD(),
        "graph": np.diag(np.arange(1.0, 31.0)),
        "estimator": RidgeClassifier(),
        "param_grid": {"alpha": [1.0]},
    }
    given = {name: needed[name] for name, p in signature(cls).items() if p.default is p.empty}
    if "resource" in signature(cls):
        given["resource"] = "max_iter"  # of the estimator above
    return cls(**given)


def small_run(path):
    """An estimator fitted to 30 samples of 6 features, or to a graph of 30 nodes; and X."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((30, 6)), columns=list("abcdef"))
    estimator = make(PUBLIC[path][0])
    if get_tags(estimator).input_tags.pairwise:
        X = (X @ X.T).abs().rename(columns=str)
    if not get_tags(estimator).input_tags.two_d_array:
        X = pd.DataFrame({"a": np.arange(30)})  # ids
    return estimator.fit(X, np.arange(30) % 2), X


@pytest.mark.parametrize("path", ESTIMATORS)
def test_attributes_after_fit_are_documented(path):
    """What `fit` sets is documented; what is documented is there, or its description says "Only"."""
    estimator, _ = small_run(path)
    fitted = {name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")}
    described = documented(estimator, "Attributes")
    assert fitted <= set(described)
    for name in set(described) - fitted:
        assert hasattr(estimator, name) or "only" in described[name][1].lower(), f"{path}.{name} is not there"


def shape_fault(kind, shape, sizes):
    """Return what is wrong with a documented shape, or None. New names of sizes are added to `sizes`.

    Of several shapes in a documented type one has to fit.
    """
    if shape == () and kind.startswith("float or "):
        return None
    alternatives = [
        [size.strip().replace("_components_", "_components") for size in found.split(",") if size.strip()]
        for found in re.findall(r"\(([^()]*)\)", kind.partition("of shape")[2])
    ]
    for names in alternatives:
        expected = [size_of(name, sizes, actual) for name, actual in zip(names, shape, strict=False)]
        if len(names) == len(shape) and expected == list(shape):
            sizes |= dict(zip(names, shape, strict=True))
            return None
    return f"documented as {kind!r}, has shape {shape}, where {sizes}" if alternatives else None


def size_of(name, sizes, actual):
    """A number, a name or an expression of names; what is there, if a name is new."""
    if name in sizes:
        return sizes[name]
    try:
        return eval(name, {"__builtins__": {}}, dict(sizes))  # of our own docstrings
    except NameError:
        return actual


@pytest.mark.parametrize("path", ESTIMATORS)
def test_documented_shapes_hold(path):
    """A shape that is turned over, of another axis, or of a name that means two numbers in one class."""
    estimator, X = small_run(path)
    sizes = {"n_samples": 30, "n_nodes": 30, "n_features": X.shape[1], "n_features_in_": X.shape[1]}
    faults = []
    for name, (kind, _) in documented(estimator, "Attributes").items():
        value = getattr(estimator, name, None)
        if hasattr(value, "shape") and "of shape" in kind:
            faults.append((name, shape_fault(kind, value.shape, sizes)))
    results = {"fit_transform": None, "transform": None, "predict": None, "decision_function": None}
    for name in results:
        method = f"{path}.{name}"
        if method in PUBLIC and hasattr(estimator, name):
            found = getattr(estimator, name)(X)
            for kind, _ in documented(PUBLIC[method][0], "Returns").values():
                if "of shape" in kind:
                    faults.append((name, shape_fault(kind, found.shape, sizes)))
    assert faults, "no shape was compared"
    assert not [fault for fault in faults if fault[1] is not None]


@pytest.mark.parametrize(
    ("kind", "shape", "right"),
    [
        ("ndarray of shape (n_features,)", (6,), True),
        ("ndarray of shape (n_features,)", (5,), False),
        ("ndarray of shape (n_new, n_features)", (9, 6), True),
        ("ndarray of shape (n_features, n_new)", (9, 6), False),
        ("float or ndarray of shape (n_features,) or (n_new, n_features)", (2, 6), True),
        ("ndarray of shape (2 * n_features, 1)", (12, 1), True),
        ("ndarray of shape (n_features - 1,)", (6,), False),
        ("ndarray of shape (n_features,)", (6, 1), False),
    ],
)
def test_shape_fault(kind, shape, right):
    """A comparison that lets everything pass."""
    sizes = {"n_features": 6}
    assert (shape_fault(kind, shape, sizes) is None) == right
    assert set(sizes) <= {"n_features", "n_new", "2 * n_features", "1"}


@pytest.mark.parametrize(
    "kind, default, right",
    [
        ("int, default=2", 2, True),
        ("int, default=2", 3, False),
        ("int", 2, False),
        ("int", inspect.Parameter.empty, True),
        ("int, default=2", inspect.Parameter.empty, False),
        ('{"auto", "gram"}, default="auto"', "auto", True),
        ("{'auto', 'gram'}, default='gram'", "auto", False),
        ("bool, default=False", 0, False),
        ("bool, default=False", False, True),
        ("float, default=1e-3", 0.001, True),
        ("int or None, default=None", None, True),
        ("int or None, default=None", 1, False),
        ("dtype, default=float64", float, False),
        ("dtype, default=float", float, True),
        ("Ignored", None, True),
    ],
)
def test_default_fault(kind, default, right):
    assert (default_fault(kind, default) is None) == right
