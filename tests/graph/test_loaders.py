"""Graphs from edges, files and NetworkX, against matrices filled edge by edge."""

import builtins
import gzip
import sys
import types

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone

from sklr.graph import Graph, from_edges, from_networkx, read_edges


def by_loop(edges, labels, weights=None, directed=False):
    """The adjacency matrix, filled edge by edge."""
    position = {label: at for at, label in enumerate(labels)}
    A = np.zeros((len(labels), len(labels)))
    for at, (i, j) in enumerate(edges):
        w = 1.0 if weights is None else weights[at]
        A[position[i], position[j]] += w
        if not directed and i != j:
            A[position[j], position[i]] += w
    return A


def is_canonical(A):
    fresh = sparse.csr_array((A.data, A.indices, A.indptr), shape=A.shape)
    return isinstance(A, sparse.csr_array) and fresh.has_canonical_format and A.data.all()


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["int", "text", "tuple"])
def test_equals_a_loop(kind, weighted, directed):
    """Lost duplicates, self-loops twice on the diagonal, one direction only, labels out of step."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 12, (60, 2)) * 7 - 20
    make = {"int": int, "text": lambda i: f"n{i}", "tuple": lambda i: (int(i), "x")}[kind]
    edges = [(make(i), make(j)) for i, j in numbers]
    assert any(i == j for i, j in edges) and len(set(edges)) < len(edges)
    weights = rng.random(60) if weighted else None
    graph = from_edges(edges, weight=weights, directed=directed)
    labels = sorted({label for edge in edges for label in edge})
    assert graph.labels.tolist() == labels and graph.column_labels is None
    assert graph.labels.dtype.kind == {"int": "i", "text": "U", "tuple": "O"}[kind]
    assert is_canonical(graph.adjacency)
    np.testing.assert_allclose(
        graph.adjacency.toarray(), by_loop(edges, labels, weights, directed), rtol=1e-14
    )
    if not directed:
        np.testing.assert_array_equal(graph.adjacency.toarray(), graph.adjacency.toarray().T)


@pytest.mark.parametrize("seed", range(10))
def test_undirected_sums_are_exactly_symmetric(seed):
    """Sums of the same weights in two orders, which differ in the last bit."""
    rng = np.random.default_rng(seed)
    A = from_edges(rng.integers(0, 3, (50, 2)), weight=rng.random(50)).adjacency.toarray()
    np.testing.assert_array_equal(A, A.T)


def test_order_of_the_list_makes_no_difference():
    """Labels in order of appearance, which would make two graphs of one shuffled file."""
    rng = np.random.default_rng(0)
    edges = rng.integers(0, 30, (100, 2))
    one, two = from_edges(edges), from_edges(rng.permutation(edges))
    np.testing.assert_array_equal(one.labels, two.labels)
    assert (one.adjacency != two.adjacency).nnz == 0


TABLE = {"source": [3, 1, 3], "target": [1, 2, 1], "w": [0.5, 2.0, 0.25]}


@pytest.mark.parametrize(
    "make",
    [dict, pd.DataFrame, pl.DataFrame, lambda t: {k: pd.Series(v, index=[9, 8, 7]) for k, v in t.items()}],
    ids=["dict", "pandas", "polars", "series"],
)
def test_tables(make):
    """A column that is found by position or by the index of a Series."""
    graph = from_edges(make(TABLE), weight="w")
    np.testing.assert_array_equal(graph.labels, [1, 2, 3])
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 2, 0.75], [2, 0, 0], [0.75, 0, 0]][:3])
    turned = from_edges(make(TABLE), source="target", target="source", directed=True)
    np.testing.assert_array_equal(turned.adjacency.toarray(), [[0, 0, 2], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("dtype", ["category", "string", object])
def test_pandas_text_columns(dtype):
    """Text of pandas' own types that becomes objects, codes or strings of them."""
    frame = pd.DataFrame({"source": ["b", "a"], "target": ["c", "b"]}).astype(dtype)
    np.testing.assert_array_equal(from_edges(frame).labels, np.array(["a", "b", "c"]))


def test_columns_of_an_array():
    """Weights of a third column taken for nothing; whole floats as labels 0.0, 1.0."""
    edges = np.array([[0, 1, 0.5], [1, 2, 0.25]])
    graph = from_edges(edges, weight=2)
    assert graph.labels.dtype == np.int64
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 0.5, 0], [0.5, 0, 0.25], [0, 0.25, 0]])
    with pytest.raises(ValueError, match="edges has 3 columns"):
        from_edges(edges)


def test_bipartite():
    """Equal labels on both sides as one node, or sides exchanged."""
    graph = from_edges([(1, "b"), (2, "a"), (2, "a")], bipartite=True)
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 1], [2, 0]])
    assert graph.labels.tolist() == [1, 2] and graph.column_labels.tolist() == ["a", "b"]
    same = from_edges([(5, 5), (6, 5)], bipartite=True)
    np.testing.assert_array_equal(same.adjacency.toarray(), [[1], [1]])
    given = from_edges([(5, 5), (6, 5)], bipartite=True, nodes=([6, 4, 5], None))
    np.testing.assert_array_equal(given.adjacency.toarray(), [[1], [0], [1]])


@pytest.mark.parametrize("nodes", [[2, 9, 0, 1], np.array([2.0, 9.0, 0.0, 1.0]), pd.Index([2, 9, 0, 1])])
def test_nodes_give_order_and_isolated_nodes(nodes):
    """Nodes without an edge dropped, or `nodes` sorted on the way."""
    graph = from_edges([(0, 1), (1, 2)], nodes=nodes)
    np.testing.assert_array_equal(graph.labels, [2, 9, 0, 1])
    np.testing.assert_array_equal(graph.adjacency.toarray(), by_loop([(0, 1), (1, 2)], [2, 9, 0, 1]))


def test_large_integers():
    """Ids beyond 2^53, which differ as integers and are equal as floats; unsigned ones beside signed ones."""
    big = 2**60
    graph = from_edges([(big, big + 1), (big + 1, big + 2)])
    assert graph.labels.tolist() == [big, big + 1, big + 2]
    table = {"source": np.array([2**63 + 1], dtype=np.uint64), "target": np.array([2**60 + 1])}
    assert from_edges(table).labels.tolist() == [2**60 + 1, 2**63 + 1]


def test_zero_weight_is_no_edge():
    """An explicit zero in the matrix, or its node lost."""
    graph = from_edges([(0, 1), (1, 2)], weight=[0.0, 1.0])
    assert graph.adjacency.nnz == 2 and len(graph.labels) == 3
    assert from_edges([(0, 1), (1, 2)], weight=[0.0, 1.0], directed=True).adjacency.nnz == 1


def test_float32():
    """float64 where float32 was asked for; sums made in float32; infinite weights after rounding."""
    graph = from_edges([(0, 1)] * 3, weight=[2.0**24, 1.0, 1.0], dtype=np.float32)
    assert graph.adjacency.dtype == np.float32 and graph.adjacency[0, 1] == 2**24 + 2
    with pytest.raises(ValueError, match="more than float32 holds"):
        from_edges([(0, 1)], weight=[1e200], dtype=np.float32)


@pytest.mark.parametrize(
    "edges, options, error, message",
    [
        ([], {}, ValueError, "empty"),
        ([(0, 1), (1, 2, 3)], {}, ValueError, r"\(1, 2, 3\) at position 1"),
        ([0, 1], {}, ValueError, "pairs"),
        (np.arange(4), {}, ValueError, r"got \(4,\)"),
        ([("a", None)], {}, ValueError, "target.*no label at position 0"),
        ([("a", "b"), (np.nan, "b")], {}, ValueError, "source.*no label at position 1"),
        (pd.DataFrame({"source": ["a"], "target": [pd.NA]}), {}, ValueError, "no label"),
        ([(0, "a")], {}, TypeError, "cannot be sorted"),
        ([(0, 1)], {"weight": [-1.0]}, ValueError, r"not negative, got -1\.0 at position 0"),
        ([(0, 1)], {"weight": [np.nan]}, ValueError, "finite"),
        ([(0, 1)], {"weight": [1.0, 2.0]}, ValueError, r"shape \(1,\)"),
        ([(0, 1)], {"weight": ["x"]}, TypeError, "numbers"),
        ([(0, 1)], {"weight": 2}, ValueError, "weight=2 is no column"),
        ([(0, 1)], {"weight": "w"}, TypeError, "position of a column"),
        (TABLE, {"weight": "weight"}, ValueError, "no column of edges, which has"),
        ({"source": [1, 2], "target": [1]}, {}, ValueError, "2 sources, but 1 targets"),
        ([(0, 1)], {"directed": True, "bipartite": True}, ValueError, "directed"),
        ([(0, 1)], {"nodes": [0, 2]}, ValueError, "unknown node 1 at position 1"),
        ([(0, 1)], {"nodes": ["0", "1"]}, ValueError, "known nodes are '0', '1'"),
        ([(0, 1)], {"nodes": [0, 1, 1]}, ValueError, "1 is there twice"),
        ([(0, 1)], {"nodes": []}, ValueError, "nodes is empty"),
        ([(0, 1)], {"nodes": [0, 1], "bipartite": True}, ValueError, "known nodes|pair"),
        ([(0, 1)], {"dtype": int}, ValueError, "float32 or float64"),
    ],
)
def test_bad_edges(edges, options, error, message):
    """A wrong graph, or an error that does not say where."""
    with pytest.raises(error, match=message):
        from_edges(edges, **options)


def test_clone_shares_the_graph():
    """A deep copy of the adjacency matrix for every candidate of a search."""
    graph = from_edges([(0, 1)])
    assert clone(graph, safe=False) is graph


# -- files ------------------------------------------------------------------------------------


@pytest.fixture(params=["pandas", "numpy"])
def reader(request, monkeypatch):
    """`read_edges` with and without pandas."""
    if request.param == "numpy":
        real = builtins.__import__

        def without_pandas(name, *args, **kwargs):
            if name.partition(".")[0] == "pandas":
                raise ImportError(name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without_pandas)
    return read_edges


def written(folder, text, name="edges.txt"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


FILES = {
    # text, options, labels, edges, weights
    "SNAP": (
        "# nodes: 3\n\n10 9\n  9\t11  \n10 9 # again\n",
        {},
        [9, 10, 11],
        [(10, 9), (9, 11), (10, 9)],
        None,
    ),
    "text": ("ann bob\nbob 7\n", {}, ["7", "ann", "bob"], [("ann", "bob"), ("bob", "7")], None),
    "NA": ("NA null\nTrue nan\n", {}, ["NA", "True", "nan", "null"], [("NA", "null"), ("True", "nan")], None),
    "quoted": ('"a b" c\n', {}, ["a b", "c"], [("a b", "c")], None),
    "csv": ("1,2,.5\n3, 1,2\n", {"delimiter": ",", "weight": 2}, [1, 2, 3], [(1, 2), (3, 1)], [0.5, 2.0]),
    "header": (
        "w,from,to\n1e1,é,b\n3,b,c\n",
        {"delimiter": ",", "header": True, "source": "from", "target": "to", "weight": "w"},
        ["b", "c", "é"],
        [("é", "b"), ("b", "c")],
        [10.0, 3.0],
    ),
    "other columns": ("1 2 0.3 99\n", {}, [1, 2], [(1, 2)], None),
    "comment and header": (
        "% made\n\na b\n% more\n1 2\n",
        {"comment": "%", "header": True},
        [1, 2],
        [(1, 2)],
        None,
    ),
    "spaces around text": (
        "a, b\nb ,c\n",
        {"delimiter": ","},
        ["a", "b", "c"],
        [("a", "b"), ("b", "c")],
        None,
    ),
    "floats are text": ("1.0 2\n", {}, ["1.0", "2"], [("1.0", "2")], None),
    "large": (
        "9223372036854775808 1\n",
        {},
        ["1", "9223372036854775808"],
        [("9223372036854775808", "1")],
        None,
    ),
    "underscore": ("1_0 2\n", {}, ["1_0", "2"], [("1_0", "2")], None),
    "no end of line": ("1 2", {}, [1, 2], [(1, 2)], None),
}


@pytest.mark.parametrize("case", FILES)
def test_files(case, reader, tmp_path):
    """Labels read as missing or as numbers that are text, columns or lines mixed up; pandas unlike NumPy."""
    text, options, labels, edges, weights = FILES[case]
    graph = reader(written(tmp_path, text), **options)
    assert graph.labels.tolist() == labels
    np.testing.assert_array_equal(graph.adjacency.toarray(), by_loop(edges, labels, weights))


def test_bipartite_file(reader, tmp_path):
    """Numbers of one side that become text because the other side is."""
    graph = reader(written(tmp_path, "10 a\n9 b\n"), bipartite=True)
    assert graph.labels.tolist() == [9, 10] and graph.column_labels.tolist() == ["a", "b"]


def test_options_are_handed_on(reader, tmp_path):
    """`directed`, `nodes` or `dtype` accepted and ignored."""
    graph = reader(written(tmp_path, "0 1\n"), directed=True, nodes=[2, 1, 0], dtype=np.float32)
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert graph.adjacency.dtype == np.float32


def test_packed_file(reader, tmp_path):
    """Packed bytes taken for text."""
    with gzip.open(tmp_path / "edges.txt.gz", "wt") as file:
        file.write("1 2\n2 3\n")
    assert reader(tmp_path / "edges.txt.gz").adjacency.nnz == 4


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("# c\n1 2\n\n3\n", {}, "line 4: expected 2 fields"),
        ("1 2\n3 4 5\n", {}, "line 2: expected 2 fields"),
        ("a,b\n1,2\n3,4,5\n", {"delimiter": ",", "header": True}, "line 3: expected 2 fields"),
        ("a,b\n1,2,3\n", {"delimiter": ",", "header": True}, "line 2: expected 2 fields"),
        ("1,2\n,4\n", {"delimiter": ","}, "line 2: field 1 is empty"),
        ("1 2 1\n3 4 x\n", {"weight": 2}, "line 2: the weight .*'x'"),
        ("1 2 1\n3 4 nan\n", {"weight": 2}, "line 2: the weight .*'nan'"),
        ("1 2 1\n#\n3 4 -1\n", {"weight": 2}, "line 3: the weight .*'-1'"),
        ("a,b,w\n1,2,x\n", {"delimiter": ",", "header": True, "weight": "w"}, "line 2: the weight .*'x'"),
        ("# nothing\n", {}, "no edges"),
        ("a b\n", {"header": True}, "no edges|empty|cannot be read"),
        ("1 2\n", {"weight": 2}, "weight=2 is no column"),
        ("1,2\n", {}, "target=1 is no column.*delimiter=None"),
        ("a b\n1 2\n", {"header": True, "source": "c"}, r"source='c' is no column .*\['a', 'b'\]"),
    ],
)
def test_bad_files(text, options, message, reader, tmp_path):
    """A short line filled up, a long one cut off, a message without the line."""
    with pytest.raises(ValueError, match=message):
        reader(written(tmp_path, text), **options)


def test_names_need_a_header(reader, tmp_path):
    """A name that is looked for in the first edge."""
    with pytest.raises(TypeError, match="header=True"):
        reader(written(tmp_path, "a b\n"), source="a")
    with pytest.raises(FileNotFoundError):
        reader(tmp_path / "missing.txt")


# -- NetworkX ---------------------------------------------------------------------------------


class StandIn:
    """What `from_networkx` needs of a graph."""

    def __init__(self, A, nodes):
        self.A, self.nodes = A, nodes

    def __iter__(self):
        return iter(self.nodes)


@pytest.fixture
def stand_in(monkeypatch):
    """A module `networkx` with the one function that is called; it keeps its arguments."""
    module, calls = types.ModuleType("networkx"), []

    def to_scipy_sparse_array(G, nodelist=None, dtype=None, weight="weight", format="csr"):
        calls.append({"nodelist": nodelist, "weight": weight})
        rows = [G.nodes.index(node) for node in nodelist]
        return sparse.csr_array(G.A[np.ix_(rows, rows)])

    module.to_scipy_sparse_array = to_scipy_sparse_array
    monkeypatch.setitem(sys.modules, "networkx", module)
    return calls


def test_stand_in_for_networkx(stand_in):
    """Labels out of step with the rows, integers as weights, `weight` or `nodes` dropped."""
    nodes = ["b", ("a", 1), 3]
    A = np.array([[0, 2, 0], [2, 0, 1], [0, 1, 5]])
    graph = from_networkx(StandIn(A, nodes))
    assert isinstance(graph, Graph) and graph.labels.tolist() == nodes and graph.adjacency.dtype == np.float64
    np.testing.assert_array_equal(graph.adjacency.toarray(), A)
    some = from_networkx(StandIn(A, nodes), nodes=[3, "b"], weight=None, dtype=np.float32)
    np.testing.assert_array_equal(some.adjacency.toarray(), [[5, 0], [0, 0]])
    assert some.adjacency.dtype == np.float32 and some.labels.tolist() == [3, "b"]
    assert [call["weight"] for call in stand_in] == ["weight", None]
    with pytest.raises(ValueError, match="negative"):
        from_networkx(StandIn(-A, nodes))
    with pytest.raises(ValueError, match="no nodes"):
        from_networkx(StandIn(A[:0, :0], []))


def test_networkx():
    """The real one: self-loops, parallel edges, direction, a missing weight, order of nodes."""
    nx = pytest.importorskip("networkx")
    G = nx.MultiDiGraph(
        [("b", "a", {"weight": 2.0}), ("b", "a", {"weight": 0.5}), ("a", "a", {}), ("c", "b", {})]
    )
    graph = from_networkx(G)
    assert graph.labels.tolist() == ["b", "a", "c"]
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 2.5, 0], [0, 1, 0], [1, 0, 0]])
    undirected = from_networkx(nx.Graph([(0, 1), (1, 1)]))
    np.testing.assert_array_equal(undirected.adjacency.toarray(), [[0, 1], [1, 1]])


def test_without_networkx(monkeypatch):
    """An error that does not say what to do."""
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install networkx"):
        from_networkx([])
