# SPDX-License-Identifier: Apache-2.0
"""Which stores of which task of Glance are filled by our engine.

Nothing here ever raises: Glance would drop the plugin, and its task would
hold the image for an hour. What cannot be decided is Glance's.
"""

import functools

from oslo_log import log as logging

from dcn_plugins.conf import imagecopy
from dcn_plugins.glance import claims
from dcn_plugins.glance import rbd_stores
from dcn_plugins.glance import upstream_shape
from dcn_plugins import version

LOG = logging.getLogger(__name__)

CLAIMS = claims.Claims()


def claim(conf, asked, choose):
    """Return the :class:`~claims.Claim` of a task; ``None`` if it has none.

    :param conf: of Glance.
    :param asked: what Glance hands to a plugin.
    :param choose: which stores of it are ours; called with ``conf``, the
        image and the names of the stores.
    """
    try:
        # It is empty when all of it is ours and Glance asks again.
        stores = asked.get('backend')
        if stores is None or not is_on(conf):
            return None
        return CLAIMS.of(asked['task_id'], stores,
                         lambda: choose(conf, _image(asked), tuple(stores)))
    # The last line of defence, as it says above.
    except Exception:
        LOG.exception('Image %s is copied in Glance\'s own way',
                      asked.get('image_id'))
        return None


def is_on(conf):
    """Return whether our data path is to be used, and can be.

    :raises ConfigError: of oslo.config, for an option without a valid value.
    """
    imagecopy.register_opts(conf)
    # Those that are read later would fail the copy.
    for opt in imagecopy.OPTS:
        conf.dcn[opt.dest]
    return (conf.dcn.copy_data_path == imagecopy.DCN
            and bool(conf.enabled_backends) and _is_fit())


def copied(conf, image, stores):
    """Choose of a copy-image: RBD stores, if the image is in one, too."""
    return _fillable(conf, stores) if _has_source(conf, image) else ()


def fanned_out(conf, image, stores):
    """Choose of an import: all RBD stores, if there is more than one."""
    found = _fillable(conf, stores)
    return found if len(found) > 1 else ()


def _fillable(conf, stores):
    found = tuple(store for store in stores if rbd_stores.place(conf, store))
    for store in stores:
        if store not in found:
            LOG.info('Store %s is filled in Glance\'s own way: it is not in '
                     'RBD, or has no rbd_store_user', store)
    return found


def _has_source(conf, image):
    locations = [(location['url'], location['metadata'].get('store'))
                 for location in image.locations]
    if not rbd_stores.sources(conf, image.image_id, locations):
        LOG.info('Image %s is copied in Glance\'s own way: none of its copies '
                 'is in an RBD store of this glance-api', image.image_id)
        return False
    if image.os_hash_value is None and 'img_signature' in (
            image.extra_properties):
        # With a hash that was noted when its signature was checked, the
        # bytes are known to be the same.
        LOG.info('Image %s is copied in Glance\'s own way: it is signed, and '
                 'nobody has noted a hash of it', image.image_id)
        return False
    return True


def _image(asked):
    return (asked.get('admin_repo') or asked['image_repo']).get(
        asked['image_id'])


@functools.cache
def _is_fit():
    """Return whether Glance is what we need; say once what it is not."""
    found = upstream_shape.differences()
    if found:
        LOG.error('[dcn] copy_data_path = dcn has no effect: dcn_plugins %s '
                  'does not know this release of Glance (%s). Images are '
                  'copied in Glance\'s own way.', version.version_string(),
                  '; '.join(found))
    return not found
