# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn``: all sites of a cloud from one place.

It is loaded by python-openstackclient, which is no requirement of ours, and
runs where operators are. It imports no host service and asks public APIs only,
and etcd for jobs and locks. The panel of Horizon uses what is not a command.

==================  ======================================================
``plugin``          what python-openstackclient asks a plugin for
``client``          all that a command uses: APIs, etcd, settings
``settings``        where jobs, locks and the policy are (pure)
``service``         one API of the cloud, with a deadline for each call
``cloud``           the questions to Nova, placement, Cinder and Glance
``reading``         many readers at a time, each with its deadline
``memory``          when the etcd of a site was last heard
``clock``           how far another clock is ahead of ours (pure)
``fact``            something that is known, since when, or why not (pure)
``fact_texts``      the values of facts, for people (pure)
``columns``         facts for tables and for programs
==================  ======================================================

Sites:

==================  ======================================================
``site_entry``      sites and their hosts, of aggregates (pure)
``site_services``   services of Nova and Cinder, by their sites (pure)
``site_facts``      what the answers of all services say of sites (pure)
``pane``            reads all of it
``site``            ``dcn site list|show``
``step``            plans of changes, made of what is there (pure)
``site_change``     does the steps of a plan
``change_command``  what all commands with a plan have
``verdict_lister``  a list with an exit status
``site_edit``       ``dcn site create|set|add host|remove host|delete``
``cordon``          plans that close a site, and open it again
``site_cordon``     ``dcn site cordon|uncordon``
``site_contents``   what is at one site and nowhere else (pure)
``site_drain``      ``dcn site drain|retire``
==================  ======================================================

The configuration of a new site:

======================  ==================================================
``site_configuration``  what its services have in their files (pure)
``site_render``         ``dcn site render``
``site_onboard``        ``dcn site onboard``: opened when it has proved well
======================  ==================================================

What is wrong with a site:

====================  ====================================================
``finding``           all that can be found: why, remedy (pure)
``likely_name``       names that people take for one (pure)
``compute_findings``  of Nova and placement (pure)
``volume_findings``   of Cinder (pure)
``store_findings``    of Glance (pure)
``etcd_findings``     of etcd, and of clocks (pure)
``site_findings``     all of them, and what nobody could tell (pure)
``etcd_member``       asks one member of an etcd how it is
``site_survey``       reads all of it
``site_check``        ``dcn site check``
====================  ====================================================

Images, jobs, locks:

==================  ======================================================
``named_resource``  the one server, volume or image that somebody names
``named_image``     the image and the stores that somebody names
``image_matrix``    which image is in which store, or on its way (pure)
``image_reading``   what Glance and etcd say of images
``image_copy``      requests for copies, and how they go on
``copy_view``       what somebody sees who waits for them
``image``           ``dcn image list|show|copy|policy explain``
``image_eviction``  one request for a removal, and what becomes of it
``image_evict``     ``dcn image evict``
``image_scrub``     ``dcn image scrub``
``job``             ``dcn job list|show|retry|cancel|pause|resume``
``locked``          who holds a lock, waits, or has died with it (pure)
``lock_list``       all locks of one etcd
``lock``            ``dcn lock list|show``
``breakage``        what ends with a lock that is broken (pure)
``lock_break``      ``dcn lock break``
``explanation``     why something is where it is (pure)
``explain``         ``dcn explain server|volume|image``
==================  ======================================================
"""
