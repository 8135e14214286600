"""Where commands put what they make, and the options, each with its help, that several of them have."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

RESULTS = Path("results")  # below the working folder; git ignores it
RECORDS = Path(__file__).parents[1] / "results"  # the committed ones
DOCS = RECORDS.parents[1] / "docs"
GALLERY = DOCS / "gallery"

HELP_OF_SLUG = "An experiment, one of those that `python -m experiments list` lists."
Slug = Annotated[Positional[str], arg(metavar="SLUG", help=HELP_OF_SLUG)]
HELP_OF_DATA = "Where data sets lie that are files, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax."
Data = Annotated[Path | None, arg(help=HELP_OF_DATA)]
Mesh = Annotated[str | None, arg(help="Over how many devices batches and weights are divided, as data=4,model=2.")]
Out = Annotated[Path, arg(help="Where records go.")]
Overwrite = Annotated[bool, arg(help="Replace a record that was made with other settings.")]
Resume = Annotated[bool, arg(help="Go on with what an interrupted run left.")]
