from . import build, convert, disturbance, graph, kernels, operators, priors, readers
from .build import from_edges, from_gene_sets, from_matrix
from .convert import from_networkx, from_obsp, from_pyg, to_networkx, to_obsp, to_pyg
from .disturbance import disturb
from .graph import GeneGraph, GraphSet, Graphs, align, combine, neighbor_agreement
from .kernels import spectral_features
from .priors import GenePrior, make_prior, read_prior
from .readers.annotations import read_gaf, read_gene_sets, read_obo, read_reactome
from .readers.coexpression import from_coexpression
from .readers.edges import read_edges
from .readers.embedding import from_embedding
from .readers.read import read_graph
from .readers.string import read_string
