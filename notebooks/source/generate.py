"""Write every notebook from its text source in this folder: `python notebooks/source/generate.py`.

The same source gives the same bytes: no outputs, fixed metadata, and each cell's id is its position (as
nbstripout numbers cells, so that a cleaned notebook is the generated one).
"""

from pathlib import Path

import jupytext
import nbformat

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources() -> list[Path]:
    """The text sources of the notebooks, in the order of their names."""
    here = Path(__file__)
    return sorted(source for source in here.parent.glob("*.py") if source.name != here.name)


def notebook_of(source: Path) -> Path:
    """Where the notebook of a source lies: one folder up."""
    return source.parent.parent / f"{source.stem}.ipynb"


def notebook_text(source: Path) -> str:
    """The notebook that a py:percent source gives, as the text of its .ipynb file."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict(METADATA)
    for position, cell in enumerate(notebook.cells):
        cell.id = str(position)
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


if __name__ == "__main__":
    for source in sources():
        notebook_of(source).write_text(notebook_text(source), encoding="utf-8")
        print(notebook_of(source).name)
