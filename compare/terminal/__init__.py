"""What all commands of the command line share: their options, what they print, and how they end.

`options`, `models`, `laws` and `training` declare options that several commands take, `values` and `ranges` read their
numbers and axes, `descriptions` finds the model that a file describes, `sources` puts together what several say,
`coverage` refuses models that a command's mathematics doesn't cover, `groups` hands options that belong together on as
one record, `given` refuses what has no effect, and `effort` says how much is done by default. `screen`, `stages`,
`accounts` and `characters` show what comes out, and `estimates` tells when; `rows`, `tables` and `places` keep it,
`interruptions` stops a command and says what is kept, and `late` loads it.
Begin with `options`:

    >>> from tegum.compare.terminal import numbers
    >>> numbers("density", "0.1,0.3")
    [0.1, 0.3]
"""

from .accounts import print_cells, print_ledger
from .characters import spell_what_cannot_be_encoded
from .coverage import EQUAL, LAST, Coverage, varies
from .descriptions import described_in
from .effort import Full, by_effort, either, in_time
from .given import goes_without, takes_only, written
from .groups import with_groups
from .interruptions import INTERRUPTED, keeping, stoppable, tell
from .late import LateCommands
from .laws import COUNTED, GROUPED
from .models import ModelOptions, named, single
from .options import (
    GRID,
    WHOLE_GRID,
    BiasName,
    Density,
    Features,
    Hidden,
    Importance,
    Json,
    Layout,
    Seeds,
    WeightsName,
    numbers,
    whole_numbers,
)
from .places import new_file, same_kind, taken
from .ranges import ranged
from .rows import read_rows, write_rows
from .screen import FAILED, MISUSE, complain, console, print_json, print_table, say, write_json, write_text
from .stages import Stages, watched
from .tables import write_numbers
from .training import TrainingOptions

__all__ = [
    "COUNTED",
    "EQUAL",
    "FAILED",
    "GRID",
    "GROUPED",
    "INTERRUPTED",
    "LAST",
    "MISUSE",
    "WHOLE_GRID",
    "BiasName",
    "Coverage",
    "Density",
    "Features",
    "Full",
    "Hidden",
    "Importance",
    "Json",
    "LateCommands",
    "Layout",
    "ModelOptions",
    "Seeds",
    "Stages",
    "TrainingOptions",
    "WeightsName",
    "by_effort",
    "complain",
    "console",
    "described_in",
    "either",
    "goes_without",
    "in_time",
    "keeping",
    "named",
    "new_file",
    "numbers",
    "print_cells",
    "print_json",
    "print_ledger",
    "print_table",
    "ranged",
    "read_rows",
    "same_kind",
    "say",
    "single",
    "spell_what_cannot_be_encoded",
    "stoppable",
    "taken",
    "takes_only",
    "tell",
    "varies",
    "watched",
    "whole_numbers",
    "with_groups",
    "write_json",
    "write_numbers",
    "write_rows",
    "write_text",
    "written",
]
