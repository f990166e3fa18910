# SPDX-License-Identifier: Apache-2.0
"""What is known of image placement, as metrics of Prometheus. Pure.

Each has at most one series for a store, or for a store and a state, and none
for an image. What nobody knows yet is left out, and is not zero.
"""

import collections

from prometheus_client import core

from dcn_plugins.placement import overview

PREFIX = 'dcn_placement_'

_SURVEYED = {
    'wanted': 'Images that the policy wants in the store.',
    'present': 'Images that Glance lists in the store.',
    'lacking': 'Images that the policy wants in the store and that are not '
               'there.',
    'misplaced': 'Images in the store that a residency forbids there or whose '
                 'time at the edge is over.'}
_COUNTED = {
    'copies': ('copies', 'Jobs that have ended with the image in the store.'),
    'failures': ('failures', 'Tries of jobs that have failed.'),
    'sent_bytes': ('sent_bytes', 'Bytes that copy_data_path = dcn has sent '
                   'to the store.')}
_STATES = tuple(
    course.value for course in overview.Course
    if course not in (overview.Course.PRESENT, overview.Course.LACKING,
                      overview.Course.ABSENT))
_UNDER_WAY = ('waiting', 'copying')


class Metrics:
    """All metrics of one moment; a collector of ``prometheus_client``.

    :param entries: each :class:`~dcn_plugins.placement.jobs.Entry`.
    :param survey: :class:`~dcn_plugins.placement.survey.Survey`; ``None`` if
        no comparison of all images has ended yet.
    :param tallies: :class:`~dcn_plugins.placement.tally.Tally` by store.
    :param now: seconds since 1970.
    """

    def __init__(self, entries, survey, tallies, now):
        self._entries = collections.defaultdict(list)
        for entry in entries:
            self._entries[entry.job.store].append(entry)
        self._survey = survey
        self._tallies = tallies
        self._now = now
        self._stores = sorted({*self._entries, *tallies,
                               *(survey.stores if survey else ())})

    def collect(self):
        """Yield each family of metrics."""
        yield self._gauge('collected_timestamp_seconds',
                          'When these metrics were read from etcd.', self._now)
        if self._survey is not None:
            yield from self._surveyed()
        yield from self._jobs()
        yield self._by_store(
            'oldest_job_age_seconds', 'Age of the oldest job of the store '
            'that is not done; 0 if there is none.', self._oldest)
        yield self._by_store(
            'late_jobs', 'Jobs that are not done at their deadline.',
            lambda store: sum(
                job.deadline is not None and job.deadline < self._now
                for job in self._under_way(store)))
        yield self._by_store(
            'copying_bytes_per_second', 'Rate of the copies to the store, as '
            'last told by whoever copies.', lambda store: sum(
                progress.bytes_per_second for progress in self._told(store)))
        yield self._by_store(
            'copying_left_bytes', 'Data of the copies under way that are not '
            'in the store yet, as last told.', lambda store: sum(
                max(0, progress.total_bytes - progress.done_bytes)
                for progress in self._told(store)))
        yield from self._counted()

    def _surveyed(self):
        survey = self._survey
        yield self._gauge('reconcile_timestamp_seconds', 'When the last '
                          'comparison of all images has ended.',
                          survey.began_at + survey.seconds)
        yield self._gauge('reconcile_duration_seconds', 'How long it took.',
                          survey.seconds)
        yield self._gauge('compared_images', 'Images that it has seen.',
                          survey.images)
        for kind, text in _SURVEYED.items():
            found = core.GaugeMetricFamily(f'{PREFIX}{kind}_images', text,
                                           labels=['store'])
            # Others are no stores any more.
            for store in sorted(survey.stores):
                found.add_metric([store], getattr(survey, kind)[store])
            yield found

    def _jobs(self):
        found = core.GaugeMetricFamily(f'{PREFIX}jobs', 'Jobs by their state.',
                                       labels=['store', 'state'])
        for store in self._stores:
            count = collections.Counter(map(_state, self._entries[store]))
            for state in _STATES:
                found.add_metric([store, state], count[state])
        yield found

    def _counted(self):
        for field, (name, text) in _COUNTED.items():
            found = core.CounterMetricFamily(PREFIX + name, text,
                                             labels=['store'])
            for store, tally in sorted(self._tallies.items()):
                found.add_metric([store], getattr(tally, field))
            yield found

    def _under_way(self, store):
        return [entry.job for entry in self._entries[store]
                if _state(entry) in _UNDER_WAY]

    def _oldest(self, store):
        return max((self._now - job.registered_at
                    for job in self._under_way(store)), default=0.0)

    def _told(self, store):
        return [entry.claim.progress for entry in self._entries[store]
                if entry.claim and entry.claim.progress]

    def _by_store(self, name, text, value):
        found = core.GaugeMetricFamily(PREFIX + name, text, labels=['store'])
        for store in self._stores:
            found.add_metric([store], max(0.0, value(store)))
        return found

    @staticmethod
    def _gauge(name, text, value):
        return core.GaugeMetricFamily(PREFIX + name, text, value=value)


def _state(entry):
    return 'copying' if entry.claim else entry.job.state.value
