# SPDX-License-Identifier: Apache-2.0
"""What a site takes that is draining, disabled or down."""

from tests.functional.nova import cloud

STATES = ['draining', 'disabled', 'down']


class StatesTestCase(cloud.SiteFilterTestCase):
    """The state of dcn1 changes; servers are there, and on h21 of dcn2."""

    def prepare(self):
        """Return a server for each state and each thing done to it."""
        self.shelved = dict(zip(STATES, self.create_several(3, host='h11')))
        for server in self.shelved.values():
            self.shelve(server)
        servers = self.create_several(4 * len(STATES), host='h11')
        return {state: servers[4 * index:4 * index + 4]
                for index, state in enumerate(STATES)}

    def set_state(self, state):
        self.tag('dcn1', state=state)
        # Placement is told of it by and by.
        if self.has_map:
            self.read_map()

    def outcomes(self, state, servers):
        """Return what becomes of what is done at a site in a state."""
        self.set_state(state)
        return {
            'create in its zone': self.outcome_of_create(
                availability_zone='dcn1'),
            'create on its host': self.outcome_of_create(host='h11'),
            'create anywhere': self.outcome_of_create(),
            'unshelve': self.outcome(self.shelved[state], 'unshelve'),
            'live migrate': self.outcome(servers[0], *cloud.LIVE),
            'cold migrate': self.outcome(servers[1], *cloud.COLD),
            'resize': self.outcome(servers[2], *cloud.RESIZE,
                                   api=self.member),
        }

    def evacuations(self, servers):
        """Evacuate a server of each state; return what became of it."""
        self.kill('h11')
        went_to = {}
        for state in reversed(STATES):
            self.set_state(state)
            went_to[state] = self.outcome(servers[state][3],
                                          *cloud.EVACUATE)
        return went_to


class StockTest(StatesTestCase):

    has_map = False

    def test_state_means_nothing(self):
        self.start_cloud(cloud.TWO_SITES, with_plugins=False)
        servers = self.prepare()
        self.assertEqual({
            'create in its zone': 'h12',
            'create on its host': 'h11',
            'create anywhere': 'h21',
            'unshelve': 'h21',
            'live migrate': 'h21',
            'cold migrate': 'h21',
            'resize': 'h21',
        }, self.outcomes('down', servers['down']))
        self.kill('h11')
        self.assertEqual('h21', self.outcome(
            servers['down'][3], *cloud.EVACUATE))


class StatesTest(StatesTestCase):

    has_map = True

    def test_states(self):
        self.start_cloud(cloud.TWO_SITES)
        servers = self.prepare()
        nothing_enters = {
            'create in its zone': cloud.REFUSED,
            'create on its host': cloud.REFUSED,
            'create anywhere': 'h21',
            'unshelve': cloud.REFUSED,
        }
        nothing_moves = dict.fromkeys(
            ['live migrate', 'cold migrate', 'resize'], cloud.REFUSED)
        self.assertEqual({
            'draining': {**nothing_enters, **dict.fromkeys(
                nothing_moves, 'h12')},
            'disabled': {**nothing_enters, **nothing_moves},
            'down': {**nothing_enters, **nothing_moves},
        }, {state: self.outcomes(state, servers[state])
            for state in STATES})
        # An administrator reads why a move was refused.
        self.assertIn('site dcn1: it is down and takes no migrate',
                      self.events(servers['down'][0])[0]['details'])
        self.assertEqual({
            'draining': 'h12',
            'disabled': 'h12',
            'down': cloud.REFUSED,
        }, self.evacuations(servers))
