"""Exact mathematics of toy models of superposition.

A `ToyModel` says what is being asked: sizes, input law (`features`, `groups`, `patterns`, `amplitudes`), importances,
penalties. From there, bottom up:

- `moments` integrates over the part of a cube where a ReLU is on, from its faces (`cells`); `signed_sums` takes
  expectations over the input law, and `loss` makes the exact loss, gradient and Hessian of them, with `penalties`, and
  inside torch's `autograd`. For small models `schedule` writes the same steps out as a list, which `compiled` code runs
  through for `compiled_loss` (`machine_code`).
- `spectral` does the same for hundreds of features: `blocks`, `few`, `transforms` and `signed_rows` say what is asked,
  `contour` and `simple_patterns` sum it up, `inversion` knows when to stop.
- `linear` is the model without the ReLU. `enclosure` proves bounds for the same loss (`ball_loss`, `balls`).
- `triple_certificate` proves which minimum of three features in two dimensions is the global one: `triple_search` goes
  through null vectors, `triple_cells` bounds what a cell of them costs, `triple_rows` and `triple_moments` one row of
  G, and `triple_convexity` ends it.
- `formulas` derives the same loss as a formula (`box_differences`), `programs` prints it; `records` says what a closed
  form is, `closed_forms`, `shapes`, `polygons`, `boundary_forms` and `identities` hold those that are known, some
  derived by `rigid_shapes`, and `catalogue` all of them. `expansions` are what they become at small density.
- `elimination` finds the polynomials whose roots are special points, `critical_penalty` the penalty that ends the
  storage of a pair, from tables of `pair_costs`, and `penalty_bounds` proves bounds of it. `one_axis` lets several
  equal features share one.
- `lbfgs` minimises any function for many starts at once; `descent` and `curvature` go downhill by the exact Hessian and
  judge where they end, in frames that fix `rotations`; `minima` takes a census of the local minima at a point,
  `diagram` over a grid, `phases` names what is found, and `polishing` leads trained weights there. `flow` follows the
  gradient flow itself, and `early_growth` its beginning from small weights.
- `geometry` measures how features share the hidden space, `factors` tells which of them interfere. `polytopes` says
  what follows from a polytope's corners, `solids` has those of the literature, `recognition` tells which one it is.
- `packed_polytopes` finds the best scale and bias of one polytope of equal features, `packing` which one uses the
  hidden space best, `packing_line` where along the densities that changes, `packing_program` what a model of given
  size holds at best, `class_packing` what becomes of features of several importances, and `free_packing` what a few
  points do with all weights free.
- `families` are models along one parameter. `random_minima` searches for minima where a census would take too long,
  `branches` follows them along a family, `transitions` says where they end, and `branch_diagrams` where they cross.
- `planes` are models over any two parameters. `paths` follows minima from cell to cell, `equations` holds the
  equations of boundary curves, `continuation` traces them, `atlas` each once, and `boundaries` finds those where two
  minima cost the same or one stops being a minimum. `meetings` solves for the places where several meet,
  `precise_meetings` does so in many digits, `degeneracies` finds those where a transition changes its nature;
  `special_points` names them, `segments` says of the pieces between them whether they are first order or continuous,
  with measured `exponents`, and `boundary_maps` gives all of it.
- `certified_cells` proves which phase is the global minimum over whole cells of the diagram of two features:
  `cell_search` bounds what every rival costs, by `pair_bounds` and `pair_moments` with proven rounding, and
  `small_overlap` what a small overlap costs.
- `certify` proves it at one point and returns a `certificate`: `certificate_search` excludes boxes of weights by
  `pair_slopes` and `pair_curvature`, and `certificate_cores` encloses the minimisers, by a `convex_core` or an
  `axis_core`. `certificate_check` does it all again in ball arithmetic: `pair_balls` has the moments, `ball_bounds`
  and `ball_curvature` what holds over one of the `weight_boxes`, `ball_exclusion` when a box is out.

Arrays carry leading batch dimensions throughout; the loss takes NumPy arrays or torch tensors.
"""

from .amplitudes import Amplitude
from .boundaries import BoundaryCurve, coexistence_curve, phase_boundaries, seed_diagram, stability_limit
from .boundary_maps import BoundaryMap, boundary_map
from .branch_diagrams import Arc, BranchDiagram, Change, apart, branch_diagram
from .branches import Branch, follow_branches
from .candidates import PUBLISHED_LOSSES, PublishedLoss
from .catalogue import FORMULAS, formulas_markdown
from .certificate import Certificate
from .certificate_parts import EnclosedMinimum
from .certified_cells import CellProof, DiagramCell, certified_cells
from .certify import certify
from .class_packing import Factor, SharedPacking, class_factors, mixed_factors, shared_packing
from .critical_penalty import CriticalPenalty, critical_penalty
from .critical_points import CriticalPoint
from .descent import Descent, descend, pack, unpack
from .diagram import DiagramMinima, check_superposition, diagram_minima, plane_minima
from .early_growth import early_growth, growth_rates, same_sign_share, small_separatrix
from .elimination import AlgebraicDensity, algebraic_densities
from .enclosure import Enclosure, Interval, enclosure
from .expansions import EXPANSIONS, Expansion
from .exponents import Exponents
from .factors import interference_graph, tegum_factor_numbers, tegum_factors
from .families import Family, anticorrelated_pairs, correlated_pairs, one_denser, one_more_important
from .features import DensityLaw, FeatureLaw, IndependentFeatures
from .flow import Flow, gradient_flow
from .formulas import LossFormula, OutputLoss, Region, derive_loss
from .free_packing import MAX_CORNERS, FreePacking, free_packing
from .geometry import (
    dimensions_per_feature,
    feature_dimensionality,
    feature_norms,
    gram,
    neuron_polysemanticity,
    superposition,
)
from .groups import AnticorrelatedFeatures, CorrelatedFeatures
from .lbfgs import Lbfgs
from .linear import LinearOptimum, linear_gradient, linear_loss, linear_optimum
from .loss import ExactLoss, expected_loss, loss_gradient, loss_hessian
from .machine_code import machine_code
from .minima import MAX_SEARCHED_FEATURES, census, global_minimum, local_minima
from .model import ToyModel, diagram_model
from .one_axis import OneAxis, one_axis, shared_axes
from .packed_polytopes import Packed, packed
from .packing import BestPacking, best_packing
from .packing_line import Transition, packing_transitions
from .packing_program import FinitePacking, finite_packing
from .patterns import KHotFeatures, OneHotFeatures, TableFeatures
from .penalty_bounds import PenaltyBounds, penalty_bounds
from .phases import dead_outputs, phase, representative
from .planes import Plane, PlaneAxis, diagram_plane
from .polishing import SAME_LOSS, Polished, match, polish
from .polytopes import Polytope, points_of_gram, tegum_product
from .precise_meetings import PreciseMeeting, PreciseMinimum, PrecisePiece, precise_meeting, precise_minimum
from .random_minima import FoundMinimum, random_minima
from .recognition import Likeness, Recognised, likeness, recognise
from .records import Formula
from .segments import BoundarySegment
from .solids import polytope
from .special_points import SpecialPoint, special_points
from .spectral import SpectralLoss
from .transitions import Limit
from .triple_certificate import certify_triple
from .verification import CertificateCheck, check_certificate

__all__ = [
    "EXPANSIONS",
    "FORMULAS",
    "MAX_CORNERS",
    "MAX_SEARCHED_FEATURES",
    "PUBLISHED_LOSSES",
    "SAME_LOSS",
    "AlgebraicDensity",
    "Amplitude",
    "AnticorrelatedFeatures",
    "Arc",
    "BestPacking",
    "BoundaryCurve",
    "BoundaryMap",
    "BoundarySegment",
    "Branch",
    "BranchDiagram",
    "CellProof",
    "Certificate",
    "CertificateCheck",
    "Change",
    "CorrelatedFeatures",
    "CriticalPenalty",
    "CriticalPoint",
    "DensityLaw",
    "Descent",
    "DiagramCell",
    "DiagramMinima",
    "EnclosedMinimum",
    "Enclosure",
    "ExactLoss",
    "Expansion",
    "Exponents",
    "Factor",
    "Family",
    "FeatureLaw",
    "FinitePacking",
    "Flow",
    "Formula",
    "FoundMinimum",
    "FreePacking",
    "IndependentFeatures",
    "Interval",
    "KHotFeatures",
    "Lbfgs",
    "Likeness",
    "Limit",
    "LinearOptimum",
    "LossFormula",
    "OneAxis",
    "OneHotFeatures",
    "OutputLoss",
    "Packed",
    "PenaltyBounds",
    "Plane",
    "PlaneAxis",
    "Polished",
    "Polytope",
    "PreciseMeeting",
    "PreciseMinimum",
    "PrecisePiece",
    "PublishedLoss",
    "Recognised",
    "Region",
    "SharedPacking",
    "SpecialPoint",
    "SpectralLoss",
    "TableFeatures",
    "ToyModel",
    "Transition",
    "algebraic_densities",
    "anticorrelated_pairs",
    "apart",
    "best_packing",
    "boundary_map",
    "branch_diagram",
    "census",
    "certified_cells",
    "certify",
    "certify_triple",
    "check_certificate",
    "check_superposition",
    "class_factors",
    "coexistence_curve",
    "correlated_pairs",
    "critical_penalty",
    "dead_outputs",
    "derive_loss",
    "descend",
    "diagram_minima",
    "diagram_model",
    "diagram_plane",
    "dimensions_per_feature",
    "early_growth",
    "enclosure",
    "expected_loss",
    "feature_dimensionality",
    "feature_norms",
    "finite_packing",
    "follow_branches",
    "formulas_markdown",
    "free_packing",
    "global_minimum",
    "gradient_flow",
    "gram",
    "growth_rates",
    "interference_graph",
    "likeness",
    "linear_gradient",
    "linear_loss",
    "linear_optimum",
    "local_minima",
    "loss_gradient",
    "loss_hessian",
    "machine_code",
    "match",
    "mixed_factors",
    "neuron_polysemanticity",
    "one_axis",
    "one_denser",
    "one_more_important",
    "pack",
    "packed",
    "packing_transitions",
    "penalty_bounds",
    "phase",
    "phase_boundaries",
    "plane_minima",
    "points_of_gram",
    "polish",
    "polytope",
    "precise_meeting",
    "precise_minimum",
    "random_minima",
    "recognise",
    "representative",
    "same_sign_share",
    "seed_diagram",
    "shared_axes",
    "shared_packing",
    "small_separatrix",
    "special_points",
    "stability_limit",
    "superposition",
    "tegum_factor_numbers",
    "tegum_factors",
    "tegum_product",
    "unpack",
]
