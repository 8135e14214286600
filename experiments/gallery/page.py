"""The gallery page, made from what the commands `signals` and `surfaces` left: pictures with captions, and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.gallery import tables
from experiments.gallery.pictures import Picture, read_list

HEADER = """# Gallery

What each method makes of a gradient, and where it goes: article 003's six signals and seven surfaces, at its settings,
through the library's own transformations. Every picture and number on this page is made by `make gallery`; two runs on
one machine give the same numbers, which lie beside the pictures as CSV. A method has one color everywhere.
"""

# section -> what stands before its pictures, and after them
AROUND: dict[str, tuple[Callable[[Path], str] | None, Callable[[Path], str] | None]] = {
    "Films": (tables.who_leaves_the_trap, None),
    "Surfaces": (None, tables.ends),
    "Settings": (None, tables.maps),
    "Starts": (None, tables.odds),
    "Signals": (None, tables.responses),
    "Inside methods": (None, None),
}


def write(folder: Path) -> Path:
    """Write the page beside the folder of pictures."""
    page = folder.with_suffix(".md")
    page.write_text(to_markdown(folder), encoding="utf-8")
    return page


def to_markdown(folder: Path) -> str:
    """Return the page."""
    pictures = [*read_list(folder / "surfaces.json"), *read_list(folder / "signals.json")]
    parts = [HEADER]
    for section in dict.fromkeys(picture.section for picture in pictures):
        before, after = AROUND[section]
        parts.append(f"## {section}\n")
        parts += [before(folder)] if before else []
        parts += [_show(picture, folder.name) for picture in pictures if picture.section == section]
        parts += [after(folder)] if after else []
    return "\n".join(parts)


def _show(picture: Picture, folder: str) -> str:
    film = picture.file.replace(".gif", ".mp4")
    link = f" ([MP4]({folder}/{film}))" if film != picture.file else ""
    return f"### {picture.title}\n\n![{picture.title}]({folder}/{picture.file})\n\n{picture.caption}{link}\n"
