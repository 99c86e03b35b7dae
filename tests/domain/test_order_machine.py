"""Users, orders and an honest but chaotic venue, in any order that can be thought of.

Nobody lies here, so everything must come out: no money that isn't there, no reserve given back too early, no order at
the venue twice, and, once the venue heals, every order and every unit in agreement with the venue. Hypothesis looks for
the odd short story; long walks with fixed seeds go where it takes many steps to come.
"""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.domain.acts import ACTS, Step, perform, play_out, walk
from tests.domain.effort import SEARCH, WALK_LENGTH, WALKS
from tests.domain.play import Play


class OrderMachine(RuleBasedStateMachine):
    """A play whose next act Hypothesis chooses. The rules are added below, one for each act."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Play()
        self.whole = True

    @initialize(seed=st.integers(0, 1 << 32), length=st.sampled_from([100, 40, 0]))
    def much_has_happened(self, seed: int, length: int) -> None:
        """A stretch of likely steps, so that Hypothesis seldom begins on an empty stage."""
        self.take(walk(seed, length))

    def take(self, steps: list[Step]) -> None:
        self.whole = False
        for step in steps:
            perform(self.play, step)
        self.whole = True

    def teardown(self) -> None:
        if self.whole:  # a failed step says more than what it left half done
            self.play.finish()


def _rule_of(name: str) -> Any:
    def step(self: OrderMachine, **arguments: Any) -> None:
        self.take([(name, arguments)])

    step.__name__ = name
    choices = {key: st.sampled_from(values) for key, values in ACTS[name].options.items()}
    return precondition(lambda self: ACTS[name].possible(self.play))(rule(**choices)(step))


for _name, _act in ACTS.items():
    for _copy in range(1 + _act.weight // 10):  # a frequent act is several rules: Hypothesis has no weights
        setattr(OrderMachine, f"{_name}_{_copy}", _rule_of(_name))

TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = SEARCH


@pytest.mark.parametrize("seed", range(WALKS))
def test_both_sides_agree_after_a_long_walk(seed):
    play_out(walk(seed, WALK_LENGTH))


def test_an_order_whose_cancel_came_too_late_is_looked_for_before_it_is_canceled_again():
    """One good till a date, which a pending amendment had made smaller at the venue, where it then filled."""
    play_out([*walk(44, 100), ("poll_closes_the_gap", {})])
