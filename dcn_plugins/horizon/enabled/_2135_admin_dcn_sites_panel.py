# SPDX-License-Identifier: Apache-2.0
"""Admin, Compute, Sites: behind Host Aggregates, which it shows by site."""

PANEL = 'dcn_sites'
PANEL_DASHBOARD = 'admin'
PANEL_GROUP = 'compute'
ADD_PANEL = 'dcn_plugins.horizon.panel.Sites'

ADD_INSTALLED_APPS = ['dcn_plugins.horizon']

# The step "Site" of Launch Instance.
AUTO_DISCOVER_STATIC_FILES = True
ADD_ANGULAR_MODULES = ['dcn.launch-instance']
