# SPDX-License-Identifier: Apache-2.0
"""What an import writes about its image, and nothing else of it.

Glance's own way is to read the whole image, to copy for minutes, and to write
the whole image back: what was patched meanwhile is gone, a copy that was
deleted meanwhile is listed again, and each write connects to all stores of
the image, also to one that is away. Here each write is one column, property or
row, by functions of Glance's database that its own parallel import uses.
"""

from glance.common import crypt
from glance.common import exception
from glance import db
from oslo_log import log as logging

from dcn_plugins.glance import database
from dcn_plugins.placement import image_import

LOG = logging.getLogger(__name__)


class ImageRecord:
    """One image in the database of Glance.

    Raises what the database does, and ``ImageNotFound`` of Glance.

    :param db_api: ``glance.db.get_api()``.
    :param context: of whoever may change the image.
    :param encryption_key: ``[DEFAULT] metadata_encryption_key``.
    """

    def __init__(self, db_api, context, image_id, encryption_key=None):
        self._db = db_api
        self._context = context
        self._image_id = image_id
        self._key = encryption_key

    def begin(self, stores):
        """Say that an image is on its way to stores."""
        self._merge(importing=set(stores), not_failed=set(stores))

    def end(self, stores, failed=()):
        """Say that an image is no longer on its way, and where it failed."""
        self._merge(ended=set(stores), failed=set(failed))

    def settle(self, stores):
        """Say that an image is not on its way to stores, unless it is locked.

        Glance writes the whole image back for each request that changes it,
        and so brings back what was noted when the request has read it, also
        if the task has ended meanwhile.

        :raises ImageNotFound: if the image has been deleted.
        """
        image = self._read()
        if not properties(image).get(image_import.TASK):
            self._change(image, ended=set(stores))

    def is_untouched(self, stores):
        """Say whether nothing has been noted of any of these stores.

        :raises ImageNotFound: if the image has been deleted.
        """
        image = self._read()
        found = properties(image)
        noted = _active(image).union(
            _names(found, image_import.IMPORTING),
            _names(found, image_import.FAILED))
        return noted.isdisjoint(stores)

    def abandon(self, task_id, stores):
        """Say that a task, which is no more, has failed to fill stores.

        Does nothing unless the image is locked by that task. Those that have
        got the image have not failed.

        :raises ImageNotFound: if it has been deleted.
        """
        image = self._read()
        if properties(image).get(image_import.TASK) == task_id:
            self._change(image, ended=set(stores),
                         failed=set(stores) - _active(image))

    @database.retried
    def unlock(self, task_id):
        """Take the lock of an image away from a task, if it has it."""
        try:
            self._db.image_delete_property_atomic(
                self._image_id, image_import.TASK, task_id)
        except exception.NotFound:
            LOG.debug('Image %s is not locked by task %s any more',
                      self._image_id, task_id)

    def publish(self, store, url):
        """Say that an image is in a store, if nobody has said so.

        :raises ImageNotFound: if it has been deleted; nothing stays.
        """
        if store not in self.stores():
            self._add(store, url)
        try:
            # What is deleted while a row is added does not see that row.
            image = self._read()
        except exception.ImageNotFound:
            self.withdraw(store)
            raise
        # Two tasks at the same moment: one that has lost its lock since it
        # looked. One row stays, the same for both.
        for location in _rows(image, store)[1:]:
            self._delete(location['id'])
        self._merge(ended={store}, not_failed={store})

    def withdraw(self, store):
        """Take back that an image is in a store; its data are not touched."""
        for location in _rows(self._read(is_deleted_shown=True), store):
            self._delete(location['id'])

    def stores(self):
        """Return the names of the stores that an image is in."""
        return _active(self._read())

    def state(self, store):
        """Return ``active``, ``deleted``, ``pending_delete`` or ``None``.

        It is that of the newest location that the image has had in a store.
        """
        rows = [row for row in self._read(is_deleted_shown=True)['locations']
                if row['metadata'].get('store') == store]
        return max(rows, key=lambda row: row['id'])['status'] if rows else None

    def fill(self, size, algorithm, value):
        """Note size and hash of an image of which nobody knew them."""
        image = self._read()
        values = {}
        if not image['size'] and size:
            values['size'] = size
        if image['os_hash_value'] is None and value:
            values.update(os_hash_algo=algorithm, os_hash_value=value)
        if values:
            self._update(values)

    def _merge(self, **changes):
        self._change(self._read(), **changes)

    def _change(self, image, importing=frozenset(), ended=frozenset(),
                failed=frozenset(), not_failed=frozenset()):
        before = properties(image)
        after = {
            name: _names(before, name) - less | more for name, less, more in (
                (image_import.IMPORTING, ended, importing),
                (image_import.FAILED, not_failed, failed))}
        changed = {name: ','.join(sorted(stores))
                   for name, stores in after.items()
                   if stores != _names(before, name)}
        if changed:
            self._update({'properties': changed})

    @database.retried
    def _add(self, store, url):
        self._db.image_location_add(self._context, self._image_id, {
            'url': self._stored(url), 'metadata': {'store': store},
            'status': 'active'})

    @database.retried
    def _delete(self, location_id):
        self._db.image_location_delete(self._context, self._image_id,
                                       location_id, 'deleted')

    @database.retried
    def _update(self, values):
        self._db.image_update(self._context, self._image_id, values,
                              purge_props=False,
                              atomic_props=db.IMAGE_ATOMIC_PROPS)

    @database.retried
    def _read(self, is_deleted_shown=False):
        image = self._db.image_get(self._context, self._image_id,
                                   force_show_deleted=is_deleted_shown)
        # An administrator is shown images that are no more.
        if image['deleted'] and not is_deleted_shown:
            raise exception.ImageNotFound()
        return image

    def _stored(self, url):
        return crypt.urlsafe_encrypt(self._key, url) if self._key else url


def _rows(image, store):
    """Return the locations in a store, the oldest first."""
    return sorted((location for location in image['locations']
                   if location['status'] == 'active'
                   and location['metadata'].get('store') == store),
                  key=lambda location: location['id'])


def _active(image):
    return {location['metadata'].get('store')
            for location in image['locations']
            if location['status'] == 'active'}


def properties(image):
    """Return the properties of an image as the database has it."""
    return {row['name']: row['value'] for row in image['properties']
            if not row['deleted']}


def _names(properties, name):
    return {store for store in (properties.get(name) or '').split(',')
            if store}
