# SPDX-License-Identifier: Apache-2.0
"""The application of Django."""

import importlib

from django import apps


class DCNSites(apps.AppConfig):
    """What Horizon finds below ``ADD_INSTALLED_APPS``."""

    name = 'dcn_plugins.horizon'
    # The last part of the name is that of Horizon itself.
    label = 'dcn_sites'

    def ready(self):
        """Add our address to the REST API of Horizon."""
        # It cannot be imported before Django has its applications.
        importlib.import_module('dcn_plugins.horizon.rest')
