from . import compare as compare
from . import empirical as empirical
from . import theory as theory
