# SPDX-License-Identifier: Apache-2.0
"""Horizon's own settings for tests, with our file read as Horizon does it."""

import socket

from openstack_dashboard import enabled as theirs
from openstack_dashboard.test.settings import *  # noqa: F401,F403,H303
from openstack_dashboard.test.settings import HORIZON_CONFIG
from openstack_dashboard.test.settings import INSTALLED_APPS as APPS
from openstack_dashboard.utils import settings as dashboard_settings

from dcn_plugins.horizon import enabled as ours

# Horizon's tests have nobody to wait for.
socket.setdefaulttimeout(None)

ALLOWED_HOSTS = ['testserver']
# Style sheets are not what is tested here, and take seconds.
COMPRESS_ENABLED = False

dashboard_settings.update_dashboards([theirs, ours], HORIZON_CONFIG, APPS)
# Theirs are there already.
INSTALLED_APPS = list(dict.fromkeys(APPS))
