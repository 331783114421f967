"""Embeddings and kernels of the nodes of a graph, from its adjacency matrix."""

from ._distances import edge_weights_from_distances
from ._fastrp_embedding import FastRPEmbedding
from ._graph_random_features import GraphRandomFeatures
from ._loaders import Graph, from_edges, from_networkx, read_edges
from ._random_feature_propagation import RandomFeaturePropagation
from ._transductive_embedding import TransductiveEmbedding

__all__ = [
    "FastRPEmbedding",
    "Graph",
    "GraphRandomFeatures",
    "RandomFeaturePropagation",
    "TransductiveEmbedding",
    "edge_weights_from_distances",
    "from_edges",
    "from_networkx",
    "read_edges",
]
