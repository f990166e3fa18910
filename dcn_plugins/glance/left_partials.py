# SPDX-License-Identifier: Apache-2.0
"""Remove what a copy has left of an image that is no more.

A partial copy is kept for whoever asks for the same copy next. Nobody can,
when the image has been deleted meanwhile.
"""

from oslo_log import log as logging

from dcn_plugins.ceph import pool_access
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import partials

LOG = logging.getLogger(__name__)


def remove(places, image_id, log=LOG.log):
    """Remove the partial copies of an image; blocks, and never raises.

    What cannot be removed is named in a warning, for somebody else.

    :param places: :class:`~dcn_plugins.imagecopy.request.Place` of each
        target.
    :param log: as :func:`~dcn_plugins.imagecopy.service.copy` has it.
    """
    for place in places:
        try:
            _remove(place, image_id, log)
        # Each cluster by itself; one that is away is no reason to leave what
        # is in the others.
        except Exception as exc:
            log(logging.WARNING, 'A partial copy of image %s, which was '
                'deleted, may be left in store %s: %s', image_id, place.store,
                exc)


def _remove(place, image_id, log):
    with pool_access.opened(place) as ioctx:
        for partial in partials.found(ioctx):
            if partial.image_id != image_id:
                continue
            if not partials.remove(ioctx, partial):
                raise exceptions.CephRefused(
                    f'removing {partial.name}', 'it is in use')
            log(logging.INFO, '%s was removed from store %s: the image was '
                'deleted', partial.name, place.store)
