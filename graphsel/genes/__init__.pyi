from . import lists, perturbations, symbols
from .lists import read_costs, read_gene_list
from .perturbations import perturbation_name, perturbed_genes
from .symbols import make_aliases, read_aliases, resolve
