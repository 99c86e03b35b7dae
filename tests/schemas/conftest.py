"""Every rule of the schemas holds for both back-ends: compiled, and plain Python."""

import shutil

import pytest

from schemas import build, catalog, codec, native


@pytest.fixture(scope="session")
def compiled_codec():
    """The file of the product's compiled codec, made now unless it is there."""
    try:
        return build.build(catalog.PRODUCT)
    except build.BuildError as error:
        if shutil.which("cc") is not None:
            raise
        pytest.skip(f"no C compiler: {error}")


@pytest.fixture(params=["compiled", "plain"], autouse=True)
def back_end(request, monkeypatch, _own_settings):
    """Which code the product's codec runs in a test."""
    if request.param == "compiled":
        request.getfixturevalue("compiled_codec")
    else:
        monkeypatch.setenv(native.PURE_VARIABLE, "1")
    codec.use_ids(None)
    yield request.param
    codec.use_ids(None)
