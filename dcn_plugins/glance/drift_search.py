# SPDX-License-Identifier: Apache-2.0
"""Look at both sides twice, and tell what has been drift both times.

No lock keeps Glance, copies and deletions from going on meanwhile. What they
do changes one side after the other, and somebody who reads between the two
sees drift that is none. So Glance is asked again about what has no location
when the pools have been read, as a copy is in its pool before it is told; and
of what is found only that counts which is found again by a second look.
"""

import collections
import dataclasses
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import drift
from dcn_plugins.glance import drift_facts
from dcn_plugins.glance import drift_rules

LOG = logging.getLogger(__name__)


class DriftSearch:
    """Finds drift.

    :param images: :class:`~dcn_plugins.glance.image_facts.ImageFacts`.
    :param stores: :class:`~dcn_plugins.glance.store_facts.StoreFacts` by
        name.
    :param grace_seconds: see :class:`~drift_rules.Policy`.
    :param wait: called between the two looks.
    :param progress: called with a store and how many images of how many are
        read.
    :param is_deleted_only: find only what is left of deleted images.
    """

    def __init__(self, images, stores, grace_seconds, wait=lambda: None,
                 clock=time.time, progress=None, is_deleted_only=False):
        self._images = images
        self.stores = stores
        self._grace_seconds = grace_seconds
        self._wait = wait
        self._clock = clock
        self._progress = progress or (lambda store, done, total: None)
        self._is_deleted_only = is_deleted_only
        self._contents = {}
        self._unread = {}
        self.unknown = {}

    def policy(self):
        """Return how to judge now."""
        return drift_rules.Policy(self._clock(), self._grace_seconds)

    def report(self, is_deep=False, is_read=False, only=None):
        """Return the :class:`~dcn_plugins.glance.drift.Report`.

        :param is_deep: compare contents, too.
        :param is_read: hash all bytes for that, whatever proof there is.
        :param only: ids of images of Glance; all unless given.
        :raises Exception: what the database raises. A store that does not
            answer is in the report.
        """
        facts = self.look(only)
        if is_deep:
            self._compare(facts, is_read)
        first = self._find(facts)
        findings = first.findings
        if findings:
            self._wait()
            findings = self._standing(findings)
        unread = self._still_unread()
        return drift.Report(findings, first.counted,
                            {**self.unknown, **unread})

    def standing(self, finding):
        """Return a finding as it is now with the facts, or ``None``."""
        facts = self.look({drift_rules.stem(finding.name)}
                          | {finding.image_id} - {None})
        for found in self._find(facts).findings:
            if found.key == finding.key:
                return found, facts
        return None

    def _standing(self, findings):
        facts = self.look(
            {drift_rules.stem(finding.name) for finding in findings}
            | {finding.image_id for finding in findings} - {None})
        self._compare(facts, is_read=True, only={
            (finding.store, finding.pool, finding.name)
            for finding in findings if finding.kind is drift.WRONG_CONTENT})
        again = {finding.key: finding
                 for finding in self._find(facts).findings}
        return tuple(again[finding.key] for finding in findings
                     if finding.key in again)

    def _find(self, facts):
        found = drift_rules.find(
            dataclasses.replace(facts, contents=self._contents),
            self.policy())
        return dataclasses.replace(found, findings=tuple(
            finding for finding in found.findings
            if not self._is_deleted_only or _is_deleted(finding, facts)))

    def look(self, only=None):
        """Return the :class:`~drift_facts.Facts` of now.

        :param only: ids of images, and names in pools, that matter.
        """
        images = self._images.live() if only is None else (
            self._images.known(only))
        located = collections.defaultdict(list)
        for image in images.values():
            for location in image.locations:
                located[location.store].append(location)
        states = tuple(filter(None, (
            self._read(store, located[name], only)
            for name, store in self.stores.items())))
        images.update(self._images.known(_unexplained(images, states)))
        return drift_facts.Facts(images, states)

    def _read(self, store, locations, only):
        name = store.place.store
        try:
            return store.read(
                locations, only,
                lambda done, total: self._progress(name, done, total))
        # A site that is away must not keep the others from being looked at.
        except exceptions.CephError as exc:
            LOG.debug('Store %s is not looked at', name, exc_info=True)
            self.unknown[f'store {name}'] = str(exc)
            return None

    def _compare(self, facts, is_read, only=None):
        """Compare contents; of some copies, by where they are."""
        copies = [
            (image, (state.name, *state.place_of(location)), found)
            for image, state, location, found in drift_rules.comparable(
                facts, self.policy())]
        copies = [copy for copy in copies if only is None or copy[1] in only]
        for number, (image, where, found) in enumerate(copies, 1):
            store, pool, _name = where
            self._contents.pop(where, None)
            content = self.compared(image, store, pool, found, is_read)
            if content is not None:
                self._contents[where] = content
            self._progress('contents', number, len(copies))

    def compared(self, image, store, pool, found, is_read=False):
        """Return the Content of a copy; ``None``, and noted, if it fails."""
        where = store, pool, found.name
        try:
            content = self.stores[store].compare(
                pool, found, image.hash_algorithm, image.hash_value, is_read)
        except exceptions.CephError as exc:
            self._unread[where] = str(exc)
            return None
        if content.is_same is None:
            self._unread[where] = content.how
        return content

    def _still_unread(self):
        """Return why copies were not read, of those that are there still."""
        if not self._unread:
            return {}
        facts = self.look({drift_rules.stem(name)
                           for _store, _pool, name in self._unread})
        there = {(state.name, *state.place_of(location))
                 for _image, state, location, _found
                 in drift_rules.comparable(facts, self.policy())}
        return {f'{store}:{pool}/{name}': reason
                for (store, pool, name), reason in self._unread.items()
                if (store, pool, name) in there}


def _is_deleted(finding, facts):
    image = facts.images.get(finding.image_id)
    return image is not None and image.is_deleted


def _unexplained(images, states):
    """Return the ids of images whose data are where no location is."""
    wanted = {(location.store, location.name)
              for image in images.values() for location in image.locations}
    found = set()
    for state in states:
        for _pool, name in (*state.images, *state.unreadable):
            if (state.name, name) not in wanted:
                found.add(drift_rules.image_id(name))
        for place, image in state.images.items():
            if image.record and (state.name, place[1]) not in wanted:
                found.add(image.record.image_id)
    return found - {None}
