# SPDX-License-Identifier: Apache-2.0
"""Set right what is provably ours, one thing after the other.

Each finding is looked at once more, by the same rules, before anything is
changed; what is gone or in use by then stays. Whatever is done may be done
twice, and who is killed on the way leaves what the next scrub finds.

An image that is to be removed is renamed first, and Glance is asked once more
then. A copy that began before has the lock of its image by then, or has told
its location: the image gets its name back. One that begins later does not
find it. So nothing is removed that somebody is about to register.
"""

import dataclasses

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import drift
from dcn_plugins.glance import drift_rules
from dcn_plugins.imagecopy import stored_image

LOG = logging.getLogger(__name__)

_GONE = 'it has gone meanwhile, or is in use'
_LAST = 'no copy that Glance knows of is proved to be whole'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What has become of a finding.

    :param reason: why it is there still; empty if it is not.
    :param is_failure: whether that could not be found out, or something does
        not work.
    """

    finding: drift.Finding
    is_repaired: bool
    reason: str = ''
    is_failure: bool = False


class DriftRepair:
    """Repairs what a search has found.

    :param search: :class:`~dcn_plugins.glance.drift_search.DriftSearch`.
    :param images: :class:`~dcn_plugins.glance.image_facts.ImageFacts`.
    :param api: :class:`~dcn_plugins.glance.image_api.ImageAPI`.
    :param allowed: what may be removed, as in :mod:`drift`.
    """

    def __init__(self, search, images, api, allowed=()):
        self._search = search
        self._images = images
        self._api = api
        self._allowed = frozenset(allowed)
        self._repairs = {
            drift.SNAPSHOT_MISSING: self._freeze,
            drift.SNAPSHOT_UNPROTECTED: self._freeze,
            drift.PARTIAL_COPY: self._remove_partial,
            drift.ORPHAN_IMAGE: self._remove_orphan,
            drift.DELETED_IMAGE: self._remove_orphan,
            drift.MISSING_IMAGE: self._remove_location,
            drift.HEADLESS_IMAGE: self._remove_headless,
        }

    def repair(self, report):
        """Yield an :class:`Outcome` for each finding, in their order."""
        for finding in report.findings:
            try:
                reason = self._why_not(finding)
                is_failure = False
                if not reason:
                    reason = self._repaired(finding)
            # Each by itself; the database may raise anything.
            except Exception as exc:
                LOG.debug('%s was not repaired', finding.subject,
                          exc_info=True)
                reason, is_failure = f'{type(exc).__name__}: {exc}', True
            if not reason:
                LOG.info('Repaired %s %s: %s', finding.kind.id,
                         finding.subject, finding.evidence)
            yield Outcome(finding, not reason, reason, is_failure)

    def _why_not(self, finding):
        if finding.reason:
            return finding.reason
        if finding.kind not in self._repairs:
            return 'only somebody who knows can decide'
        if finding.kind.consent and finding.kind.consent not in self._allowed:
            return f'see {finding.kind.consent}'
        return ''

    def _repaired(self, finding):
        """Repair a finding that stands; return why it was not, or empty."""
        now = self._search.standing(finding)
        if now is None:
            return _GONE
        finding, facts = now
        return finding.reason or self._repairs[finding.kind](finding, facts)

    def _freeze(self, finding, facts):
        found = _image_of(finding, facts)
        image = facts.images[finding.image_id]
        if not self._is_same(image, finding.store, finding.pool, found):
            return 'its content is not proved to be that of the image'
        self._store(finding).freeze(finding.pool, found)
        return ''

    def _remove_partial(self, finding, facts):
        if self._may_be_the_last(finding, facts):
            return _LAST
        store, found = self._store(finding), _image_of(finding, facts)
        # Else the next copy would go on with it, if anybody asked for one.
        if found.record is not None and (
                found.record.image_id == drift_rules.stem(found.name)):
            named = store.finish_name(finding.pool, found)
            if named is not None:
                return self._discard(finding, facts, named)
        return '' if store.remove(finding.pool, found) else _GONE

    def _remove_headless(self, finding, _facts):
        is_gone = self._store(finding).remove_headless(
            finding.pool, finding.name)
        return '' if is_gone else _GONE

    def _remove_orphan(self, finding, facts):
        return self._discard(finding, facts, _image_of(finding, facts))

    def _discard(self, finding, facts, found):
        """Remove an image unless somebody has come to want it."""
        store = self._store(finding)
        if self._is_wanted(finding, facts):
            if not found.name.endswith(stored_image.ASIDE):
                return _GONE
            store.put_back(finding.pool, found.name)
            return ''
        if self._may_be_the_last(finding, facts):
            return _LAST
        if not found.name.endswith(stored_image.ASIDE):
            store.set_aside(finding.pool, found)
            found = dataclasses.replace(
                found, name=found.name + stored_image.ASIDE)
            if self._is_wanted(finding, facts):
                store.put_back(finding.pool, found.name)
                return 'it came into use meanwhile, and has its name back'
        return '' if store.remove(finding.pool, found) else _GONE

    def _may_be_the_last(self, finding, facts):
        """Say whether there may be no other whole copy of a living image."""
        image = facts.images.get(finding.image_id)
        return image is not None and not image.is_deleted and (
            not self._has_good_copy(image, facts))

    def _is_wanted(self, finding, facts):
        """Ask Glance once more whether anybody registers it, or has."""
        image_id = drift_rules.stem(finding.name)
        image = self._images.known([image_id]).get(image_id)
        return image is not None and (
            image.is_busy or _has_location(image, finding, facts))

    def _remove_location(self, finding, facts):
        image = facts.images[finding.image_id]
        if not self._has_good_copy(image, facts, finding.store):
            return 'no other copy is proved to be whole'
        try:
            # It removes the data first, and goes on if there are none.
            self._api.remove_copy(image.id, finding.store)
        except exceptions.RemovalRefused as exc:
            return f'Glance refuses: {exc.reason}'
        now = self._images.known([image.id]).get(image.id)
        if now and _has_location(now, finding, facts):
            return 'Glance has answered, and the location is there still'
        return ''

    def _has_good_copy(self, image, facts, but=None):
        """Say whether a copy in another store has the hash of the image."""
        return any(
            self._is_same(image, state.name, state.place_of(location)[0],
                          found)
            for candidate, state, location, found in drift_rules.comparable(
                facts, dataclasses.replace(
                    self._search.policy(), grace_seconds=float('-inf')))
            if candidate.id == image.id and state.name != but)

    def _is_same(self, image, store, pool, found):
        content = self._search.compared(image, store, pool, found)
        return content is not None and content.is_same is True

    def _store(self, finding):
        return self._search.stores[finding.store]


def _has_location(image, finding, facts):
    """Say whether an image has a location where a finding is."""
    state = facts.store(finding.store)
    return any(
        location.status == 'active' and state.has(location)
        and state.place_of(location) == (
            finding.pool, drift_rules.stem(finding.name))
        for location in image.locations)


def _image_of(finding, facts):
    return facts.store(finding.store).images[finding.pool, finding.name]
