# SPDX-License-Identifier: Apache-2.0

import logging
import threading
import types

import fixtures
import nova.conf
from nova.db.api import api as api_db
from nova.db.api import models
from nova import objects
from oslo_db.sqlalchemy import enginefacade
from oslo_db.sqlalchemy import test_fixtures as db_fixtures
from oslo_utils.fixture import uuidsentinel as uuids
import testtools

from dcn_plugins import map_cache
from dcn_plugins.nova import site_maps
from tests.unit.nova import records

WAIT_SECONDS = 30


class Reader:
    """What SiteMaps reads: a map of one site that tells its number.

    It can fail, and it can be held until it is let go.
    """

    def __init__(self):
        self.count = 0
        self.error = None
        self.metadata = {}
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self):
        self.count += 1
        number = self.count
        self.has_begun.set()
        assert self.may_end.wait(WAIT_SECONDS)
        if self.error:
            raise self.error
        return [('a', {'dcn:site': f'map{number}', **self.metadata}, ['h1'])]

    def hold(self):
        self.has_begun.clear()
        self.may_end.clear()


class SiteMapsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            'dcn_plugins', level=logging.DEBUG,
            format='%(levelname)s %(message)s'))
        self.clock = self.useFixture(records.Clock(map_cache))
        self.reader = Reader()
        self.maps = site_maps.SiteMaps(10.0, self.reader)
        self.addCleanup(self.join)
        # Else the clean-up would wait for a thread that waits.
        self.addCleanup(self.reader.may_end.set)

    @staticmethod
    def readers():
        return [thread for thread in threading.enumerate()
                if thread.name == 'dcn-site-map']

    def join(self):
        for thread in self.readers():
            thread.join(WAIT_SECONDS)
            self.assertFalse(thread.is_alive())

    def name(self, found):
        name, = found.names
        return name

    def current(self):
        return self.name(self.maps.current())

    def fresh(self):
        return self.name(self.maps.fresh())

    def in_threads(self, function, count=20):
        """Return what a function returns, or raises, in many threads."""
        answers = []
        ready = threading.Barrier(count)

        def ask():
            ready.wait(WAIT_SECONDS)
            try:
                answers.append(function())
            except Exception as exc:
                answers.append(exc)

        threads = [threading.Thread(target=ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads, answers


class CurrentTest(SiteMapsTest):

    def test_nothing_is_read_or_started_before_the_first_call(self):
        self.assertEqual(0, self.reader.count)
        self.assertEqual([], self.readers())

    def test_is_read_once(self):
        self.assertEqual('map1', self.current())
        self.clock.now += 10.0
        self.assertIs(self.maps.current(), self.maps.current())
        self.assertEqual(1, self.reader.count)
        self.assertEqual([], self.readers())

    def test_is_read_once_by_many_threads(self):
        self.reader.hold()
        threads, answers = self.in_threads(self.current)
        self.assertTrue(self.reader.has_begun.wait(WAIT_SECONDS))
        self.reader.may_end.set()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        self.assertEqual(['map1'] * 20, answers)
        self.assertEqual(1, self.reader.count)

    def test_goes_on_being_used_while_the_next_one_is_read(self):
        self.current()
        self.clock.now += 10.5
        self.reader.hold()
        self.assertEqual('map1', self.current())
        self.assertTrue(self.reader.has_begun.wait(WAIT_SECONDS))
        # No matter how many requests come, one thread reads.
        for _ in range(20):
            self.assertEqual('map1', self.current())
        self.assertEqual(1, len(self.readers()))
        self.assertEqual(2, self.reader.count)
        self.reader.may_end.set()
        self.join()
        self.assertEqual('map2', self.current())
        self.assertEqual(2, self.reader.count)

    def test_thread_does_not_keep_the_scheduler_from_ending(self):
        self.current()
        self.clock.now += 10.5
        self.reader.hold()
        self.current()
        self.assertTrue(self.reader.has_begun.wait(WAIT_SECONDS))
        self.assertTrue(self.readers()[0].daemon)

    def test_age_counts_from_the_start_of_reading(self):
        self.reader.hold()
        threads, answers = self.in_threads(self.current, count=1)
        self.assertTrue(self.reader.has_begun.wait(WAIT_SECONDS))
        self.clock.now += 10.5
        self.reader.may_end.set()
        threads[0].join(WAIT_SECONDS)
        self.assertEqual('map1', self.current())
        self.join()
        self.assertEqual(2, self.reader.count)

    def test_failing_database_keeps_the_old_map_and_tells_its_age(self):
        self.current()
        self.reader.error = OSError('no database')
        self.clock.now += 12.0
        self.assertEqual('map1', self.current())
        self.join()
        self.assertIn('ERROR Reading the site map failed; the last one, '
                      '12 s old, goes on being used\nTraceback',
                      self.log.output)
        self.assertIn('OSError: no database', self.log.output)
        self.assertEqual('map1', self.current())
        self.join()

    def test_map_is_read_when_the_database_is_back(self):
        self.current()
        self.reader.error = OSError('no database')
        self.clock.now += 12.0
        self.current()
        self.join()
        self.reader.error = None
        # Not at once: each request would ask a database that refuses.
        self.assertEqual('map1', self.current())
        self.join()
        self.assertEqual('map1', self.current())
        self.clock.now += 1.5
        self.current()
        self.join()
        self.assertEqual('map3', self.current())

    def test_failing_database_is_not_asked_by_every_request(self):
        self.current()
        self.reader.error = OSError('no database')
        self.clock.now += 12.0
        for _ in range(20):
            self.assertEqual('map1', self.current())
            self.join()
        self.assertEqual(2, self.reader.count)
        self.assertEqual(1, self.log.output.count('Traceback'))

    def test_without_any_map_the_error_is_that_of_the_database(self):
        self.reader.error = OSError('no database')
        for _ in range(2):
            error = self.assertRaises(OSError, self.maps.current)
            self.assertIs(self.reader.error, error)
        self.reader.error = None
        self.assertEqual('map3', self.current())

    def test_map_that_is_far_too_old_is_not_used(self):
        self.current()
        self.clock.now += 10.0 * map_cache.MAX_AGES
        self.reader.hold()
        self.assertEqual('map1', self.current())
        self.reader.may_end.set()
        self.join()
        self.clock.now += 10.0 * map_cache.MAX_AGES + 1
        self.assertEqual('map3', self.current())
        self.clock.now += 10.0 * map_cache.MAX_AGES + 1
        self.reader.error = OSError('no database')
        self.assertIs(self.reader.error,
                      self.assertRaises(OSError, self.maps.current))

    def test_no_more_threads(self):
        self.current()
        self.clock.now += 12.0
        with fixtures.MockPatchObject(threading.Thread, 'start',
                                      side_effect=RuntimeError('no more')):
            self.assertEqual('map1', self.current())
        self.assertIn('ERROR No thread to read the site map\nTraceback',
                      self.log.output)
        # It must not look as if one were reading for ever.
        self.current()
        self.join()
        self.assertEqual('map2', self.current())


class FreshTest(SiteMapsTest):

    def test_reads_again(self):
        self.assertEqual('map1', self.fresh())
        self.clock.now += map_cache.FRESH_SECONDS + 0.5
        self.assertEqual('map2', self.fresh())
        self.assertEqual('map2', self.current())

    def test_a_flood_reads_once_a_second(self):
        self.current()
        for _ in range(100):
            self.assertEqual('map1', self.fresh())
            self.clock.now += map_cache.FRESH_SECONDS / 100
        self.clock.now += map_cache.FRESH_SECONDS
        self.assertEqual('map2', self.fresh())

    def test_threads_that_wait_take_what_was_read_meanwhile(self):
        self.current()
        self.clock.now += 5.0
        self.reader.hold()
        threads, answers = self.in_threads(self.fresh)
        self.assertTrue(self.reader.has_begun.wait(WAIT_SECONDS))
        self.reader.may_end.set()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        self.assertEqual(['map2'] * 20, answers)
        self.assertEqual(2, self.reader.count)

    def test_failure_is_raised_and_not_kept(self):
        self.current()
        self.clock.now += 5.0
        self.reader.error = OSError('no database')
        self.assertRaises(OSError, self.maps.fresh)
        self.assertEqual('map1', self.current())
        self.reader.error = None
        self.assertEqual('map3', self.fresh())

    def test_reader_that_hangs(self):
        self.current()
        self.clock.now += 12.0
        self.reader.hold()
        self.current()
        self.assertTrue(self.reader.has_begun.wait(WAIT_SECONDS))
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.map_cache.READ_SECONDS', 0.01))
        error = self.assertRaises(TimeoutError, self.maps.fresh)
        self.assertEqual('the site map is being read for more than 0.01 s',
                         str(error))


class FaultsTest(SiteMapsTest):

    TEXT = ('WARNING DCN site {}: dcn:state=shut is none of enabled, '
            'draining, disabled, down and counts as disabled\n')

    def setUp(self):
        super().setUp()
        self.reader.metadata = {'dcn:state': 'shut', 'dcn:site': 'dcn1'}

    def read(self):
        self.clock.now += 2.0
        self.maps.fresh()

    def count(self, name='dcn1'):
        return self.log.output.count(self.TEXT.format(name))

    def test_are_warned_once(self):
        for _ in range(5):
            self.read()
        self.assertEqual(1, self.count())

    def test_are_warned_again_when_they_have_changed(self):
        self.read()
        self.reader.metadata['dcn:site'] = 'dcn2'
        self.read()
        self.assertEqual((1, 1), (self.count(), self.count('dcn2')))

    def test_are_warned_again_when_they_come_back(self):
        self.read()
        self.reader.metadata['dcn:state'] = 'down'
        self.read()
        self.assertEqual(1, self.count())
        self.reader.metadata['dcn:state'] = 'shut'
        self.read()
        self.assertEqual(2, self.count())


class DatabaseTest(testtools.TestCase):
    """The tables of Nova's own models, in a database in memory."""

    AGGREGATES = [
        ('zone1', {'availability_zone': 'dcn1', 'dcn:site': 'dcn1'},
         ['h11', 'h12']),
        ('zone2', {'availability_zone': 'dcn2'}, ['h21']),
        ('ssd', {'ssd': 'true', 'dcn:projects': 'p1,p2'}, ['h11', 'h21']),
        ('no host', {'dcn:state': 'draining'}, []),
        ('no metadata', {}, ['h12']),
        ('nothing', {}, [])]

    def setUp(self):
        super().setUp()
        objects.register_all()
        nova.conf.CONF([], project='nova', default_config_files=[])
        self.log = self.useFixture(fixtures.FakeLogger(
            'dcn_plugins', format='%(levelname)s %(message)s'))
        engine = enginefacade.transaction_context()
        engine.configure(connection='sqlite://')
        self.useFixture(db_fixtures.ReplaceEngineFacadeFixture(
            api_db.context_manager, engine))
        models.BASE.metadata.create_all(api_db.get_engine())
        self.context = records.NovaTestCase.context()
        self.fill()

    @api_db.context_manager.writer
    def _add(self, context, row):
        row.save(context.session)
        return row.id

    def fill(self):
        for name, metadata, hosts in self.AGGREGATES:
            key = self._add(self.context, models.Aggregate(
                name=name, uuid=getattr(uuids, name.replace(' ', '_'))))
            for host in hosts:
                self._add(self.context, models.AggregateHost(
                    host=host, aggregate_id=key))
            for meta, value in metadata.items():
                self._add(self.context, models.AggregateMetadata(
                    key=meta, value=value, aggregate_id=key))

    @staticmethod
    def sorted(rows):
        return sorted((uuid, metadata, sorted(hosts))
                      for uuid, metadata, hosts in rows)

    def expected(self):
        return self.sorted(
            (getattr(uuids, name.replace(' ', '_')), metadata, hosts)
            for name, metadata, hosts in self.AGGREGATES)

    def from_objects(self):
        return self.sorted(
            (aggregate.uuid, aggregate.metadata, aggregate.hosts)
            for aggregate in objects.AggregateList.get_all(self.context))

    def test_reads_what_the_objects_say(self):
        self.assertEqual(self.expected(), self.from_objects())
        self.useFixture(fixtures.MockPatchObject(
            objects.AggregateList, 'get_all', side_effect=AssertionError))
        self.assertEqual(self.expected(),
                         self.sorted(site_maps.read_aggregates()))
        self.assertEqual('', self.log.output)

    def test_is_what_the_map_is_made_of(self):
        found = site_maps.SiteMaps(10.0).current()
        self.assertEqual({'dcn1', 'dcn2'}, found.names)
        self.assertEqual({'dcn1': 2, 'dcn2': 1}, found.host_counts)

    MODELS = {'Aggregate': ('id', 'uuid'),
              'AggregateHost': ('aggregate_id', 'host'),
              'AggregateMetadata': ('aggregate_id', 'key', 'value')}

    WARNING = ('WARNING Nova\'s tables of aggregates have changed ({}): '
               'sites are read through its objects, which is slower\n')

    def assert_fallen_back(self, changed, seen):
        """Read with no more of Nova's models than given."""
        warning = self.WARNING.format(changed)
        before = self.log.output.count(warning)
        with fixtures.MonkeyPatch('dcn_plugins.nova.site_maps.models',
                                  types.SimpleNamespace(**seen)):
            self.assertEqual(self.expected(),
                             self.sorted(site_maps.read_aggregates()))
            self.assert_metadata_of_hosts()
        self.assertEqual(before + 1 + len(self.HOSTS),
                         self.log.output.count(warning))

    HOSTS = ['h11', 'h12', 'h21', 'alone']

    def assert_metadata_of_hosts(self):
        for host in self.HOSTS:
            self.assertEqual(
                [metadata for _name, metadata, hosts in self.AGGREGATES
                 if host in hosts],
                site_maps.metadata_of_host(self.context, host))

    def test_metadata_of_a_host(self):
        self.useFixture(fixtures.MockPatchObject(
            objects.AggregateList, 'get_by_host', side_effect=AssertionError))
        self.assert_metadata_of_hosts()
        self.assertEqual('', self.log.output)

    def columns(self, model, without=None):
        return types.SimpleNamespace(**{
            name: getattr(getattr(models, model), name)
            for name in self.MODELS[model] if name != without})

    def test_columns_that_are_gone(self):
        for model, names in self.MODELS.items():
            for name in names:
                seen = {other: self.columns(other) for other in self.MODELS}
                seen[model] = self.columns(model, without=name)
                self.assert_fallen_back(model, seen)

    def test_models_that_are_gone(self):
        for model in self.MODELS:
            self.assert_fallen_back(model, {
                other: self.columns(other) for other in self.MODELS
                if other != model})

    def test_no_other_columns_are_needed(self):
        self.useFixture(fixtures.MockPatchObject(
            objects.AggregateList, 'get_all', side_effect=AssertionError))
        with fixtures.MonkeyPatch(
                'dcn_plugins.nova.site_maps.models', types.SimpleNamespace(**{
                    model: self.columns(model) for model in self.MODELS})):
            self.assertEqual(self.expected(),
                             self.sorted(site_maps.read_aggregates()))

    def test_host_of_an_aggregate_that_came_in_between(self):
        self._add(self.context, models.AggregateHost(
            host='h99', aggregate_id=99))
        self._add(self.context, models.AggregateMetadata(
            key='dcn:site', value='dcn9', aggregate_id=99))
        self.assertEqual(self.expected(),
                         self.sorted(site_maps.read_aggregates()))
