"""Notebooks as pages: `notebooks/NAME.ipynb` with the outputs that it keeps is notebooks/NAME.html; none is run."""

import re
from pathlib import Path
from typing import Any

from _hooks import NOTEBOOKS, has_its_own_file, notebooks_with, roles, text_of, title_of
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

DOCS = Path(__file__).parent
BEHIND_THE_PAGES = "---\nsearch:\n  boost: 0.3\n---\n\n"  # a search finds the page that explains first
# nbconvert indents what a cell prints, as if it were code, and names no picture.
TEMPLATE = """
{% extends "markdown/index.md.j2" %}
{% block stream %}
``` {.text .output}
{{ output.text.rstrip() }}
```
{% endblock stream %}
{% block data_text scoped %}
``` {.text .output}
{{ output.data["text/plain"].rstrip() }}
```
{% endblock data_text %}
{% block data_png %}
![Drawn by the code above]({{ output.metadata.filenames["image/png"] | path2url }})
{% endblock data_png %}
"""


def on_files(files: Any, *, config: Any) -> Any:
    """Add a page for every notebook, and its pictures."""
    from mkdocs.structure.files import File

    exporter = MarkdownExporter(raw_template=TEMPLATE, preprocessors=[CoalesceStreamsPreprocessor])
    for path in NOTEBOOKS:
        resources = {"unique_key": path.stem, "output_files_dir": path.stem}
        body, resources = exporter.from_filename(str(path), resources)
        page = File.generated(config, f"notebooks/{path.stem}.md", content=BEHIND_THE_PAGES + with_links(body, path))
        page.edit_uri = None
        files.append(page)
        for name, data in resources["outputs"].items():
            files.append(File.generated(config, f"notebooks/{name}", content=data))
    return files


def with_links(body: str, path: Path) -> str:
    """Let links of the repository lead to pages, and say below the title where a notebook belongs."""
    body = re.sub(r"\]\(\.\./docs/", "](../", body)
    body = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", body)
    title, rest = body.strip().split("\n", 1)
    pages = [page for page in sorted(DOCS.glob("*.md")) if f"notebooks/{path.name})" in text_of(page)]
    named = [name for names in roles().values() for name, module in names.items() if has_its_own_file(name, module)]
    links = {
        "Pages": [f"[{title_of(page)}](../{page.name})" for page in pages],
        "API": [f"[{name}](../api.md#{name})" for name in named if path in notebooks_with(name)],
    }
    said = [f"{what}: {', '.join(of)}." for what, of in links.items() if of]
    return f"{title}\n\n*An executed notebook, `notebooks/{path.name}`. {' '.join(said)}*\n{rest}"
