# SPDX-License-Identifier: Apache-2.0
"""What Glance's database says of images and their locations.

Read from the database and not from the API: the API shows no deleted image,
no location that is still to be removed, and URLs only if it is told to.
"""

import datetime

from glance.common import crypt
from glance.common import exception

from dcn_plugins.glance import database
from dcn_plugins.glance import drift_facts
from dcn_plugins.glance import image_record
from dcn_plugins.placement import image_import

_PAGE = 500
_KEPT = ('active', drift_facts.PENDING)


class ImageFacts:
    """The images of one database.

    Methods raise what the database does.

    :param db_api: ``glance.db.get_api()``.
    :param context: of an administrator.
    :param encryption_key: ``[DEFAULT] metadata_encryption_key``.
    """

    def __init__(self, db_api, context, encryption_key=None):
        self._db = db_api
        self._context = context
        self._key = encryption_key

    def live(self):
        """Return all images that are not deleted, by id."""
        return {row['id']: self._image(row) for row in self._rows(
            {'deleted': False})}

    def known(self, ids):
        """Return those of some images that there are, or were, by id.

        Other than with :meth:`live`, locations that wait for their removal
        are among theirs.
        """
        rows = (self._row(image_id) for image_id in ids)
        return {row['id']: self._image(row) for row in rows if row}

    def deleted_since(self, moment):
        """Return when images were deleted, by id: those since a moment.

        :param moment: seconds since 1970, by the clocks of all glance-api:
            who wants them all asks for some minutes before.
        """
        since = datetime.datetime.fromtimestamp(
            moment, datetime.timezone.utc).replace(tzinfo=None)
        return {row['id']: _seconds(row['deleted_at'])
                for row in self._rows({'deleted': True,
                                       'changes-since': since})}

    def _rows(self, filters):
        marker = None
        while True:
            # The database takes some of the filters out.
            page = self._page({'visibility': 'all', **filters}, marker)
            yield from page
            if len(page) < _PAGE:
                return
            marker = page[-1]['id']

    @database.retried
    def _page(self, filters, marker):
        # An administrator may go on behind an image that was deleted. What it
        # is sorted by must not change from page to page.
        return self._db.image_get_all(
            self._context, filters=dict(filters), marker=marker, limit=_PAGE,
            sort_key=['created_at', 'id'], sort_dir=['asc', 'asc'])

    @database.retried
    def _row(self, image_id):
        try:
            return self._db.image_get(self._context, image_id,
                                      force_show_deleted=True)
        except exception.NotFound:
            return None

    def _image(self, row):
        properties = image_record.properties(row)
        return drift_facts.GlanceImage(
            row['id'], row['status'],
            max(map(_seconds, (row['created_at'], row['updated_at'],
                               row['deleted_at']))),
            bool(row['deleted']),
            bool(properties.get(image_import.TASK)
                 or properties.get(image_import.IMPORTING)),
            row['size'], row['os_hash_algo'], row['os_hash_value'],
            tuple(drift_facts.Location.of(
                self._readable(location['url']),
                location['metadata'].get('store'), location['status'])
                for location in row['locations']
                if location['status'] in _KEPT))

    def _readable(self, url):
        return crypt.urlsafe_decrypt(self._key, url) if self._key else url


def of_this_glance(conf):
    """Return what the database of this glance-api, or of its files, says.

    :param conf: of Glance.
    """
    # Only here: they read the options when they are imported.
    from glance import context as glance_context
    from glance import db

    return ImageFacts(db.get_api(), glance_context.get_admin_context(),
                      conf.metadata_encryption_key)


def _seconds(moment):
    if moment is None:
        return 0.0
    # Glance writes UTC and does not say so.
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()
