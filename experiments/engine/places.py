"""Where commands put what they make."""

from pathlib import Path

RESULTS = Path("results")  # below the working folder; git ignores it
RECORDS = Path(__file__).parents[1] / "results"  # the committed ones
DOCS = RECORDS.parents[1] / "docs"
GALLERY = DOCS / "gallery"
