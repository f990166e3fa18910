# SPDX-License-Identifier: Apache-2.0
"""Plugins that make OpenStack aware of its edge sites.

================  ==========================================================
``exceptions``    every error we raise, drawn as one tree
``sites``         which site a host belongs to, who may go where (pure)
``version``       the version that each door writes to its service's log
``conf``          options of all doors, one file per topic
``locking``       locks of the site's DLM that are checked, never assumed
``nova``          door of nova-scheduler: the site filter
``cinder``        door of cinder-volume: the RBD driver under locks
``glance``        door of glance-api: copies images to the sites they name
================  ==========================================================
"""
