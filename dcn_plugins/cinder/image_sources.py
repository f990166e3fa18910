# SPDX-License-Identifier: Apache-2.0
"""The copy of an image that a volume of this site is cloned from."""

import time

from cinder import exception
from oslo_log import log as logging

from dcn_plugins.cinder import image_access
from dcn_plugins.cinder import image_api
from dcn_plugins.cinder import image_copies
from dcn_plugins.cinder import image_locations
from dcn_plugins.cinder import job_flight
from dcn_plugins.conf import volume_images
from dcn_plugins import exceptions

LOG = logging.getLogger(__name__)


class ImageSources:
    """Find the copy, or have one made, as ``image_on_miss`` says.

    :param conf: the options of cinder.conf, read at use.
    :param store: the name of the site's store.
    """

    def __init__(self, conf, store, locations, copies):
        self._conf = conf
        self._store = store
        self._locations = locations
        self._copies = copies

    def find(self, context, image_location, image_meta, fsid):
        """Return the URL of a copy in our cluster that can be cloned.

        :param context: of the request.
        :param image_location: what Cinder's ``get_location`` has returned.
        :param image_meta: what its ``show`` has.
        :param fsid: our cluster.
        :returns: ``None`` if there is no such copy, and the volume is to be
            streamed. If one could have been made, a warning says why not.
        :raises ImageCopyFailure: of Cinder, if ``image_on_miss`` is ``fail``.
        """
        if not is_cloneable(image_meta):
            # It is streamed, and that from here if it is here.
            if not self._is_listed(image_meta):
                self._check_streaming(image_meta)
            return None
        found = self._look(context, image_meta,
                           image_locations.Shown.by_cinder(image_location),
                           fsid)
        if found is None and self._on_miss == volume_images.COPY:
            return self._copied(context, image_meta['id'], fsid)
        if found is None:
            self._check_streaming(image_meta, fsid)
        return found

    @property
    def _on_miss(self):
        return self._conf.dcn.image_on_miss

    def _look(self, context, image, shown, fsid):
        return self._locations.find(context, image, shown, fsid, self._store)

    def _copied(self, context, image_id, fsid):
        started = time.monotonic()
        try:
            image = self._copies.bring(context, image_id, self._store,
                                       self._conf.dcn.image_copy_seconds)
        except exceptions.CopyError as exc:
            reason = exc.reason
        else:
            found = self._look(context, image,
                               image_locations.Shown.by_glance(image), fsid)
            if found is not None:
                LOG.info('Image %s was in the store %s after %.1f s',
                         image_id, self._store, time.monotonic() - started)
                return found
            reason = self._unreadable(fsid)
        LOG.warning('A volume cannot be cloned from image %s in the store %s '
                    'of this site and is streamed through Glance '
                    '(image_on_miss=copy): %s', image_id, self._store, reason)
        return None

    def _is_listed(self, image):
        return self._store in image_api.names(image, 'stores')

    @staticmethod
    def _unreadable(fsid):
        return ('Glance says that it is there, but it has no snapshot in the '
                f'Ceph cluster {fsid} that the user of the backend can read')

    def _check_streaming(self, image, fsid=None):
        if self._on_miss != volume_images.FAIL:
            return
        reason = (self._unreadable(fsid) if self._is_listed(image)
                  else 'it has no copy there')
        # Cinder does not try the next backend after this one.
        raise exception.ImageCopyFailure(
            reason=f'image {image["id"]} is not to be had in the store '
            f'{self._store} of this site (image_on_miss=fail): {reason}. '
            'Have an administrator copy it: openstack image import --method '
            f'copy-image --store {self._store} {image["id"]}')


def is_cloneable(image_meta):
    """Tell whether a volume can be a clone of the image at all."""
    return (image_meta.get('disk_format') == 'raw'
            # Glance may hold raw data compressed.
            and image_meta.get('container_format') in ('bare', None)
            # Raw data of an encrypted volume.
            and not image_meta.get('cinder_encryption_key_id'))


def of_backend(conf, store, snapshot_of, get_lock):
    """Return the :class:`ImageSources` of a backend; asks nobody yet.

    :param snapshot_of: see ``image_locations.ImageLocations``.
    :param get_lock: see ``image_copies.ImageCopies``.
    :raises ConfigError: if ``placement_jobs_url`` is of no use.
    """
    api = image_api.ImageAPI(image_access.Access(conf))
    return ImageSources(
        conf, store, image_locations.ImageLocations(api, snapshot_of),
        image_copies.ImageCopies(api, get_lock,
                                 get_jobs=job_flight.jobs_of(conf)))
