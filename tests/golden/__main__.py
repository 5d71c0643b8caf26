"""Write the golden files: ``python -m tests.golden``, after a form has changed on purpose and :data:`tests.golden.release.NEWEST` with it.

The files of a release that has been published are not written again: they are what savepoints of its jobs hold.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.golden.release import FOLDER, NEWEST, texts, write_store


def main() -> None:
    """Write all files of the newest release."""
    folder = FOLDER / f"v{NEWEST}"
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for name, text in texts(Path(scratch)).items():
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    shutil.rmtree(folder / "store", ignore_errors=True)
    write_store(folder / "store")
    print(f"written: {folder}")


if __name__ == "__main__":
    main()
