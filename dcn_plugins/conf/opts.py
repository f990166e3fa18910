# SPDX-License-Identifier: Apache-2.0
"""The lists behind the ``oslo.config.opts`` entry points."""

from dcn_plugins.conf import imagecopy
from dcn_plugins.conf import locking
from dcn_plugins.conf import sites


def list_nova_opts():
    """Return what nova-scheduler reads."""
    return sites.list_opts()


def list_cinder_opts():
    """Return what cinder-volume reads."""
    return locking.list_opts()


def list_glance_opts():
    """Return what glance-api reads."""
    return imagecopy.list_opts()
