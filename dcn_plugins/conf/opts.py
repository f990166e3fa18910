# SPDX-License-Identifier: Apache-2.0
"""The lists behind the ``oslo.config.opts`` entry points."""

from oslo_config import cfg

from dcn_plugins.conf import health
from dcn_plugins.conf import imagecopy
from dcn_plugins.conf import locking
from dcn_plugins.conf import placement
from dcn_plugins.conf import sites
from dcn_plugins.conf import volume_images
from dcn_plugins.conf import volume_sites


def list_nova_opts():
    """Return what nova-scheduler reads."""
    return sites.list_opts()


def list_cinder_opts():
    """Return what cinder-volume, cinder-scheduler and cinder-api read."""
    group = cfg.OptGroup(
        'dcn', title='DCN locks, images and sites',
        help='Locks of the RBD driver and volumes from images, read by '
             'cinder-volume, scheduling by sites, read by '
             'cinder-scheduler, and health checks, read by cinder-api.')
    # One entry for the group, as each gets a heading of its own.
    return [(group, locking.OPTS + volume_images.OPTS + volume_sites.OPTS
             + health.OPTS),
            (volume_sites.BACKEND_GROUP,
             volume_sites.BACKEND_OPTS + volume_images.BACKEND_OPTS)]


def list_glance_opts():
    """Return what glance-api reads."""
    (group, options), = imagecopy.list_opts()
    # One entry for the group, as each gets a heading of its own.
    return [(group, options + placement.OPTS + health.OPTS
             + health.STORE_OPTS)]
