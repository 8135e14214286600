"""Folders of the commands, and the options that several of them share."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

RESULTS = Path("results")  # below the working folder; git ignores it
RECORDS = Path(__file__).parents[1] / "results"  # the committed records
DOCS = RECORDS.parents[1] / "docs"
GALLERY = DOCS / "gallery"

HELP_OF_SLUG = "An experiment that `python -m experiments list` lists."
Slug = Annotated[Positional[str], arg(metavar="SLUG", help=HELP_OF_SLUG)]
HELP_OF_DATA = "Folder of the data sets that are files. None: the variable ADAPTAX_DATA, or else ~/.cache/adaptax."
Data = Annotated[Path | None, arg(help=HELP_OF_DATA)]
Mesh = Annotated[str | None, arg(help="The number of devices for batches and for weights, as data=4,model=2.")]
Out = Annotated[Path, arg(help="Folder of the records.")]
Overwrite = Annotated[bool, arg(help="Replace a record that was made with other settings.")]
Resume = Annotated[bool, arg(help="Continue an interrupted run.")]
