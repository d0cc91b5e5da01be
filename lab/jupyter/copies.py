"""A learner's copies of the lessons: brought, renewed while nobody has edited them, and never overwritten.

A copy holds in its metadata the digest of the original that it was made from.
"""

import hashlib
import json
import os
from collections.abc import Container
from itertools import count
from pathlib import Path

from lab.data.cache import replacing
from lab.files import IS_CHECKOUT, LESSONS, ROOT

MARK = "normalization_lab"


def own_folder() -> Path:
    """Where the copies go: into the checkout; where it is read-only or there is none, the home folder."""
    if IS_CHECKOUT and os.access(ROOT, os.W_OK):
        return ROOT / "my-notebooks"
    return Path.home() / "normalization-notebooks"


def names() -> list[str]:
    return sorted(path.name for path in LESSONS.glob("*.ipynb"))


def bring(folder: Path, fresh: Container[str] = ()) -> list[str]:
    """Make or renew the copy of each lesson in `folder`; those named in `fresh` are as new, edited or not.

    Returns in a sentence each what became of copies that were edited. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [said for name in names() if (said := _bring(folder / name, name in fresh))]


def _bring(copy: Path, is_fresh: bool) -> str:
    notebook = json.loads((LESSONS / copy.name).read_bytes())
    newest, said = _digest(notebook), ""
    if copy.exists():
        present, original = _read(copy)
        is_edited = present not in (original, newest)
        if is_edited and is_fresh:
            said = f"{copy.name} is the original again; yours is now {_set_aside(copy)}."
        elif is_edited and original != newest:
            return (
                f"There is a newer {copy.name}. Yours is edited, so it stays; `lab open --fresh` brings the "
                "newer one and keeps yours beside it."
            )
        elif not is_fresh and (is_edited or present == newest):
            return ""
    notebook["metadata"][MARK] = {"original": newest}
    with replacing(copy) as file:
        file.write(json.dumps(notebook, indent=1, ensure_ascii=False).encode() + b"\n")
    return said


def _set_aside(copy: Path) -> str:
    """Give a copy another name, and return it: 00_explorer-mine.ipynb, or -mine2 where that is taken."""
    for number in count(1):
        name = f"{copy.stem}-mine{number if number > 1 else ''}{copy.suffix}"
        if not copy.with_name(name).exists():
            copy.rename(copy.with_name(name))
            break
    return name


def _read(copy: Path) -> tuple[str, str | None]:
    """The digests of what a copy says now, and of the original that it was made from."""
    try:
        notebook = json.loads(copy.read_bytes())
        return _digest(notebook), notebook["metadata"].get(MARK, {}).get("original")
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", None  # no notebook any more, so it counts as edited


def _digest(notebook) -> str:
    """Equal for notebooks of the same text: outputs don't count, nor do empty cells."""
    cells = [
        (cell["cell_type"], "".join(cell["source"]), cell.get("attachments")) for cell in notebook["cells"]
    ]
    text = json.dumps([cell for cell in cells if cell[1].strip()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
