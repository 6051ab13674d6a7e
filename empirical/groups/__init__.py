"""empirical/groups."""

from .compiled import CompiledGroup
from .device import DeviceGroup
from .exact import ExactGroup
from .group import Group

__all__ = [
    "CompiledGroup",
    "DeviceGroup",
    "ExactGroup",
    "Group",
]
