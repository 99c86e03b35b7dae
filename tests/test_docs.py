"""What the documentation shows is what the code does."""

import re
from pathlib import Path

import pytest

from runtime import diagram

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("**/*.md"))


def test_readme_shows_the_state_machine_as_the_table_has_it():
    assert f"```mermaid\n{diagram.mermaid()}\n```" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page):
    named = re.findall(r"`((?:\w+/)+[\w.-]+\.(?:py|toml|sql|avsc|json|yaml|md))`", page.read_text())

    assert [name for name in named if not name.startswith("var/") and not (ROOT / name).exists()] == []
