"""Other people's results held against theory: whole weights, or a table of two numbers for each cell.

`weights` reads W and b from the files of the field: `formats` tells what a file is and reads its arrays, `names` which
of them are W and b, `inputs` densities and importances, `activations` whether it is a model of ours, `descriptions`
which model that is, and `provenance` what a reader should know of all this. `report` says what their loss is and which
minimum lies below, of one model `diagnosis` all that theory knows (`slopes` which way is down there, `below` what lies
there, `overlaps` how close features are), and `grids` makes phase diagrams of them; `kinds` tells tables from weights,
`cell_table` reads tables, and `comparison` holds them against the exact minima. Begin with `weights`, docs/files.md and
docs/foreign.md:

    >>> from tegum.compare.foreign import ColumnMeaning
    >>> ColumnMeaning().overlap
    'root'
"""

from .below import Below, BestKnown
from .cell_table import CellTable, ColumnMeaning, read_table
from .comparison import TABLE_OUTCOMES, TOLERANCE, TableAccount, compare_table, table_account
from .descriptions import model_of_weights, said_of_model
from .diagnosis import Diagnosis, diagnose
from .grids import foreign_diagram
from .kinds import kind_of_file
from .overlaps import welch_bound
from .parts import ALL_MINIMA, SEARCHED, worked_out
from .provenance import reading, remarks
from .report import QUANTILES, batch_report, minima_of_each, quantiles, weight_report
from .slopes import KINDS, told_direction
from .weights import WeightBatch, read_many, read_weights

__all__ = [
    "ALL_MINIMA",
    "KINDS",
    "QUANTILES",
    "SEARCHED",
    "TABLE_OUTCOMES",
    "TOLERANCE",
    "Below",
    "BestKnown",
    "CellTable",
    "ColumnMeaning",
    "Diagnosis",
    "TableAccount",
    "WeightBatch",
    "batch_report",
    "compare_table",
    "diagnose",
    "foreign_diagram",
    "kind_of_file",
    "minima_of_each",
    "model_of_weights",
    "quantiles",
    "read_many",
    "read_table",
    "read_weights",
    "reading",
    "remarks",
    "said_of_model",
    "table_account",
    "told_direction",
    "weight_report",
    "welch_bound",
    "worked_out",
]
