"""Compiled codecs: where they lie, which one fits the schemas of now, and whether it is used.

``python -m schemas.build`` makes them. A file's name has the digest of the source it was made of, and that source is
generated anew from the schemas here: what was made of anything else is never loaded.
"""

import hashlib
import os
import sysconfig
import threading
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
_loading: Final = threading.Lock()
"""A compiled module refuses to be initialised a second time, so no two threads may be about to."""


def is_pure() -> bool:
    return os.environ.get(PURE_VARIABLE, "0") not in {"", "0"}


def module_name(catalog: Catalog) -> str:
    return f"codec_{catalog.namespace.replace('.', '_')}"


def file_name(catalog: Catalog, source: str, made_by: str) -> str:
    """The name of what *made_by* (``cython-3.1.0``) makes of *source*, on this Python."""
    return file_of(module_name(catalog), source, made_by)


def file_of(module: str, source: str, made_by: str) -> str:
    """As `file_name`, for any module."""
    return f"{module}-{hashlib.sha256(source.encode()).hexdigest()[:16]}.{made_by}{_SUFFIX}"


def files(catalog: Catalog) -> Iterator[Path]:
    """What was ever compiled for *catalog* and is still there."""
    return files_of(module_name(catalog))


def files_of(module: str) -> Iterator[Path]:
    """As `files`, for any module."""
    return FOLDER.glob(f"{module}-*{_SUFFIX}")


def load(catalog: Catalog) -> Any | None:
    """The compiled codec of *catalog*; None where there is none, none that fits, or plain Python is asked for."""
    if is_pure() or not set(files(catalog)):
        return None
    try:
        source = cython_source.source(catalog)
    except SchemaMismatchError:
        return None
    return load_module(module_name(catalog), source)


def load_module(module: str, source: str) -> Any | None:
    """What was compiled of *source* under that name; None as for `load`."""
    there = set(files_of(module))
    if is_pure() or not there:
        return None
    fitting = there & set(FOLDER.glob(file_of(module, source, "*")))
    if not fitting:
        log.warning("compiled_codec_stale", file=min(there).name, use="plain Python; make setup compiles")
        return None
    file = min(fitting)
    with _loading:
        if file not in _loaded:
            _loaded[file] = _import(module, file)
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
