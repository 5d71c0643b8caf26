"""Write the golden files: ``python -m tests.golden``, after a form has changed on purpose, its version in :mod:`schemas.forms.table` and
:data:`tests.golden.release.NEWEST` with it.

The files of a release that has been published are not written again: they are what savepoints of its jobs hold.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.forms.table import FORMS
from tests.golden.release import FOLDER, NEWEST, texts, write_store


def main() -> int:
    """Write all files of the newest release, if none of its forms has changed."""
    folder = FOLDER / f"v{NEWEST}"
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        found = texts(Path(scratch))
    changed = [
        *changes({name: json.loads(path.read_text()) for name in _FILES if (path := folder / name).exists()}, found)
    ]
    if changed:
        print(f"nothing is written, since v{NEWEST} is there:", *changed, sep="\n", file=sys.stderr)
        return 1
    folder.mkdir(exist_ok=True)
    for name, text in found.items():
        (folder / name).write_text(text)
    shutil.rmtree(folder / "store", ignore_errors=True)
    write_store(folder / "store")
    print(f"written: {folder}")
    return 0


_VERSIONS, _EXAMPLES = _FILES = "versions.json", "forms.json"


def changes(before: Mapping[str, Mapping[str, object]], found: Mapping[str, str]) -> Iterator[str]:
    """What has changed of the forms of a release that is there, and what to do."""
    versions, written = before.get(_VERSIONS, {}), json.loads(found[_EXAMPLES])
    for name, version in versions.items():
        if name in FORMS and FORMS[name].version != version:
            yield f"{name} has version {FORMS[name].version}, there {version}: count NEWEST in tests/golden/release.py up"
    for name, text in before.get(_EXAMPLES, {}).items():
        if written.get(name, text) != text and versions.get(name) == FORMS[name].version:
            yield f"{name} has other bytes than there under the same version: raise it in schemas/forms/table.py"


if __name__ == "__main__":
    sys.exit(main())
