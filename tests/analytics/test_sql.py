"""SQL files taken apart."""

from importlib import resources

import pytest

from analytics import sql

QUERIES = sorted(
    file.name for file in resources.files("analytics").joinpath("queries").iterdir() if file.name.endswith(".sql")
)


def test_statements_end_at_semicolons_outside_texts_and_comments():
    text = "-- a; b\nSELECT ';', `;`, \";\" /* ; */, 'it\\'s;', 'it''s;' -- ;\n;\n\nSELECT\n  2\n;;"
    assert sql.statements(text) == ("SELECT ';', `;`, \";\" , 'it\\'s;', 'it''s;'", "SELECT 2")


def test_comments_and_line_breaks_make_no_difference():
    assert sql.statements("SELECT 1 -- one\n;") == sql.statements("/* now */ SELECT\n\n1;\n")


def test_operators_stay_as_they_are():
    assert sql.statements("SELECT a-b, a/b, x -> 1 - -2") == ("SELECT a-b, a/b, x -> 1 - -2",)


def test_the_head_is_the_comment_in_front():
    assert sql.head("-- One?\n-- Two.\nSELECT 1 -- no\n-- nor this") == "One? Two."


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_begins_with_its_question(name):
    text = resources.files("analytics").joinpath("queries", name).read_text()
    assert "?" in sql.head(text)
    assert len(sql.statements(text)) == 1
    assert name.startswith("audit_") == ("No rows when all is well" in sql.head(text))
