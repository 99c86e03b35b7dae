"""A worker with a user who has money."""

import pytest

from tests.agents.worker import Worker


@pytest.fixture
def worker() -> Worker:
    """A worker whose user alice has 100,000 USD."""
    worker = Worker()
    worker.credit()
    worker.events.clear()
    worker.entries.clear()
    return worker
