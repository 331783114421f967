"""Embeddings and kernels of the nodes of a graph, from its adjacency matrix."""

from ._distances import edge_weights_from_distances
from ._graph_random_features import GraphRandomFeatures
from ._loaders import Graph, from_edges, from_networkx, read_edges
from ._transductive_embedding import TransductiveEmbedding

__all__ = [
    "Graph",
    "GraphRandomFeatures",
    "TransductiveEmbedding",
    "edge_weights_from_distances",
    "from_edges",
    "from_networkx",
    "read_edges",
]
