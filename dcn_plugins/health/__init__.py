# SPDX-License-Identifier: Apache-2.0
"""Checks of what a site's API service needs, for ``/healthcheck``.

=============  ===========================================================
``probe``      asks in a thread of its own, and answers in time
``verdict``    what a check says (pure)
``extension``  what oslo.middleware loads: several probes, one answer
``dlm``        ``dcn_dlm``: whether the site's etcd takes a write
=============  ===========================================================

``dcn_stores`` is in the door of Glance, ``dcn_plugins.glance.health_stores``.
"""
