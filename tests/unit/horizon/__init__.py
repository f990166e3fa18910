# SPDX-License-Identifier: Apache-2.0
"""The panel in Horizon. Django has to be set up before anything of it."""

import django

django.setup()
