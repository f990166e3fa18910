# SPDX-License-Identifier: Apache-2.0
"""Glance's locations and pools in memory, and drift planted between them."""

import dataclasses
import hashlib
import uuid

from dcn_plugins import exceptions
from dcn_plugins.glance import drift_facts
from dcn_plugins.glance import drift_repair
from dcn_plugins.glance import drift_rules
from dcn_plugins.glance import drift_search
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import stored_image

NOW = 1e9
LONG_AGO = NOW - 86400
GRACE = 3600.0
POOL = 'images'
SIZE = 1 << 20
STORES = ('central', 'dcn0', 'dcn1')
GOOD, BAD = 'good', 'bad'


class Death(BaseException):
    """What ends a process at once."""


def hash_of(content):
    return hashlib.sha512(content.encode()).hexdigest()


def ident(number):
    """Return the id of an image of Glance."""
    return str(uuid.UUID(int=number))


def fsid(store):
    return f'fsid-{store}'


def url(store, image_id, cluster=None):
    return f'rbd://{cluster or fsid(store)}/{POOL}/{image_id}/snap'


class World:
    """Three stores and the images in them.

    :ivar images: :class:`GlanceImage` by id.
    :ivar pools: ``{store: {name: StoredImage}}``.
    :ivar contents: what is in an image, by what Ceph calls it.
    :ivar headless: names in the pool of a store, which have no header.
    :ivar half_named: ids of images that have two names.
    :ivar down: stores that do not answer.
    :ivar before: called with the name of each change before it is made.
    """

    def __init__(self):
        self.images = {}
        self.pools = {store: {} for store in STORES}
        self.contents = {}
        self.headless = {store: set() for store in STORES}
        self.half_named = set()
        self.down = set()
        self.before = lambda change: None
        self.reads = 0
        self.needs_protection = True
        self.pending = {}
        self._numbers = iter(range(1, 1 << 20))

    # What Glance and copies do.

    def add(self, number, stores=STORES, **values):
        """Add an image that is in stores; return its id."""
        image_id = ident(number)
        self.images[image_id] = drift_facts.GlanceImage(**{
            'id': image_id, 'status': 'active', 'changed': LONG_AGO,
            'size': SIZE, 'hash_algorithm': 'sha512',
            'hash_value': hash_of(GOOD), 'locations': tuple(
                drift_facts.Location.of(url(store, image_id), store)
                for store in stores), **values})
        for store in stores:
            self.store(store, image_id, is_ours=store != 'central')
        return image_id

    def store(self, store, name, is_ours=True, content=GOOD, **values):
        """Put an RBD image into the pool of a store."""
        rbd_id = f'{next(self._numbers):x}'
        self.contents[rbd_id] = content
        found = stored_image.StoredImage(**{
            'name': name, 'id': rbd_id, 'size': SIZE, 'changed': LONG_AGO,
            'snapshot': stored_image.Snapshot(SIZE, True),
            'record': record.Record(drift_rules.stem(name), 'F/p/1@2', SIZE,
                                    1) if is_ours else None, **values})
        self.pools[store][name] = found
        return found

    def change(self, store, name, **values):
        """Change what an RBD image is like."""
        self.pools[store][name] = dataclasses.replace(
            self.pools[store][name], **values)

    def change_image(self, image_id, **values):
        self.images[image_id] = dataclasses.replace(
            self.images[image_id], **values)

    def forget(self, store, image_id):
        """Have Glance have no location in a store."""
        self.change_image(image_id, locations=tuple(
            location for location in self.images[image_id].locations
            if location.store != store))

    def moved(self, store, name, new_name):
        self.pools[store][new_name] = dataclasses.replace(
            self.pools[store].pop(name), name=new_name)

    # What ImageFacts says.

    def live(self):
        self.reads += 1
        return {image_id: image for image_id, image in self.images.items()
                if not image.is_deleted}

    def known(self, ids):
        found = {image_id: self.images[image_id] for image_id in ids
                 if image_id in self.images}
        return {image_id: dataclasses.replace(image, locations=(
            *image.locations, *self.pending.get(image_id, ())))
            for image_id, image in found.items()}

    # What the API does.

    def remove_copy(self, image_id, store):
        self.before('remove location')
        if len(self.images[image_id].locations) == 1:
            raise exceptions.RemovalRefused(image_id, store,
                                            'it is the last one')
        self.forget(store, image_id)
        self.pools[store].pop(image_id, None)

    # All of it together.

    def search(self, grace_seconds=GRACE, wait=lambda: None,
               is_deleted_only=False):
        return drift_search.DriftSearch(
            self, {store: FakeStore(self, store) for store in STORES},
            grace_seconds, wait, clock=lambda: NOW,
            is_deleted_only=is_deleted_only)

    def found(self, is_deep=True, **options):
        """Return ``(kind, store, name)`` of what is found."""
        report = self.search(**options).report(is_deep)
        return [(found.kind.id, found.store, found.name)
                for found in report.findings]

    def repair(self, *allowed):
        """Find and repair; return the outcomes."""
        search = self.search()
        return list(drift_repair.DriftRepair(
            search, self, self, allowed).repair(search.report(True)))

    def state(self):
        return self.images, self.pools, self.headless

    def good_copies(self, image_id):
        """Return the stores that have a whole copy, wherever it stands."""
        return {store for store, pool in self.pools.items()
                for name, found in pool.items()
                if drift_rules.stem(name) == image_id and (
                    self.contents[found.id] == GOOD)}


class FakeStore:
    """What StoreFacts does, in a world."""

    def __init__(self, world, name):
        self._world = world
        self._name = name
        self.place = type('Place', (), {'store': name, 'pool': POOL})

    @property
    def _pool(self):
        if self._name in self._world.down:
            raise exceptions.ClusterUnreachable(self._name, 'no route')
        return self._world.pools[self._name]

    def read(self, locations, only=None, progress=lambda done, total: None):
        named = {location.name for location in locations
                 if location.fsid in (None, fsid(self._name))}
        images = {(POOL, name): found for name, found in self._pool.items()
                  if name in named or only is None
                  or drift_rules.stem(name) in only}
        headless = frozenset((POOL, name) for name
                             in self._world.headless[self._name]
                             if only is None
                             or drift_rules.stem(name) in only)
        return drift_facts.StoreState(
            self._name, fsid(self._name), POOL, images,
            dict.fromkeys(headless, 'it is listed and has no header'),
            needs_protection=self._world.needs_protection,
            protection='clones are of version 1', headless=headless)

    def finish_name(self, pool, found):
        if found.id not in self._world.half_named:
            return None
        name = drift_rules.stem(found.name)
        self._rename(found.name, name)
        self._world.half_named.remove(found.id)
        return self._pool[name]

    def remove_headless(self, pool, name):
        self._world.before('remove headless')
        self._world.headless[self._name].discard(name)
        return name not in self._pool

    def compare(self, pool, found, algorithm, value, is_read=False):
        now = self._pool.get(found.name)
        if now is None or now.id != found.id:
            raise exceptions.CephRefused(found.name, 'it was removed')
        is_same = hash_of(self._world.contents[found.id]) == value
        return stored_image.Content(is_same, stored_image.HASH)

    def freeze(self, pool, found):
        self._check(found)
        for change, is_protected in (('snapshot', False), ('protect', True)):
            self._world.before(change)
            self._world.change(self._name, found.name,
                               snapshot=stored_image.Snapshot(
                                   found.size, is_protected))

    def set_aside(self, pool, found):
        self._check(found)
        self._rename(found.name, found.name + stored_image.ASIDE)

    def put_back(self, pool, name):
        self._rename(name, name.removesuffix(stored_image.ASIDE))

    def _rename(self, name, new_name):
        self._world.before('rename')
        if new_name in self._pool:
            raise exceptions.CephRefused(name, 'exists')
        self._world.moved(self._name, name, new_name)

    def remove(self, pool, found):
        now = self._pool.get(found.name)
        if now is None or now.id != found.id or now.obstacle or (
                now.id in self._world.half_named):
            return now is None
        self._world.before('remove image')
        del self._pool[found.name]
        return True

    def _check(self, found):
        if self._pool.get(found.name) != found:
            raise exceptions.CephRefused(found.name, 'it has changed')
