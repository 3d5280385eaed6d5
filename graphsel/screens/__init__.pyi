from . import cells, formats, from_cells, from_tables, labels, qc, read, screen, tables
from .from_cells import screen_from_cells, screens_from_cells
from .from_tables import screen_from_lists, screen_from_table
from .qc import de_genes, expressed_candidates, knockdown, variable_genes
from .read import read_screen, write_screen
from .screen import check_screen, make_screen, screen_report
