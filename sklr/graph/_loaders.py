"""Graphs from lists of edges, from files of edges, and from NetworkX."""

import os
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._edge_file import EdgeFile
from ._labels import check_unique, find_labels, label_array, sorted_labels


class Graph(NamedTuple):
    """An adjacency matrix and the labels of its nodes.

    `sklearn.base.clone` hands on the same graph and no copy, so that a search over the parameters of a
    `TransductiveEmbedding` holds it once: do not write to its arrays.

    Parameters
    ----------
    adjacency : csr_array of shape (n_nodes, n_nodes) or (n_row_nodes, n_column_nodes)
        Entry (i, j) is the weight of the edge from node i to node j.
    labels : ndarray of shape (n_nodes,) or None, default=None
        The label of every node, or of every row of a bipartite graph. None: nodes are called 0, 1, ...
    column_labels : ndarray of shape (n_column_nodes,) or None, default=None
        The labels of the columns of a bipartite graph; None for any other graph.
    """

    adjacency: object
    labels: object = None
    column_labels: object = None

    def __sklearn_clone__(self):
        return self


def from_edges(
    edges,
    *,
    source=None,
    target=None,
    weight=None,
    directed=False,
    bipartite=False,
    nodes=None,
    dtype=np.float64,
):
    """Make a graph from a list of edges.

    The weights of an edge that is listed more than once are added up: without `weight` the entries are
    counts. A self-loop is kept, once on the diagonal.

    Parameters
    ----------
    edges : array-like of shape (n_edges, n_columns), DataFrame or dict of array-like
        An edge in each row: an array of pairs, or a table (of pandas, Polars, or a dict) with named columns.
        Labels are integers, text or any hashable objects; whole floats are taken as integers.
    source, target : str or int, default=None
        The columns of the two ends: names in a table, positions in an array. None: "source" and "target" in a
        table, the first two columns of an array.
    weight : str, int or array-like of shape (n_edges,), default=None
        The column of the weights, or the weights. None: 1 for every edge.
    directed : bool, default=False
        Whether an edge from i to j is no edge from j to i. A list that has every undirected edge in both
        directions is a directed one: read as undirected its weights double.
    bipartite : bool, default=False
        Whether sources and targets are nodes of two kinds, such as users and items: sources are the rows and
        targets the columns, and equal labels on both sides are different nodes.
    nodes : array-like of shape (n_nodes,) or pair of them, default=None
        The labels of all nodes, in the order of the rows: nodes without an edge may be among them. With
        `bipartite` a pair, for rows and columns, of which either may be None. None: the labels in `edges`, in
        ascending order, so that the graph does not depend on the order of the list.
    dtype : dtype, default=numpy.float64
        float32 or float64.

    Returns
    -------
    graph : Graph
        ``(adjacency, labels, column_labels)``.

    Raises
    ------
    ValueError
        There are no edges; a label is missing or not in `nodes`; a weight is negative, NaN or infinite; a
        column is not there; `directed` with `bipartite`.
    TypeError
        Labels cannot be compared, such as text with integers, and `nodes` is None.

    See Also
    --------
    read_edges : Reads them from a file.
    from_networkx : Takes a graph of NetworkX.

    Notes
    -----
    Sorts the labels and the edges: O(n_edges log n_edges), and memory for about six arrays of n_edges. Labels
    that are Python objects are hashed one by one; text takes about a second for a million edges.

    An edge of weight zero is no edge, but its nodes are there.

    Not for typed edges: make a graph for each type, with the same `nodes`.

    Examples
    --------
    >>> from sklr.graph import from_edges
    >>> graph = from_edges([("ann", "bob"), ("bob", "carl"), ("bob", "ann")])
    >>> graph.labels
    array(['ann', 'bob', 'carl'], dtype='<U4')
    >>> graph.adjacency.toarray()
    array([[0., 2., 0.],
           [2., 0., 1.],
           [0., 1., 0.]])
    >>> ratings = {"user": [7, 7, 9], "film": ["Alien", "Brazil", "Alien"], "stars": [5, 3, 4]}
    >>> graph = from_edges(ratings, source="user", target="film", weight="stars", bipartite=True)
    >>> graph.adjacency.toarray()
    array([[5., 3.],
           [4., 0.]])
    >>> graph.labels, graph.column_labels
    (array([7, 9]), array(['Alien', 'Brazil'], dtype='<U6'))
    """
    if directed and bipartite:
        raise ValueError(
            "directed=True does not go with bipartite=True, whose edges lead from rows to columns."
        )
    dtype = _weight_dtype(dtype)
    sources, targets, weights = _columns_of(edges, source, target, weight)
    if len(sources) == 0:
        raise ValueError("edges is empty: a graph needs at least one edge.")
    weights = _checked_weights(weights, len(sources))
    sources, targets = label_array(sources, "edges (source)"), label_array(targets, "edges (target)")
    if bipartite:
        row_nodes, column_nodes = _pair_of_nodes(nodes)
        labels, rows = _code(sources, row_nodes, "edges (source)")
        column_labels, columns = _code(targets, column_nodes, "edges (target)")
        shape = len(labels), len(column_labels)
    else:
        labels, codes = _code(_joined(sources, targets), nodes, "edges")
        rows, columns = codes[: len(sources)], codes[len(sources) :]
        column_labels, shape = None, (len(labels), len(labels))
        if not directed:
            # Each pair in one order, whose sum is then mirrored: sums in two orders may differ by rounding.
            rows, columns = np.minimum(rows, columns), np.maximum(rows, columns)
    A = sparse.coo_array((weights, (rows, columns)), shape=shape).tocsr()
    if not (directed or bipartite):
        A = sparse.csr_array(A + sparse.triu(A, k=1).T)
    with np.errstate(over="ignore", under="ignore"):
        A = A.astype(dtype, copy=False)
    if not np.isfinite(A.data).all():
        raise ValueError(f"weights add up to more than {dtype} holds. Divide them by the largest.")
    A.eliminate_zeros()
    return Graph(A, labels, column_labels)


def read_edges(
    path,
    *,
    delimiter=None,
    header=False,
    comment="#",
    source=None,
    target=None,
    weight=None,
    directed=False,
    bipartite=False,
    nodes=None,
    dtype=np.float64,
):
    """Read a graph from a text file with an edge in each line.

    Files ending in .gz and .bz2 are unpacked on the way. pandas reads the file where it is installed, NumPy
    otherwise, to the same graph.

    Parameters
    ----------
    path : str or os.PathLike
        The file, in UTF-8.
    delimiter : str, default=None
        What stands between the fields of a line, "," for CSV. None: spaces and tabs, any number of them.
    header : bool, default=False
        Whether the first line that is neither empty nor a comment names the columns.
    comment : str, default="#"
        From this character on a line is not read.
    source, target : int or str, default=None
        The columns of the two ends: positions, or with `header` names. None: the first two.
    weight : int or str, default=None
        The column of the weights. None: 1 for every edge.
    directed : bool, default=False
        See `from_edges`.
    bipartite : bool, default=False
        See `from_edges`.
    nodes : array-like of shape (n_nodes,) or pair of them, default=None
        See `from_edges`.
    dtype : dtype, default=numpy.float64
        float32 or float64.

    Returns
    -------
    graph : Graph
        ``(adjacency, labels, column_labels)``. Labels are integers where all are (with `bipartite`, all of a
        side), and else text: "007" is 7 in a file of numbers.

    Raises
    ------
    ValueError
        A line has too few or too many fields, an empty label, or a weight that is no number, negative, NaN or
        infinite: the message has the number of the line. Or as `from_edges`.
    FileNotFoundError
        There is no such file.

    See Also
    --------
    from_edges : Of which this is the file form.

    Notes
    -----
    With pandas about two seconds for three million edges between integers; text takes longer. For other
    formats read a table with pandas and pass it to `from_edges`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklr.graph import read_edges
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "edges.csv"
    ...     _ = path.write_text("from,to,km\\nOslo,Bergen,463\\nOslo,Moss,60\\n")
    ...     graph = read_edges(path, delimiter=",", header=True, weight="km")
    >>> graph.labels
    array(['Bergen', 'Moss', 'Oslo'], dtype='<U6')
    >>> graph.adjacency.toarray()
    array([[  0.,   0., 463.],
           [  0.,   0.,  60.],
           [463.,  60.,   0.]])
    """
    file = EdgeFile(os.fspath(path), delimiter, comment, header, source, target, weight)
    sources, targets, weights = file.read(apart=bipartite)
    return from_edges(
        {"source": sources, "target": targets},
        weight=weights,
        directed=directed,
        bipartite=bipartite,
        nodes=nodes,
        dtype=dtype,
    )


def from_networkx(graph, *, weight="weight", nodes=None, dtype=np.float64):
    """Make a graph from one of NetworkX.

    Directed where it is directed; parallel edges of a multigraph are added up.

    Parameters
    ----------
    graph : networkx.Graph, DiGraph, MultiGraph or MultiDiGraph
        The graph.
    weight : str or None, default="weight"
        The attribute of edges that is their weight; 1 for an edge without it. None: 1 for every edge.
    nodes : list, default=None
        The nodes to keep, in the order of the rows. None: all, in the order of ``graph``.
    dtype : dtype, default=numpy.float64
        float32 or float64.

    Returns
    -------
    graph : Graph
        ``(adjacency, labels, None)``; the labels are the nodes.

    Raises
    ------
    ImportError
        NetworkX is not installed.
    ValueError
        The graph has no nodes, or a weight is negative, NaN or infinite.

    See Also
    --------
    from_edges : Makes a graph from a list of edges.

    Notes
    -----
    `networkx.to_scipy_sparse_array` does the work, in some microseconds for an edge. For a bipartite
    graph pass ``Graph(networkx.bipartite.biadjacency_matrix(graph, rows, columns), rows, columns)``.

    Examples
    --------
    >>> import networkx as nx  # doctest: +SKIP
    >>> from sklr.graph import from_networkx
    >>> graph = from_networkx(nx.karate_club_graph())  # doctest: +SKIP
    >>> graph.adjacency.shape, graph.labels[:3]  # doctest: +SKIP
    ((34, 34), array([0, 1, 2]))
    """
    try:
        import networkx
    except ImportError as error:
        raise ImportError(
            "from_networkx needs NetworkX: install it by `pip install networkx`, or pass edges to from_edges."
        ) from error
    dtype = _weight_dtype(dtype)
    nodes = list(graph) if nodes is None else list(nodes)
    if not nodes:
        raise ValueError("graph has no nodes.")
    labels = label_array(nodes, "nodes")
    check_unique(labels, "nodes")
    A = sparse.csr_array(networkx.to_scipy_sparse_array(graph, nodelist=nodes, weight=weight, format="csr"))
    _checked_weights(A.data, A.nnz)
    with np.errstate(over="ignore", under="ignore"):
        A = A.astype(dtype)  # a copy
    if not np.isfinite(A.data).all():
        raise ValueError(f"weights are larger than {dtype} holds. Divide them by the largest.")
    A.sum_duplicates()
    A.eliminate_zeros()
    return Graph(A, labels)


def _weight_dtype(dtype):
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}.")
    return dtype


def _columns_of(edges, source, target, weight):
    """The three columns; the last one None where weights are not given."""
    if not hasattr(edges, "keys") and not hasattr(edges, "columns"):
        edges = _array_of(edges)
        source, target = 0 if source is None else source, 1 if target is None else target
        if edges.shape[1] > 2 and (source, target) == (0, 1) and weight is None:
            raise ValueError(
                f"edges has {edges.shape[1]} columns. Say which one is the weight, as weight=2 does, or pass "
                "the two of the labels, edges[:, :2]."
            )

        def column(name, what):
            if isinstance(name, bool) or not isinstance(name, Integral):
                raise TypeError(f"{what} must be the position of a column of the array, got {name!r}.")
            if not 0 <= name < edges.shape[1]:
                raise ValueError(f"{what}={name} is no column: edges has shape {edges.shape}.")
            return edges[:, name]
    else:
        source = "source" if source is None else source
        target = "target" if target is None else target
        known = list(edges.keys() if hasattr(edges, "keys") else edges.columns)

        def column(name, what):
            if name not in known:
                raise ValueError(
                    f"{what}={name!r} is no column of edges, which has {known}: name it, {what}=..."
                )
            return edges[name]

    if weight is not None and np.ndim(weight) == 0:
        weight = column(weight, "weight")
    sources, targets = column(source, "source"), column(target, "target")
    if len(sources) != len(targets):
        raise ValueError(f"edges has {len(sources)} sources, but {len(targets)} targets.")
    return sources, targets, weight


def _array_of(edges):
    """An array with two axes; of objects where a list has pairs of unlike kinds, or of tuples."""
    if not hasattr(edges, "__array__"):
        edges = [tuple(edge) if np.ndim(edge) or isinstance(edge, tuple) else edge for edge in edges]
        sizes = {len(edge) if isinstance(edge, tuple) else 0 for edge in edges}
        if len(sizes) > 1 or 0 in sizes:
            at = next(
                i for i, edge in enumerate(edges) if not isinstance(edge, tuple) or len(edge) != len(edges[0])
            )
            raise ValueError(f"edges must be pairs, all of one length, got {edges[at]!r} at position {at}.")
        array = np.empty((len(edges), sizes.pop() if sizes else 2), dtype=object)
        for at, edge in enumerate(edges):
            array[at, :] = edge
        edges = array
    edges = np.asarray(edges)
    if edges.ndim != 2 or edges.shape[1] < 2:
        raise ValueError(f"edges must have shape (n_edges, 2) or more columns, got {edges.shape}.")
    return edges


def _checked_weights(weights, n_edges):
    if weights is None:
        return np.ones(n_edges)
    try:
        weights = np.asarray(weights)
        if weights.dtype.kind == "c":
            raise TypeError("complex")
        weights = weights.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"weight must be numbers, got an array of {np.asarray(weights).dtype}.") from error
    if weights.shape != (n_edges,):
        raise ValueError(f"weight must have shape ({n_edges},), one for every edge, got {weights.shape}.")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(f"weight must be finite and not negative, got {weights[at]} at position {at}.")
    return weights


def _pair_of_nodes(nodes):
    if nodes is None:
        return None, None
    is_pair = isinstance(nodes, (tuple, list)) and len(nodes) == 2
    if not is_pair or any(side is not None and np.ndim(side) == 0 for side in nodes):
        raise ValueError("nodes must be a pair with bipartite=True: labels of the rows and of the columns.")
    return nodes


def _joined(sources, targets):
    """One array of the labels of both ends, in which 1 does not become "1"."""
    if sources.dtype.kind == targets.dtype.kind:
        return np.concatenate([sources, targets])
    return label_array([*sources.tolist(), *targets.tolist()], "edges")


def _code(values, nodes, name):
    if nodes is None:
        return sorted_labels(values, name)
    labels = label_array(nodes, "nodes")
    if len(labels) == 0:
        raise ValueError("nodes is empty. Leave it None to take the labels of the edges.")
    check_unique(labels, "nodes")
    return labels, find_labels(values, labels, name)
