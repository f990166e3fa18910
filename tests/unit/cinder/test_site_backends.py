# SPDX-License-Identifier: Apache-2.0
"""Which site a backend is in."""

import testtools

from dcn_plugins.cinder import backend_sites
from dcn_plugins import site_map
from dcn_plugins import sites
from tests.unit.cinder.volume_cloud import aggregate
from tests.unit.cinder.volume_cloud import pool

EDGE1 = aggregate('edge1', store='one')
IN_ZONE = [('1', {'dcn:site': 'edge1', 'availability_zone': 'west'}, ['h1']),
           ('2', {'dcn:site': 'edge2', 'availability_zone': 'west'}, ['h2'])]


def known(*aggregates):
    return backend_sites.BackendSites(site_map.SiteMap(aggregates))


class NameTest(testtools.TestCase):

    def names(self, backend, *aggregates):
        return backend_sites.names_of(known(*aggregates).of(backend))

    def test_its_own_word_comes_first(self):
        self.assertEqual({'edge1'}, self.names(
            pool('b', 'edge2', 'edge1'), EDGE1, aggregate('edge2')))

    def test_else_it_is_the_site_of_its_zone(self):
        for site in (None, '', ' ', 'west'):
            self.assertEqual({'edge1'}, self.names(
                pool('b', 'west', site), IN_ZONE[0], aggregate('edge3')))

    def test_a_zone_may_be_a_site(self):
        self.assertEqual({'west'}, self.names(
            pool('b', 'west'), ('1', {'availability_zone': 'west'}, ['h'])))

    def test_a_zone_of_cinder_alone_may_have_the_name_of_a_site(self):
        self.assertEqual({'edge1'}, self.names(pool('b', 'edge1'),
                                               *IN_ZONE))

    def test_a_zone_of_several_sites_is_all_of_them(self):
        self.assertEqual({'edge1', 'edge2'},
                         self.names(pool('b', 'west'), *IN_ZONE))
        self.assertEqual({'edge2'},
                         self.names(pool('b', 'west', 'edge2'), *IN_ZONE))

    def test_a_zone_that_nova_does_not_know_is_no_site(self):
        for zone in ('nova', 'elsewhere', None, ''):
            self.assertEqual({None}, self.names(pool('b', zone), *IN_ZONE))

    def test_a_name_that_nova_does_not_know_is_a_site(self):
        backend = pool('b', 'west', 'edge9')
        found, = known(*IN_ZONE).of(backend)
        self.assertEqual('edge9', found.name)
        self.assertEqual(('edge9',), found.stores)
        self.assertTrue(known(*IN_ZONE).is_unheard_of(backend))

    def test_all_else_is_heard_of(self):
        nothing = backend_sites.BackendSites(None)
        self.assertFalse(nothing.is_unheard_of(pool('b', 'z', 'edge9')))
        for backend in (pool('b', 'west', 'edge1'), pool('b', 'z', 'z'),
                        pool('b', 'z')):
            self.assertFalse(known(*IN_ZONE).is_unheard_of(backend))

    def test_a_name_need_not_be_a_string(self):
        self.assertEqual({'7'}, self.names(pool('b', 'west', 7), EDGE1))

    def test_hosts_that_contradict_each_other_do_not_spoil_a_zone(self):
        torn = [('3', {'dcn:site': 'edge3', 'availability_zone': 'west'},
                 ['h3']), ('4', {'dcn:site': 'edge4'}, ['h3'])]
        self.assertEqual({'edge1', 'edge2'}, self.names(
            pool('b', 'west'), *IN_ZONE, *torn))
        name, = self.names(pool('b', 'west'), *torn)
        self.assertEqual(sites.SeveralSites(('edge3', 'edge4')), name)

    def test_central_hosts_have_a_store_without_a_site(self):
        found = known(('1', {'dcn:store': 'central'}, ['c1']), EDGE1).of(
            pool('b', 'nova'))
        self.assertEqual({(), ('central',)},
                         {site.stores for site in found})


class NothingKnownTest(testtools.TestCase):

    def names(self, backend):
        return backend_sites.names_of(
            backend_sites.BackendSites(None).of(backend))

    def test_the_zone_is_the_site(self):
        self.assertEqual({'west'}, self.names(pool('b', 'west')))
        self.assertEqual({'edge1'}, self.names(pool('b', 'west', 'edge1')))

    def test_the_zone_of_those_in_none_is_no_site(self):
        for zone in ('nova', None):
            self.assertEqual({None}, self.names(pool('b', zone)))

    def test_a_host_of_a_site_is_not_needed(self):
        found, = backend_sites.BackendSites(None).of(pool('b', 'west'))
        self.assertEqual((sites.State.ENABLED, ('west',)),
                         (found.state, found.stores))


class TextTest(testtools.TestCase):

    def test_names_as_text(self):
        self.assertEqual('no site or site a or site b',
                         backend_sites.text_of({'b', None, 'a'}))
