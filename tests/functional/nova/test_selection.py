# SPDX-License-Identifier: Apache-2.0
"""Sites that users, flavors and operators choose, and what they read."""

from tests.functional.nova import cloud

# Another one than that of all servers here.
OTHER_PROJECT = '0123456789abcdef0123456789abcdef'


class SelectionTestCase(cloud.SiteFilterTestCase):
    """Three sites of a host or two; dcn1 and dcn3 are the group west.

    The best host is in dcn2.
    """

    sites = {'dcn1': ['h11', 'h12'], 'dcn2': ['h21'], 'dcn3': ['h31']}
    weights = {'h21': 100, 'h11': 90, 'h31': 80, 'h12': 70}

    def start(self, **options):
        self.start_cloud(self.sites, **options)
        for site in ('dcn1', 'dcn3'):
            self.tag(site, group='west')

    def chosen(self):
        """Return where servers come to for which somebody chose sites."""
        self.create_flavor('of-dcn3', site='dcn3')
        self.create_flavor('of-west', site='group:west')
        outcome = self.outcome_of_create
        return {
            'hint': outcome(hints={'dcn_site': 'dcn1'}),
            'hint of two': outcome(hints={'dcn_site': 'dcn3,dcn9'}),
            'hint as a list': outcome(hints={'dcn_site': ['dcn3']}),
            'flavor': outcome(flavorRef='of-dcn3'),
            'flavor, and a hint that fits': outcome(
                flavorRef='of-west', hints={'dcn_site': 'dcn3'}),
            'flavor, and a hint that does not': outcome(
                flavorRef='of-dcn3', hints={'dcn_site': 'dcn1'}),
        }

    def fault(self, **request):
        """Return what a plain member reads about a server that failed."""
        server = self.create(api=self.member, **request)
        self.assertEqual('ERROR', server['status'])
        return self.member.get_server(server['id'])['fault']['message']


class StockTest(SelectionTestCase):

    def test_choice_means_nothing(self):
        self.start(with_plugins=False)
        self.assertEqual({
            'hint': 'h21',
            'hint of two': 'h21',
            'hint as a list': 'h21',
            'flavor': 'h21',
            'flavor, and a hint that fits': 'h21',
            'flavor, and a hint that does not': 'h21',
        }, self.chosen())
        # Nor does it when the site is for others.
        self.tag('dcn2', projects=OTHER_PROJECT)
        self.assertEqual('h21', self.outcome_of_create())

    def test_fault_says_nothing(self):
        self.start(with_plugins=False)
        self.create_flavor('too-big', ram=2 ** 30)
        self.assertEqual('No valid host was found. ',
                         self.fault(flavorRef='too-big'))


class SelectionTest(SelectionTestCase):

    def test_choice(self):
        self.start()
        self.assertEqual({
            'hint': 'h11',
            'hint of two': 'h31',
            'hint as a list': 'h31',
            'flavor': 'h31',
            'flavor, and a hint that fits': 'h31',
            'flavor, and a hint that does not': cloud.REFUSED,
        }, self.chosen())
        # Both sites of the group, and no third.
        servers = [self.create(flavorRef='of-west',
                               hints={'dcn_spread': 'true'})
                   for _ in range(2)]
        self.assertEqual(['h11', 'h11'], [
            server['OS-EXT-SRV-ATTR:host'] for server in servers])
        self.close('h11', 'h12')
        self.assertEqual('h31', self.outcome_of_create(flavorRef='of-west'))

    def test_choice_of_filter_alone(self):
        self.flags(push_to_placement=False, group='dcn')
        self.start()
        self.assertEqual({
            'hint': 'h11',
            'hint of two': 'h31',
            'hint as a list': 'h31',
            'flavor': 'h31',
            'flavor, and a hint that fits': 'h31',
            'flavor, and a hint that does not': cloud.REFUSED,
        }, self.chosen())

    def test_hint_is_for_the_create(self):
        self.start()
        server = self.create(hints={'dcn_site': 'dcn1'})
        # The site is another one now, for the hint Nova has kept.
        self.tag('dcn1', site='west1')
        self.read_map()
        self.assertEqual('h12', self.outcome(server, *cloud.LIVE))

    def test_resize_to_a_flavor_of_another_site(self):
        self.start()
        self.create_flavor('of-dcn3', site='dcn3')
        server = self.create_at('h11')
        self.assertEqual(cloud.REFUSED, self.outcome(
            server, 'resize', {'flavorRef': 'of-dcn3'}, api=self.member))
        self.assertEqual('h11', self.host_of(server))

    def test_residence(self):
        self.start()
        # One site is for others, one is the only one of this project.
        self.tag('dcn2', projects=OTHER_PROJECT)
        self.tag('dcn3', projects=f'{OTHER_PROJECT},{self.api.project_id}')
        self.assertEqual('h31', self.outcome_of_create())
        self.assertEqual(cloud.REFUSED, self.outcome_of_create(
            availability_zone='dcn1'))
        self.assertEqual(cloud.REFUSED, self.outcome_of_create(
            availability_zone='dcn2'))

    def test_faults_name_site_and_remedy(self):
        self.start()
        self.tag('dcn2', projects=OTHER_PROJECT)
        self.tag('dcn3', state='draining')
        self.create_flavor('of-dcn3', site='dcn3')
        failed = 'No valid host was found. Scheduling failed: '
        self.assertEqual({
            'unknown site': failed + 'the scheduler hint dcn_site names '
            'dcn9, which does not exist; name a live site',
            'draining': failed + 'site dcn3: it is draining and takes no new '
            'servers and volumes; choose another site, or have dcn:state '
            'set to enabled',
            'flavor': failed + 'site dcn1: the flavor is for '
            'dcn:site=dcn3; choose another flavor',
            'project': failed + 'site dcn2: it is reserved for other '
            'projects; have the project added to dcn:projects of the site',
        }, {
            'unknown site': self.fault(hints={'dcn_site': 'dcn9'}),
            'draining': self.fault(availability_zone='dcn3'),
            'flavor': self.fault(flavorRef='of-dcn3',
                                 availability_zone='dcn1'),
            'project': self.fault(availability_zone='dcn2'),
        })
