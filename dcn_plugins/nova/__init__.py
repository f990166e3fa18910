# SPDX-License-Identifier: Apache-2.0
"""Door of nova-scheduler and nova-api.

=======================  ===================================================
``site_filter``          the hosts of the sites that may take a server
``one_site_filter``      all servers of one request in one site
``site_weigher``         fills sites in an order that does not change
``placement_prefilter``  tells placement which aggregates may be used
``extra_specs``          the extra specs ``dcn:`` that nova-api accepts
``cross_site_policy``    who may take a server out of its site
``site_request``         what a request asks of sites, found out once
``server_record``        where a server is that moves
``image_stores``         where the image of a request is
``site_maps``            the site map, from the API database
``host_sites``           the sites of the candidates
``site_ranking``         the order of the sites of the candidates
=======================  ===================================================
"""
