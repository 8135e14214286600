"""What MkDocs does not do by itself: list the public names by role, show doctests as code, set equations."""

import ast
import functools
import html
import json
import posixpath
import re
import struct
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert

PACKAGE = Path(__file__).parent.parent / "adaptax"
NOTEBOOKS = sorted(PACKAGE.parent.joinpath("notebooks").glob("*.ipynb"))
ALONE = ("report.html", "explorer.html")  # pages of their own, also outside of the site
BACK = '<nav><a href="index.html">← adaptax, the documentation</a></nav>'
MARKER = "<!-- every public name, by role -->"
DOCTEST = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
FACT = re.compile(r"^([A-Z]\w+(?: \w+)?) {2,}(?=\S)", re.MULTILINE)


def spaced(docstring: str) -> str:
    """Set a blank line between equations, without which Markdown takes two for one."""
    return re.sub(r"\$\$\n(?= *\$\$)", "$$\n\n", docstring)


class FencedDoctests(griffe.Extension):
    """Fence the examples of a docstring, which griffe knows by a heading "Examples:" alone."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring before it is parsed."""
        if obj.docstring:
            obj.docstring.value = spaced(DOCTEST.sub(r"```pycon\n\g<0>\n```", obj.docstring.value))


def roles() -> dict[str, dict[str, str]]:
    """Return the registry as {role: {public name: module}}; a role is a comment line in `adaptax/__init__.py`."""
    source = (PACKAGE / "__init__.py").read_text()
    comments = {n: line[2:] for n, line in enumerate(source.splitlines(), 1) if line.startswith("# ")}
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            role = comments[max(n for n in comments if n < node.lineno)]
            found.setdefault(role, {}).update({alias.name: str(node.module) for alias in node.names})
    return found


def facts(docstring: str) -> str:
    """Return a method's docstring as Markdown, its "Symbols  …", "Conventions  …" as a list of definitions."""
    prose, *rest = FACT.split(spaced(docstring))
    rows = []
    for term, body in zip(rest[::2], rest[1::2], strict=True):
        first, _, more = body.partition("\n")
        rows.append(f'<dt>{term}</dt>\n<dd markdown="block">\n\n{first}\n{textwrap.dedent(more)}\n\n</dd>\n')
    return "\n".join([prose, '<dl class="facts" markdown>', *rows, "</dl>", ""])


def has_its_own_file(name: str, module: str) -> bool:
    """Say whether a module is about this public name, so that its docstring is shown on the API page."""
    stem = name.removesuffix("_rate").removeprefix("rate_")
    return module.endswith((f".methods.{name}", f".rates.{stem}", f".transforms.{name}"))


@functools.cache
def text_of(path: Path) -> str:
    """Return a page's text, or what stands in the cells of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def notebooks_with(name: str) -> list[Path]:
    """Return the notebooks whose code uses a public name."""
    return [path for path in NOTEBOOKS if re.search(rf"\badaptax\.{name}\b", text_of(path))]


def title_of(path: Path) -> str:
    """Return the first heading of a page or a notebook."""
    return re.search(r"^# (.*)", text_of(path), re.MULTILINE)[1]


def api() -> str:
    """Return the API page's body: roles as headings, names as mkdocstrings blocks, below their files' equations."""
    body = []
    for role, names in roles().items():
        body.append(f"## {role}\n")
        for name, module in names.items():
            block = f"::: adaptax.{name}\n"
            if has_its_own_file(name, module):
                path = PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")
                docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
                if links := ", ".join(f"[{title_of(n)}](../notebooks/{n.name})" for n in notebooks_with(name)):
                    docstring += f"\nNotebooks    {links}.\n"
                body.append(f"### {name}\n\n{facts(docstring)}")
                block += "    options:\n      heading_level: 6\n      show_root_toc_entry: false\n"
            body.append(block)
    return "\n".join(body)


def on_config(config: Any) -> Any:
    """Say the version beside the name, on every page; leave out 404.html, which works at a server's root alone."""
    config.theme.static_templates.discard("404.html")
    project = tomllib.loads(PACKAGE.parent.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    config.site_name = f"{project['name']} {project['version']}"
    return config


def on_files(files: Any, *, config: Any) -> Any:
    """Let pages show committed figures, as figures/FOLDER.png; give pages that stand alone a way back."""
    from mkdocs.structure.files import File

    records = PACKAGE.parent / "experiments" / "results"
    for path in sorted(records.rglob("figure.png")):  # roofline/cpu/figure.png becomes figures/roofline_cpu.png
        name = "_".join(path.parent.relative_to(records).parts)
        files.append(File.generated(config, f"figures/{name}.png", abs_src_path=str(path)))
    for name in ALONE:
        file = files.get_file_from_path(name)
        files.remove(file)
        files.append(File.generated(config, name, content=file.content_string.replace("<body>", f"<body>{BACK}", 1)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the public names where a page asks for them; let links to notebooks lead to their pages."""
    markdown = markdown.replace(MARKER, api()) if MARKER in markdown else markdown
    return re.sub(r"\]\(\.\./notebooks/(\w+)\.ipynb", r"](notebooks/\1.md", markdown)


def on_page_content(content: str, *, page: Any, files: Any, **_: Any) -> str:
    """Set equations, keep intervals and hyphens whole, and mark pictures that a phone would make too small to read."""

    def picture(match: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), match[1]))
        return match[0].replace("<img", '<img class="wide"') if is_wide(files.get_file_from_path(path)) else match[0]

    return re.sub(r'<img [^>]*?src="([^"]+\.png)"', picture, with_whole(with_equations(content)))


def is_wide(file: Any) -> bool:
    """Say whether a PNG has several panels side by side, going by its size, which stands in its header."""
    width, height = struct.unpack(">II", file.content_bytes[16:24])
    return width > 800 or width > 2 * height


def with_whole(content: str) -> str:
    """Let no line break after a hyphen of code (`-m`, `1e-6`) within an interval (1e-06 ± 3e-07 ✓) or before %."""

    def hyphens(code: re.Match) -> str:
        return re.sub(r"[\w.]*--?\w+", r'<span class="whole">\g<0></span>', code[0])

    content = re.sub(r"(\d|\bin) %", r"\1&nbsp;%", re.sub(r"<code>[^<]*</code>", hyphens, content))
    return re.sub(r"[-+−]?\d[\d.e+-]* ± \d[\d.e+-]*(?<!\.)(?: [✓✗])?", r'<span class="whole">\g<0></span>', content)


def with_equations(content: str) -> str:
    r"""Set every equation that arithmatex has found, `\(…\)` or `\[…\]`, as MathML, which browsers show as it is."""

    def mathml(match: re.Match) -> str:
        is_block = match[1] == "div"
        equation = convert(html.unescape(match[2]).strip()[2:-2], display="block" if is_block else "inline")
        return f'<div class="equation">{equation}</div>' if is_block else equation

    return re.sub(r'<(div|span) class="arithmatex">(.*?)</\1>', mathml, content, flags=re.DOTALL)
