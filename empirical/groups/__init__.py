"""Models that are trained together: compiled on a CPU, on a device in tensors or fused kernels, or on the exact loss.

All groups read and write rows of one `TrainingState`, and a model's result doesn't depend on its neighbours. `group`
has what they share; `compiled`, `device` (with `tensor_steps` and `fused_steps`) and `exact` are the three kinds. Begin
with `group`:

    >>> from tegum.empirical.groups import CompiledGroup, DeviceGroup, ExactGroup
    >>> all(hasattr(kind, "run") for kind in (CompiledGroup, DeviceGroup, ExactGroup))
    True
"""

from .compiled import CompiledGroup, law_of, shape_of
from .device import DeviceGroup
from .exact import ExactGroup
from .group import Group, penalties_of

__all__ = [
    "CompiledGroup",
    "DeviceGroup",
    "ExactGroup",
    "Group",
    "law_of",
    "penalties_of",
    "shape_of",
]
