# SPDX-License-Identifier: Apache-2.0
"""A user's copy-image while a copy of ours holds the image.

Glance copies one image at a time, and answers 409 to whoever asks for another
store meanwhile. Nova gives up then. If the copy under way is one of ours, the
user has not to pay for it: what he has asked for becomes a job that goes
before all others, and the answer is the 202 that he would have got.
"""

from oslo_log import log as logging
import webob

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need
from dcn_plugins.glance import placement_jobs
from dcn_plugins.glance import store_request

LOG = logging.getLogger(__name__)


def is_possible(asked, image, targets):
    """Return whether a 409 of Glance can only be about a lock.

    Glance asks first whether the image can be copied at all, then whether the
    user may, and then whether something else holds it. So for an image that
    can be copied, to stores that there are, the user may do so.

    :param asked: :class:`~dcn_plugins.glance.store_request.StoreRequest`.
    :param image: as Glance answers.
    :param targets: names of the stores that would be written to.
    """
    count = len(targets) if asked.stores is None else len(asked.stores)
    return (asked.doing == store_request.COPY and len(targets) == count
            and bool(targets) and image.get('status') == 'active'
            and bool(image.get('disk_format'))
            and bool(image.get('container_format')))


def answer(request, application, conf, image, targets):
    """Return Glance's answer, or 202 if a copy of ours was in the way."""
    found = request.get_response(application)
    if found.status_int != 409:
        return found
    present = copy_need.names(image.get('stores'))
    stores = [store for store in targets if store not in present]
    try:
        if len(stores) < len(targets) or not _register(
                conf, image['id'], stores):
            return found
    # Whatever is wrong with us, Glance has answered.
    except (exceptions.EtcdError, exceptions.ConfigError) as exc:
        LOG.warning('Image %s is not copied to %s, as somebody else copies '
                    'it: %s', image['id'], ','.join(stores), exc)
        return found
    LOG.info('Image %s is to be copied to %s as soon as the copy under way '
             'has ended: a user has asked for it', image['id'],
             ','.join(stores))
    return webob.Response(status=202)


def _register(conf, image_id, stores):
    """Register jobs for stores; return whether they will be done."""
    known = placement_jobs.of(conf)
    if known is None or not known.jobs.claims(image_id):
        return False
    return all(known.jobs.ask(image_id, store) is not None
               for store in stores)
