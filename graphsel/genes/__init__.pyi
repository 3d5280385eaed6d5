from . import lists, perturbations, symbols
from .lists import parse_genes, read_costs, read_gene_list, read_pairs
from .perturbations import perturbation_name, perturbed_genes
from .symbols import make_aliases, read_aliases, resolve
