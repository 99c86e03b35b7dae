"""Compiled codecs: where they lie, which one fits the schemas of now, and whether it is used.

``python -m schemas.build`` makes them. A file's name has the digest of the source it was made of, and that source is
generated anew from the schemas here: what was made of anything else is never loaded.
"""

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import structlog

from schemas import cython_source
from schemas.catalog import Catalog
from schemas.plan import SchemaMismatchError

PURE_VARIABLE: Final = "FILLSTREAM_PURE"
"""Set to 1 in the environment, everything is plain Python."""

FOLDER: Final = Path(__file__).parent.parent / "build" / "native"
_SUFFIX: Final = str(sysconfig.get_config_var("EXT_SUFFIX"))

log = structlog.get_logger()
_loaded: Final[dict[Path, Any]] = {}


def is_pure() -> bool:
    return os.environ.get(PURE_VARIABLE, "0") not in {"", "0"}


def module_name(catalog: Catalog) -> str:
    return f"codec_{catalog.namespace.replace('.', '_')}"


def file_name(catalog: Catalog, source: str, made_by: str) -> str:
    """The name of what *made_by* (``cython-3.1.0``) makes of *source*, on this Python."""
    return f"{module_name(catalog)}-{hashlib.sha256(source.encode()).hexdigest()[:16]}.{made_by}{_SUFFIX}"


def files(catalog: Catalog) -> Iterator[Path]:
    """What was ever compiled for *catalog* and is still there."""
    return FOLDER.glob(f"{module_name(catalog)}-*{_SUFFIX}")


def load(catalog: Catalog) -> Any | None:
    """The compiled codec of *catalog*; None where there is none, none that fits, or plain Python is asked for."""
    if is_pure():
        return None
    there = set(files(catalog))
    if not there:
        return None
    try:
        source = cython_source.source(catalog)
    except SchemaMismatchError:
        return None
    fitting = there & set(FOLDER.glob(file_name(catalog, source, "*")))
    if not fitting:
        log.warning("compiled_codec_stale", file=min(there).name, use="plain Python; python -m schemas.build compiles")
        return None
    file = min(fitting)
    if file not in _loaded:
        _loaded[file] = _import(module_name(catalog), file)
    return _loaded[file]


def _import(name: str, file: Path) -> ModuleType | None:
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        return None
    try:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    except (ImportError, TypeError) as error:  # of another machine, or with classes whose fields are no slots
        log.warning("compiled_codec_unusable", file=file.name, use="plain Python", detail=str(error))
        return None
    return module
