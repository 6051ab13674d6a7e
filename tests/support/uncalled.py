"""What attacks on public functions leave out, and what they let pass, with the reasons.

A name is public if it stands in docs/api.md.
"""

from __future__ import annotations

import re

from tests.support.places import ROOT

# What functions return and nobody makes; whoever takes one looks only at its kind.
# fmt: off
RECORDS = {
    "Account", "AlgebraicDensity", "Alignment", "Arc", "Below", "BestKnown", "BestModels", "BestPacking",
    "BoundaryCurve",
    "BoundarySegment", "Branch", "BranchDiagram", "BranchRuns", "CellProof", "CellTable", "Certificate",
    "CertificateCheck", "Change", "Control", "Coverage", "CriticalPenalty", "CriticalPoint", "Crossing",
    "CurvatureEstimate", "Descent", "Diagnosis", "Downhill", "DiagramCell",
    "DiagramMinima", "EnclosedMinimum", "Enclosure", "Evaluation", "Expansion", "Exponents", "Factor",
    "FinitePacking", "Flow", "Formula", "FoundMinimum", "FreePacking", "GradientNoise", "GridBoundaries", "GridMinima",
    "InterruptedRunError",
    "Interval", "Inverted", "Jump", "Ledger", "Likeness", "Limit", "Line", "LinearOptimum", "LossFormula", "Minima",
    "OneAxis",
    "Packed", "PenaltyBounds", "Plateau", "Plateaus", "PhaseFactor", "Polished",
    "PolishedPoint", "PreciseMeeting", "PreciseMinimum",
    "PublishedCandidate", "Recognised", "Recorded", "Saddles", "SamplingNoise", "SharedPacking", "SpecialPoint",
    "SphericalCode", "Sweep", "TableAccount", "ThomsonComparison", "ThomsonMinimum", "TrainedModels",
    "Transition", "UniformRun", "UniformSweep", "Verdicts", "WeightBatch",
}
# fmt: on
# What can't be called by itself.
ABSTRACT = {"FeatureLaw", "DensityLaw", "Engine"}
# A rule is a tuple for compiled code, and is checked by those who take it; `machine_code`, `compiled_part` and
# `Lbfgs` are tools, `output_errors` takes lines that the engine laid out, and
# `replacing` is a context that `write_whole` enters. The rest are parts of readers and writers, whose doors check what
# these are given; so does that of `engine_for` for a `MixtureEngine`.
# fmt: off
INNER = {
    "MixtureEngine", "OptimiserRule", "machine_code", "compiled_part", "output_errors", "Lbfgs", "replacing",
    "Destination", "workplace", "claimed",
    "sealed", "unsealed",
    "digest_of", "row_digest", "check_digest", "check_unverified", "warn_unverified", "check_declared", "check_archive",
    "read_npz", "read_npy", "read_safetensors", "read_zarr_arrays", "tensor_types", "write_safetensors", "MovedError",
    "ChangedError", "UnverifiedWarning", "remarks", "worked_out",
}
# fmt: on
NOT_CALLED = RECORDS | ABSTRACT | INNER
# Calls that are meant, and take minutes: the map and the diagram by default.
LONG = {
    *((f"theory.boundaries {name}", "diagram", "none") for name in ("coexistence_curve", "stability_limit")),
    ("theory.boundaries special_points", "diagram", "none"),
    ("theory.boundaries seed_diagram", "plane", "none"),
    ("compare phase_diagram", "settings", "none"),
    ("compare basin_shares", "settings", "none"),
}
# Calls that ask for more work, or memory, than a test waits for or has, and mean it.
LARGE = {
    *(("theory.proofs.triples certify_triple", "max_boxes", value) for value in ("huge int", "million", "1e400")),
    *(("empirical sweep", size, "million") for size in ("n_features", "n_hidden")),
}
# What takes long even with good arguments.
SLOW = {
    "compare phase_diagram",
    "compare basin_shares",
    "compare foreign_diagram",
    "compare.diagrams control_accounts",
    "theory.proofs.triples certify_triple",
    "theory.proofs.cells certified_cells",
    "theory check_certificate",
    "empirical train",
    "empirical sweep",
    # Its search over rotations ends after so many cells; points that are far from alignment take them all.
    "theory.spheres best_alignment",
}
NOISE = ("spread_after", "spread_at_rest", "spread_of_steps", "spreads_after", "sampling_noise")
# What only looks as if nobody could mean it: numbers pass where rows that failed are told apart, exact numbers may be
# text, and results overflow, or say by NaN that there is none, as their documentation says.
MAY_BE = {
    ("theory.minima pack", "weights", "nan"),
    ("theory.minima pack", "bias", "nan"),
    # Numbers in words: rational ones may be text, and what is no number is told as such.
    ("theory.models values_told", "values", "texts"),
    ("theory.models values_told", "values", "list of texts"),
    ("theory.models values_told", "values", "nan"),
    ("theory.minima unpack", "parameters", "nan"),
    ("theory.minima pack", "result", "not finite"),
    ("theory.minima unpack", "result", "not finite"),
    ("theory.geometry gram", "result", "not finite"),
    ("theory feature_norms", "result", "not finite"),
    *((f"theory.noise {name}", "result", "not finite") for name in NOISE),
    ("theory.models values_told", "values", "text of a number"),
    *(("theory enclosure", name, "text of a number") for name in ("weights", "bias", "width")),
    *(("theory enclosure", name, "texts") for name in ("weights", "bias")),
    *((f"theory.boundaries {name}", "place", "texts") for name in ("precise_minimum", "precise_meeting")),
    ("theory.boundaries PrecisePiece", "first", "texts"),
    ("theory.boundaries precise_minimum", "parameters", "texts"),
    ("theory.spheres coulomb_energy", "result", "not finite"),
    # Models that diverge.
    ("empirical train", "result", "not finite"),
    ("empirical Recorder", "models", "bools"),
    # Never NaN.
    *((f"theory {name}", "result", "infinite") for name in ("expected_loss", "loss_gradient", "loss_hessian")),
    ("theory.loss loss_rounding", "result", "infinite"),
    # Attributes of a file that say nothing of a model.
    ("empirical.files described_model", "attributes", "dict"),
    *((f"theory.geometry {name}", "result", "infinite") for name in ("dimensions_per_feature", "superposition")),
    *(("compare.judgement judge", name, "nan") for name in ("weights", "bias")),
    *(("compare.diagrams judge_runs", name, "nan") for name in ("weights", "bias")),
    # A bias that wasn't kept.
    ("compare.foreign diagnose", "bias", "none"),
    *((f"compare.diagrams {name}", "loss", "nan") for name in ("account_of", "grid_account")),
}


def documented() -> set[str]:
    """Return every name of the reference's tables."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return {
        name
        for first in re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", first)
    }
