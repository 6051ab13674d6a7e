"""Exact mathematics of toy models."""

from .features import IndependentFeatures
from .model import ToyModel, diagram_model
from .loss import ExactLoss, expected_loss, loss_gradient, loss_hessian
from .minima import *
from .minima import local_minima, census
from .phases import phase
from .diagram import *
