# SPDX-License-Identifier: Apache-2.0
"""Metrics in the format of Prometheus, read with its own parser."""

import itertools
import json
import pathlib
import re

from grafana_foundation_sdk.cog import encoder
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.models import dashboard as models
import prometheus_client
from prometheus_client import parser
import testtools
import yaml

from dcn_plugins.placement import job
from dcn_plugins.placement import job_progress
from dcn_plugins.placement import job_requests
from dcn_plugins.placement import jobs
from dcn_plugins.placement import metrics
from dcn_plugins.placement import survey
from dcn_plugins.placement import tally

NOW = 10000.0
_SAMPLES = pathlib.Path(__file__).resolve().parents[3] / 'etc'
RULES = _SAMPLES / 'prometheus' / 'dcn_placement.rules.yaml.sample'
DASHBOARD = _SAMPLES / 'grafana' / 'dcn_placement.json'


def entry(store, image_id='i', progress=None, is_claimed=False, **values):
    claim = job_requests.Claim('w', 7, progress) if (
        progress or is_claimed) else None
    return jobs.Entry(job.Job(image_id, store, NOW - 60, NOW, **values),
                      job_requests.Found(None, 1, claim, False))


def families(*arguments):
    """Return all families as Prometheus reads them, by their names."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics.Metrics(*arguments, NOW))
    text = prometheus_client.generate_latest(registry).decode()
    return {found.name.removeprefix('dcn_placement_'): found
            for found in parser.text_string_to_metric_families(text)}


def values(family):
    """Return the values by store, or by store and state."""
    return {tuple(value for _name, value in sorted(sample.labels.items(),
                                                   reverse=True)):
            sample.value for sample in family.samples}


class MetricsTest(testtools.TestCase):

    def some(self):
        seen = survey.Survey(NOW - 100, ['central', 'dcn0', 'odd "\\\n'])
        seen.images, seen.seconds = 7, 2.5
        seen.wanted.update({'dcn0': 5, 'gone': 1})
        seen.lacking.update({'dcn0': 3})
        told = job_progress.Progress(NOW, 'pump', 25, 100, 5.0)
        return families([
            entry('dcn0', progress=told),
            entry('dcn0', 'j', told, deadline=NOW - 1),
            entry('dcn0', 'k', deadline=NOW + 1), entry('dcn0', 'l'),
            entry('dcn0', 'm', is_claimed=True),
            entry('dcn1', state=job.State.FAILED, deadline=NOW - 1),
            entry('dcn1', 'j', state=job.State.PAUSED)],
            seen, {'dcn0': tally.Tally(3, 4, 1 << 50)})

    def test_images(self):
        found = self.some()
        self.assertEqual({('central',): 0, ('dcn0',): 5, ('odd "\\\n',): 0},
                         values(found['wanted_images']))
        self.assertEqual(3, values(found['lacking_images'])['dcn0',])
        self.assertEqual(7, values(found['compared_images'])[()])
        self.assertEqual((NOW - 97.5, 2.5), (
            values(found['reconcile_timestamp_seconds'])[()],
            values(found['reconcile_duration_seconds'])[()]))

    def test_jobs(self):
        found = self.some()
        told = values(found['jobs'])
        self.assertEqual(
            [2, 3, 0, 1, 1], [told[where] for where in (
                ('dcn0', 'waiting'), ('dcn0', 'copying'), ('dcn0', 'failed'),
                ('dcn1', 'failed'), ('dcn1', 'paused'))])
        self.assertEqual(7, sum(told.values()))
        self.assertEqual((1, 0), (values(found['late_jobs'])['dcn0',],
                                  values(found['late_jobs'])['dcn1',]))
        self.assertEqual(
            (60.0, 0.0, 0.0), tuple(
                values(found['oldest_job_age_seconds'])[store,]
                for store in ('dcn0', 'dcn1', 'central')))

    def test_bytes(self):
        found = self.some()
        self.assertEqual(10.0, values(
            found['copying_bytes_per_second'])['dcn0',])
        self.assertEqual(150, values(found['copying_left_bytes'])['dcn0',])
        self.assertEqual(
            (1 << 50, 4, 3), tuple(values(found[name])['dcn0',] for name in (
                'sent_bytes', 'failures', 'copies')))
        self.assertEqual({'counter'}, {found[name].type for name in (
            'sent_bytes', 'failures', 'copies')})
        [sample] = found['failures'].samples
        self.assertEqual('dcn_placement_failures_total', sample.name)

    def test_what_nobody_knows_is_left_out(self):
        found = families([], None, {})
        self.assertNotIn('wanted_images', found)
        self.assertNotIn('reconcile_timestamp_seconds', found)
        self.assertEqual(NOW, values(
            found['collected_timestamp_seconds'])[()])

    def test_as_many_series_for_ten_thousand_images_as_for_one(self):
        def count(images):
            found = families([entry('dcn0', f'i{number}')
                              for number in range(images)], None, {})
            return sum(len(one.samples) for one in found.values())

        self.assertEqual(count(1), count(10000))


def labels_by_name():
    """Return the labels of all metrics that there are."""
    return {sample.name: set(sample.labels) for family in MetricsTest.some(
        None).values() for sample in family.samples}


class RulesTest(testtools.TestCase):

    def rules(self):
        found = yaml.safe_load(RULES.read_text())
        self.assertEqual(['groups'], list(found))
        [group] = found['groups']
        self.assertEqual({'name', 'rules'}, set(group))
        return group['rules']

    def test_form(self):
        names = [rule['alert'] for rule in self.rules()]
        self.assertEqual(sorted(set(names)), sorted(names))
        for rule in self.rules():
            self.assertEqual(
                set(), set(rule) - {'alert', 'expr', 'for', 'labels',
                                    'annotations'})
            self.assertRegex(rule['alert'], '^[a-zA-Z_][a-zA-Z0-9_]*$')
            self.assertRegex(rule.get('for', '1s'), '^[0-9]+[smhd]$')
            self.assertIn(rule['labels']['severity'],
                          ('info', 'warning', 'critical'))
            self.assertTrue(rule['annotations']['summary'])
            text = rule['expr']
            for opens, closes in ('()', '{}', '[]'):
                self.assertEqual(text.count(opens), text.count(closes))

    def test_metrics_that_there_are(self):
        known = set(labels_by_name())
        used = set()
        for rule in self.rules():
            found = set(re.findall('dcn_[a-z_]+', rule['expr']))
            self.assertTrue(found)
            used |= found
        self.assertEqual(set(), used - known)
        for name in re.findall(r'\$labels\.(\w+)', RULES.read_text()):
            self.assertEqual('store', name)


def _common(wanted, found):
    """Return what is found, without what is not asked for."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {name: _common(value, found[name])
                for name, value in wanted.items() if name in found}
    if isinstance(wanted, list) and isinstance(found, list):
        return [_common(*both) for both in zip(wanted, found)] + (
            found[len(wanted):])
    return found


class DashboardTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.dashboard = json.loads(DASHBOARD.read_text())
        self.panels = self.dashboard['panels']

    def expressions(self):
        return [target['expr'] for panel in self.panels
                for target in panel['targets']]

    def test_grafana_knows_all_of_it(self):
        """By Grafana's own model: what that has no name for it leaves out."""
        plugins.register_default_plugins()
        known = models.Dashboard.from_json(json.loads(DASHBOARD.read_text()))
        self.assertEqual(self.dashboard, _common(
            self.dashboard, json.loads(encoder.JSONEncoder().encode(known))))

    def test_panels_have_places_of_their_own(self):
        ids = [panel['id'] for panel in self.panels]
        self.assertEqual(len(ids), len(set(ids)))
        taken = [(panel['gridPos']['x'] + x, panel['gridPos']['y'] + y)
                 for panel in self.panels for x, y in itertools.product(
                     range(panel['gridPos']['w']),
                     range(panel['gridPos']['h']))]
        self.assertEqual(len(taken), len(set(taken)))
        self.assertEqual(23, max(x for x, _y in taken))
        for panel in self.panels:
            self.assertTrue(panel['title'] and panel['description'])
            refs = [target['refId'] for target in panel['targets']]
            self.assertEqual(len(refs), len(set(refs)))

    def test_the_data_source_is_chosen(self):
        self.assertEqual(
            ['datasource', 'store'], [
                found['name']
                for found in self.dashboard['templating']['list']])
        self.assertEqual({'${datasource}'}, set(
            re.findall('"uid": "(.*)"', DASHBOARD.read_text()))
            - {self.dashboard['uid']})

    def test_metrics_and_labels_that_there_are(self):
        known = labels_by_name()
        chosen = self.dashboard['templating']['list'][1]['query']['query']
        for text in [*self.expressions(), chosen]:
            names = set(re.findall('dcn_[a-z_]+', text))
            self.assertTrue(names)
            self.assertEqual(set(), names - known.keys(), text)
            labels = set(re.findall(r'(\w+)=', text)) | set(
                re.findall(r'by \((\w+)\)', text))
            for name in names:
                self.assertLessEqual(labels, known[name], text)
            for opens, closes in ('()', '{}', '[]'):
                self.assertEqual(text.count(opens), text.count(closes))

    def test_all_metrics_of_stores_are_shown(self):
        shown = {name for text in self.expressions()
                 for name in re.findall('dcn_[a-z_]+', text)}
        self.assertEqual(
            set(), {name for name, labels in labels_by_name().items()
                    if 'store' in labels} - shown)
