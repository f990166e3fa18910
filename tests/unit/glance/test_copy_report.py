# SPDX-License-Identifier: Apache-2.0
"""How far copies are is told to their jobs, and never in the way of a copy."""

import threading

import fixtures
from oslo_config import cfg

from dcn_plugins.conf import placement
from dcn_plugins.glance import copy_report
from dcn_plugins.imagecopy import request
from dcn_plugins.placement import job_reports
from tests.unit.glance import placement_case


def progress(store, done_bytes, step='pump'):
    return request.Progress(store, step, done_bytes, 100, 5.0)


def result(store, outcome=request.Outcome.COPIED, sent_bytes=90):
    return request.Result(store, outcome, sent_bytes=sent_bytes)


class CopyReportTest(placement_case.PlacementCase):

    def setUp(self):
        super().setUp()
        self.found = self.process('one')
        self.found.reports = job_reports.JobReports(self.etcd, '/t')
        for store in ('dcn0', 'dcn1'):
            self.register(store)
        for entry in self.listed().values():
            self.found.claims.claim(entry)
        self.report = copy_report.CopyReport('image-1', self.found,
                                             self.clock)

    def told(self):
        return {store: entry.claim.progress.done_bytes
                for (_image, store), entry in self.listed().items()
                if entry.claim.progress}

    def writes(self):
        return sum(path == '/kv/txn' for path, _body in self.etcd.calls)

    def test_what_is_new_is_written(self):
        self.report.take(progress('dcn0', 10))
        self.report.take(progress('dcn0', 20))
        self.assertEqual({}, self.told())
        before = self.writes()
        self.assertEqual(copy_report.REPORT_SECONDS, self.report.write())
        self.assertEqual({'dcn0': 20}, self.told())
        # What is as it was is written no more, so that its age tells.
        self.report.write()
        self.assertEqual(1, self.writes() - before)
        self.now += 9
        self.report.take(progress('dcn0', 20))
        self.report.take(progress('dcn1', 5))
        self.report.write()
        self.assertEqual({'dcn0': 20, 'dcn1': 5}, self.told())
        found = self.listed()['image-1', 'dcn0'].claim.progress
        self.assertEqual((self.now, 'pump', 16.0), (
            found.at, found.step, found.eta_seconds))

    def test_stores_that_have_ended(self):
        self.report.take(progress('dcn0', 10))
        self.report.end(result('dcn0'))
        self.report.end(result('dcn1', request.Outcome.FAILED, 7))
        self.report.end(result('dcn2', request.Outcome.PRESENT, 0))
        self.report.write()
        self.assertEqual({}, self.told())
        self.assertEqual(
            {'dcn0': 90, 'dcn1': 7},
            {store: found.sent_bytes for store, found
             in self.found.numbers.tallies().items()})

    def test_etcd_that_is_away(self):
        self.report.take(progress('dcn0', 10))
        self.report.end(result('dcn1'))
        self.away()
        self.assertEqual(copy_report.PAUSE_SECONDS, self.report.write())
        self.assertEqual(copy_report.REPORT_SECONDS, self.report.write())
        self.assertEqual({'dcn0': 10}, self.told())
        self.assertEqual(90, self.found.numbers.tallies()['dcn1'].sent_bytes)

    def test_a_thread_that_ends_with_the_copy(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_report.REPORT_SECONDS', 0.01))
        with self.report:
            self.report.take(progress('dcn0', 10))
            thread, = (one for one in threading.enumerate()
                       if one.name == 'dcn_report')
        thread.join(30)
        self.assertFalse(thread.is_alive())
        self.assertEqual({'dcn0': 10}, self.told())

    def test_nobody_waits_for_an_etcd_that_hangs(self):
        self.useFixture(fixtures.MonkeyPatch(
            'dcn_plugins.glance.copy_report.REPORT_SECONDS', 0.01))
        begun, release = threading.Event(), threading.Event()

        def hang(*_call):
            begun.set()
            release.wait(60)

        self.addCleanup(release.set)
        self.found.reports.report = hang
        with self.report:
            self.report.take(progress('dcn0', 10))
            self.assertTrue(begun.wait(30))
            self.report.take(progress('dcn0', 20))
            self.report.end(result('dcn1'))
        self.assertFalse(release.is_set())

    def test_an_error_of_ours_is_told_and_ends_only_the_numbers(self):
        self.found.reports.report = None
        self.report.take(progress('dcn0', 10))
        self.report._stop.set()
        self.report._run()
        self.assertIn('ERROR Nobody is told any more', self.log.output)


class OfTest(placement_case.PlacementCase):

    def of(self, **values):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        placement.register_opts(conf)
        for name, value in values.items():
            conf.set_override(name, value, 'dcn')
        return copy_report.of(conf, 'image-1')

    def test_without_jobs_nothing_is_told(self):
        # That of another test may be about to end.
        before = set(threading.enumerate())
        with self.of() as report:
            report.take(progress('dcn0', 10))
            report.end(result('dcn0'))
            self.assertEqual(set(), set(threading.enumerate()) - before)

    def test_a_url_of_no_use(self):
        with self.of(placement_jobs_url='http://x',
                     placement_policy_file='/x') as report:
            report.take(progress('dcn0', 10))
        self.assertIn('WARNING Nobody is told', self.log.output)
