"""SQL files taken apart."""

import pytest

from analytics import questions, sql


def test_statements_end_at_semicolons_outside_texts_and_comments():
    text = "-- a; b\nSELECT ';', `;`, \";\" /* ; */, 'it\\'s;', 'it''s;' -- ;\n;\n\nSELECT\n  2\n;;"
    assert sql.statements(text) == ("SELECT ';', `;`, \";\" , 'it\\'s;', 'it''s;'", "SELECT 2")


def test_comments_and_line_breaks_make_no_difference():
    assert sql.statements("SELECT 1 -- one\n;") == sql.statements("/* now */ SELECT\n\n1;\n")


def test_operators_stay_as_they_are():
    assert sql.statements("SELECT a-b, a/b, x -> 1 - -2") == ("SELECT a-b, a/b, x -> 1 - -2",)


def test_the_head_is_the_comment_in_front():
    assert sql.head("-- One?\n-- Two.\nSELECT 1 -- no\n-- nor this") == "One? Two."


@pytest.mark.parametrize("question", questions.load(), ids=lambda question: question.name)
def test_every_file_begins_with_its_question_and_has_one_statement(question):
    assert "?" in question.head
    assert question.statement
    assert question.is_audit == ("No rows when all is well" in question.head)
