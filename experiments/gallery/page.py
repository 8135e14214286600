"""The gallery page, made from what the commands `signals` and `surfaces` left: pictures with captions, and tables."""

from __future__ import annotations

from pathlib import Path

from adaptax.comparison.report import markup
from adaptax.comparison.report.markup import Section
from experiments.gallery import tables
from experiments.gallery.pictures import Picture, read_list

ABOUT = """\
What each method makes of a gradient, and where it goes: article 003's six signals and seven surfaces, at its settings,
through the library's own transformations. Every picture and number on this page is made by `make gallery`; two runs on
one machine give the same numbers, which lie beside the pictures as CSV. A method has one color everywhere."""
TABLES = {"Surfaces": tables.ends, "Settings": tables.maps, "Starts": tables.odds, "Signals": tables.responses}


def to_markdown(folder: Path) -> str:
    """Return the page: in every section pictures, then their table."""
    pictures = [*read_list(folder / "surfaces.json"), *read_list(folder / "signals.json")]
    sections = [Section("Gallery", [ABOUT])]
    for name in dict.fromkeys(picture.section for picture in pictures):
        before = [tables.who_leaves_the_trap(folder)] if name == "Films" else []
        shown = [part for picture in pictures if picture.section == name for part in _show(picture, folder.name)]
        sections += [Section(name, [*before, *shown]), *(TABLES[name](folder) if name in TABLES else [])]
    return markup.to_markdown(sections)


def _show(picture: Picture, folder: str) -> list[str]:
    film = picture.file.replace(".gif", ".mp4")
    link = f" ([MP4]({folder}/{film}))" if film != picture.file else ""
    return [f"### {picture.title}", f"![{picture.title}]({folder}/{picture.file})", f"{picture.caption}{link}"]
