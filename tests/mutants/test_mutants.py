"""The table of mutants follows the code, and its trials tell a guard that matters from one that doesn't."""

import msgspec
import pytest

from tests.mutants.table import MUTANTS, ROOT
from tests.mutants.trial import Verdict, judge

#: One of each layer whose test needs neither a broker nor much time.
FAST = ("overlap-skip", "fill-once", "intent-before-sending")


def named(name):
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def test_every_mutant_has_a_name_of_its_own():
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) >= 10


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_code_without_its_guard_and_its_test_exists(mutant):
    source = (ROOT / mutant.file).read_text()
    changed = mutant.applied(source)
    assert changed != source
    compile(changed, mutant.file, "exec")
    assert f"def {mutant.test}(" in (ROOT / mutant.suite).read_text()


@pytest.mark.parametrize("name", FAST)
async def test_a_removed_guard_is_noticed(name):
    outcome = await judge(named(name))
    assert outcome.verdict is Verdict.CAUGHT, outcome.detail


async def test_a_change_that_removes_nothing_survives():
    harmless = msgspec.structs.replace(named("fill-once"), new=named("fill-once").old + "    # the same\n")
    assert (await judge(harmless)).verdict is Verdict.SURVIVED


async def test_a_test_that_can_not_run_proves_nothing():
    broken = msgspec.structs.replace(named("fill-once"), test="test_that_nobody_wrote")
    assert (await judge(broken)).verdict is Verdict.BROKEN


async def test_a_guard_that_has_moved_is_said_to_have():
    moved = msgspec.structs.replace(named("fill-once"), old="no such line\n")
    with pytest.raises(ValueError, match=r"mutant fill-once: its text is 0 times in domain/reports\.py"):
        await judge(moved)
