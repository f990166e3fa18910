# SPDX-License-Identifier: Apache-2.0
"""Door of cinder-volume and cinder-scheduler.

==================  ======================================================
``rbd_driver``      ``volume_driver`` of cinder.conf: upstream's RBD driver
                    with each change of Ceph under locks of the site's DLM
``site_filter``     lets a volume only to the sites that may take it
``site_weigher``    orders the sites, as Nova does
``volume_request``  what a request asks of sites
``site_ranking``    the order of the sites of one request
``backend_sites``   the site of a backend
``site_maps``       what is known about sites, from Nova's API
==================  ======================================================
"""
