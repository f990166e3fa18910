# SPDX-License-Identifier: Apache-2.0
"""Plugins that make OpenStack aware of its edge sites.

=====================  =====================================================
``exceptions``         every error we raise, drawn as one tree
``sites``              which site a host is in, and what is said of it (pure)
``site_map``           all sites, and a choice of them for placement (pure)
``admission``          why a request may, or may not, use a site (pure)
``ranking``            which of several sites comes first (pure)
``version``            the version that each door writes to its log
``native``             threads and sockets that eventlet has not changed
``conf``               options of all doors, one file per topic
``map_cache``          the newest site map, renewed in the background
``image_store_cache``  the stores of an image, asked for once
``locking``            locks of the site's DLM, checked and never assumed
``nova``               door of nova-scheduler and nova-api
``cinder``             door of cinder-volume and cinder-scheduler
``glance``             door of glance-api: copies images to their sites
``cmd``                ``dcn-status``, for whoever upgrades
=====================  =====================================================
"""
