"""compare/foreign."""

from .cell_table import CellTable, ColumnMeaning, read_table
from .comparison import TABLE_OUTCOMES, TOLERANCE, TableAccount, compare_table, foreign_diagram, table_account
from .report import batch_report, model_of_weights
from .weights import WeightBatch, read_many, read_weights

__all__ = [
    "TABLE_OUTCOMES",
    "TOLERANCE",
    "CellTable",
    "ColumnMeaning",
    "TableAccount",
    "WeightBatch",
    "batch_report",
    "compare_table",
    "foreign_diagram",
    "model_of_weights",
    "read_many",
    "read_table",
    "read_weights",
    "table_account",
]
