"""Whether Tidemark's packages are its own: their names are common, and other packages have them too."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("schemas", "rules", "transforms", "pipelines", "services")


class ForeignPackageError(ImportError):
    """Another package stands where one of Tidemark's should be; the message says where, and what to do."""


@cache
def check_packages() -> None:
    """Check that the packages that would be imported lie beside this one.

    Raises:
        ForeignPackageError: one does not, or is missing.
    """
    root = Path(__file__).resolve().parents[1]
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None:
            raise ForeignPackageError(f"Tidemark's package {name!r} is missing beside {root}: install Tidemark again")
        places = [Path(place).resolve() for place in spec.submodule_search_locations or ()] or [Path(spec.origin or "")]
        if root / name not in places:
            raise ForeignPackageError(
                f"the package {name!r} at {places[0]} is not Tidemark's, which is at {root / name}: uninstall the other one, "
                "install Tidemark in an environment of its own, or run from a directory without a folder of that name"
            )
