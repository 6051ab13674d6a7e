"""Draw docs/thomson.png and docs/polytopes.png again, in as few colours as they need."""

from pathlib import Path

from PIL import Image

from tegum.compare.figures import polytope_figure, save_figure, thomson_figure
from tegum.theory.spheres import thomson_minimum

SIZES = (4, 5, 8, 12, 24, 32, 46, 78)
POLYTOPES = (
    *("digon", "triangle", "square", "pentagon"),
    *("tetrahedron", "octahedron", "antiprism", "cube"),
    *("triangular bipyramid", "pentagonal bipyramid", "icosahedron", "cuboctahedron"),
)

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    figures = {
        "thomson.png": thomson_figure([thomson_minimum(n) for n in SIZES]),
        "polytopes.png": polytope_figure(POLYTOPES),
    }
    for name, figure in figures.items():
        save_figure(figure, here / name)
        whole = Image.open(here / name).convert("RGB")
        whole.quantize(256, method=Image.Quantize.MAXCOVERAGE).save(here / name, optimize=True)
