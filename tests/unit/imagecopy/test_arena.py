# SPDX-License-Identifier: Apache-2.0
"""Memory by units."""

import hypothesis
from hypothesis import stateful
from hypothesis import strategies
import testtools

from dcn_plugins.imagecopy import arena

UNIT = arena.UNIT_BYTES


class ArenaMachine(stateful.RuleBasedStateMachine):
    """Nothing is given away twice, and nothing is lost."""

    def __init__(self):
        super().__init__()
        self.arena = arena.Arena(20 * UNIT)
        self.taken = {}

    @stateful.rule(length=strategies.integers(1, 8 * UNIT))
    def take(self, length):
        offset = self.arena.take(length)
        if offset is None:
            return
        mine = set(range(offset // UNIT, -(-(offset + length) // UNIT)))
        for other, size in self.taken.items():
            assert not mine & set(range(
                other // UNIT, -(-(other + size) // UNIT)))
        self.taken[offset] = length

    @stateful.rule(data=strategies.data())
    def give_back(self, data):
        if self.taken:
            offset = data.draw(strategies.sampled_from(sorted(self.taken)))
            self.arena.give_back(offset, self.taken.pop(offset))

    @stateful.invariant()
    def counts(self):
        used = sum(-(-size // UNIT) for size in self.taken.values())
        assert self.arena.free_bytes == (20 - used) * UNIT


ArenaMachine.TestCase.settings = hypothesis.settings(deadline=None)
ArenaTest = ArenaMachine.TestCase


class RefusalTest(testtools.TestCase):

    def test_what_is_not_in_use(self):
        one = arena.Arena(4 * UNIT)
        offset = one.take(2 * UNIT)
        one.give_back(offset, UNIT)
        self.assertRaises(ValueError, one.give_back, offset, UNIT)
        one.give_back(offset + UNIT, UNIT)
        self.assertEqual(0, one.take(4 * UNIT))
        self.assertIsNone(one.take(1))
