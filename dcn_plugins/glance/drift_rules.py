# SPDX-License-Identifier: Apache-2.0
"""Which differences between Glance and the pools are drift. Pure.

Whatever may still be changing is not looked at: an image with an import or a
copy under way, one that is neither active nor deleted, and what was changed
less than the grace period ago on either side. What is left may be seen in
between two steps of somebody all the same; so what counts is what stands in
two looks, see :mod:`~dcn_plugins.glance.drift_search`.
"""

import dataclasses
import uuid

from dcn_plugins.glance import drift
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests
from dcn_plugins.imagecopy import stored_image

_NOT_OURS = 'it bears no mark of ours'


@dataclasses.dataclass(frozen=True)
class Policy:
    """How to judge.

    :param now: seconds since 1970.
    :param grace_seconds: for how long something is young.
    """

    now: float
    grace_seconds: float

    def is_young(self, moment):
        """Tell whether something may still be changing."""
        return moment > self.now - self.grace_seconds


def stem(name):
    """Return the name of an image without what we call it meanwhile."""
    return name.removesuffix(record.SUFFIX).removesuffix(stored_image.ASIDE)


def image_id(name):
    """Return the id of the image of Glance that a name is of, or ``None``."""
    found = stem(name)
    try:
        return found if str(uuid.UUID(found)) == found else None
    except ValueError:
        return None


def find(facts, policy):
    """Return the :class:`~dcn_plugins.glance.drift.Report`."""
    return _Look(facts, policy).report()


def comparable(facts, policy):
    """Yield image, store and RBD image of each copy whose content counts.

    They are whole by all that is known without reading them.
    """
    for image in facts.images.values():
        for store, location in _located(facts, image):
            found = store.images.get(store.place_of(location))
            if found is not None and found.snapshot is not None and (
                    image.hash_value and image.is_settled
                    and image.size == found.read_bytes
                    and not policy.is_young(found.changed)
                    and not policy.is_young(image.changed)):
                yield image, store, location, found


def _located(facts, image):
    """Yield the stores that Glance says have an image, with the location."""
    for location in image.locations:
        store = facts.store(location.store)
        if store is not None and location.status == 'active' and (
                store.has(location)):
            yield store, location


class _Look:
    """One look at both sides."""

    def __init__(self, facts, policy):
        self._facts = facts
        self._policy = policy
        self._findings = []
        self._skipped = set()
        self._elsewhere = 0
        self._judged = 0

    def report(self):
        for image in sorted(self._facts.images.values(),
                            key=lambda image: image.id):
            if not image.is_deleted:
                self._look_at_locations(image)
        stores = {}
        for store in self._facts.stores:
            stores.setdefault((store.fsid, store.pool), store)
        located = self._all_located()
        for store in stores.values():
            self._look_at_pool(store, located)
        return drift.Report(tuple(sorted(self._findings, key=_order)),
                            self._counted(stores.values()))

    def _counted(self, stores):
        return {
            'images': sum(not image.is_deleted
                          for image in self._facts.images.values()),
            'copies': self._judged, 'compared': len(self._facts.contents),
            'elsewhere': self._elsewhere, 'unsettled': len(self._skipped),
            'foreign': sum(store.foreign for store in stores)}

    def _all_located(self):
        """Return where Glance has anything, whatever store it names."""
        found = set()
        for image in self._facts.images.values():
            for location in image.locations:
                store = self._facts.store(location.store)
                fsid, pool = location.fsid, location.pool
                if store is not None:
                    fsid, pool = fsid or store.fsid, pool or store.pool
                found.add((fsid, pool, location.name))
        return found

    def _is_unsettled(self, image, found=None):
        """Say whether it may be changing, and count it if it is."""
        is_young = self._policy.is_young
        is_so = (image is not None and (
            not image.is_settled or is_young(image.changed))) or (
                found is not None and is_young(found.changed))
        if is_so:
            self._skipped.add(image.id if image else found.name)
        return is_so

    def _add(self, kind, store, place, image, evidence, reason='',
             found=None):
        pool, name = place
        self._findings.append(drift.Finding(
            kind, store.name, pool, name, image and image.id, evidence,
            reason, found and found.id))

    # What Glance says.

    def _look_at_locations(self, image):
        for location in image.locations:
            store = self._facts.store(location.store)
            if location.status != 'active':
                continue
            if store is None or location.name is None:
                self._elsewhere += 1
                continue
            place = store.place_of(location)
            found = store.images.get(place)
            if self._is_unsettled(image, found):
                continue
            self._judged += 1
            if not store.has(location):
                self._add(drift.WRONG_CLUSTER, store, place, image,
                          self._whose(store, location))
            elif place in store.unreadable:
                self._add(drift.UNREADABLE_IMAGE, store, place, image,
                          store.unreadable[place])
            elif found is None:
                self._add(drift.MISSING_IMAGE, store, place, image,
                          f'Pool {place[0]} of store {store.name} has no '
                          f'image {place[1]}', _why_location_stays(image))
            else:
                self._look_at_copy(image, store, location, found)

    def _whose(self, store, location):
        owner = next((other.name for other in self._facts.stores
                      if other.fsid == location.fsid), None)
        return (f'Its location is in cluster {location.fsid}'
                + (f', that of store {owner}' if owner else '')
                + f'; store {store.name} is in {store.fsid}')

    def _look_at_copy(self, image, store, location, found):
        place = store.place_of(location)
        if image.size is not None and image.size != found.read_bytes:
            self._add(drift.WRONG_SIZE, store, place, image,
                      f'It has {found.read_bytes} bytes, and the image '
                      f'{image.size}', found=found)
            return
        content = self._facts.contents.get((store.name, *place))
        if content is not None and content.is_same is False:
            self._add(drift.WRONG_CONTENT, store, place, image,
                      _difference(image, content), found=found)
            return
        if location.snapshot != requests.SNAPSHOT:
            # In the short form Glance reads the image itself.
            return
        reason = '' if image.hash_value else (
            'Glance has no hash of it, so it cannot be verified')
        if found.snapshot is None:
            self._add(drift.SNAPSHOT_MISSING, store, place, image,
                      f'It has no snapshot {location.snapshot}', reason,
                      found)
        elif store.needs_protection and not found.snapshot.is_protected:
            self._add(drift.SNAPSHOT_UNPROTECTED, store, place, image,
                      store.protection[:1].upper() + store.protection[1:],
                      reason, found)

    # What the pools have.

    def _look_at_pool(self, store, located):
        for place, found in sorted(store.images.items()):
            if place[0] != store.pool or (store.fsid, *place) in located:
                continue
            if place[1].endswith(record.SUFFIX):
                self._look_at_partial(store, place, found)
            elif place[1].endswith(stored_image.ASIDE):
                self._look_at_set_aside(store, place, found, located)
            else:
                self._look_at_unlocated(store, place, found)
        for place, reason in sorted(store.unreadable.items()):
            image = self._facts.images.get(image_id(place[1]))
            # Nothing says how old it is, but the image.
            if (store.fsid, *place) in located or image is None or (
                    self._is_unsettled(image)):
                continue
            if place in store.headless:
                self._look_at_headless(store, place, image, reason)
            else:
                self._add(drift.UNREADABLE_IMAGE, store, place, image, reason)

    def _look_at_headless(self, store, place, image, reason):
        is_ours = image.is_deleted or place[1].endswith(
            (record.SUFFIX, stored_image.ASIDE))
        self._add(drift.HEADLESS_IMAGE, store, place, image,
                  f'{reason[:1].upper()}{reason[1:]}. {_as(image)}',
                  '' if is_ours else 'an upload to this store may have left '
                                     'it, or be under way')

    def _look_at_partial(self, store, place, found):
        whose = found.record.image_id if found.record else (
            image_id(place[1]))
        image = self._facts.images.get(whose)
        if self._is_in_hand(image, found):
            return
        self._add(
            drift.PARTIAL_COPY, store, place, image,
            f'It has the name of a copy of image {whose} that has not ended, '
            f'and no client. {_as(image)}', found.obstacle, found)

    def _look_at_set_aside(self, store, place, found, located):
        """Look at what a removal has renamed that ended before its end."""
        image = self._facts.images.get(image_id(place[1]))
        if self._is_in_hand(image, found):
            return
        is_wanted = (store.fsid, store.pool, image_id(place[1])) in located
        self._add(
            drift.ORPHAN_IMAGE, store, place, image,
            'A removal has set it aside and was interrupted. '
            + ('It has a location by now, and gets its name back' if is_wanted
               else _as(image)),
            found.obstacle if found.record else _NOT_OURS, found)

    def _is_in_hand(self, image, found):
        is_so = found.watchers or self._policy.is_young(found.changed) or (
            image is not None and (
                image.is_busy or self._policy.is_young(image.changed)))
        if is_so:
            self._skipped.add(found.name)
        return is_so

    def _look_at_unlocated(self, store, place, found):
        image = self._facts.images.get(image_id(place[1]))
        is_ours = found.record is not None and (
            found.record.image_id == place[1])
        if image is None and not is_ours:
            # It may be of anybody, also of another Glance.
            return
        if self._is_unsettled(image, found):
            return
        kind = (drift.DELETED_IMAGE if image is not None and image.is_deleted
                else drift.ORPHAN_IMAGE)
        evidence = f'No location is {store.pool}/{place[1]}. {_as(image)}. '
        evidence += ('It bears our mark: a copy that was made from '
                     f'{found.record.source}' if is_ours else
                     'It was not made by dcn_plugins'
                     + ('' if found.snapshot else ', and has no snapshot: an '
                        'import that has failed leaves such a one'))
        self._add(kind, store, place, image, evidence,
                  found.obstacle if is_ours else _NOT_OURS, found)


def _why_location_stays(image):
    return '' if sum(location.status == 'active'
                     for location in image.locations) > 1 else (
        'it is the only location of the image')


def _difference(image, content):
    where = '' if content.offset is None else (
        f', near offset {content.offset}')
    return (f'It has not the {image.hash_algorithm} that Glance has '
            f'({content.how}{where})')


def _as(image):
    if image is None:
        return 'Glance knows no such image'
    if image.is_deleted:
        return 'Glance has deleted the image'
    return f'Glance has the image as {image.status}'


def _order(finding):
    """What was set aside first: it may be what is missing elsewhere."""
    return (not finding.name.endswith(stored_image.ASIDE), finding.store,
            finding.pool, finding.name, finding.kind.id)
