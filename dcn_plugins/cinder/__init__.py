# SPDX-License-Identifier: Apache-2.0
"""Door of cinder-volume and cinder-scheduler.

===================  =====================================================
Volumes under locks
--------------------------------------------------------------------------
``rbd_driver``       ``volume_driver`` of cinder.conf: upstream's RBD driver
                     with each change of Ceph under locks of the site's DLM
``lock_table``       what each operation touches (pure)
``lock_guard``       an operation from its locks to their end
``operation``        what an operation has while it runs
``fence_record``     what it leaves for whoever has to end it (pure)
``settlement``       ends the operations of the dead
``repair``           how each operation is undone or finished
``backend``          Ceph, etcd and the options of one backend
``rbd_program``      ``rbd import`` and ``rbd export`` without a program
===================  =====================================================

===================  =====================================================
What one does for all
--------------------------------------------------------------------------
``caretaker``        the thread, and which of them works
``duties``           what it has to do
``presence``         who of the cluster has a lease
``peers``            who of the cluster is dead (pure)
``takeover``         ends what the dead have left in the database
``stuck_states``     states that nobody works on (pure)
``stuck_objects``    reads and changes volumes and snapshots in them
``suspects``         what has been still for how long (pure)
``backend_health``   what the scheduler hears of a backend (pure)
``trash``            how long deleted volumes stay, and their purge
``audit``            the command that finds what is left over
``pool_audit``       the audit of the pool of a backend
``leftovers``        what is left over, and why (pure)
``reclaim``          removes it under locks
===================  =====================================================

===================  =====================================================
Volumes from images
--------------------------------------------------------------------------
``image_sources``    what a volume is cloned from
``image_locations``  copies of an image in Ceph
``image_copies``     one copy for all volumes of a site
``job_flight``       the same as a job of image placement
``image_api``        requests to Glance
``image_access``     with whose credentials
===================  =====================================================

===================  =====================================================
Scheduling
--------------------------------------------------------------------------
``site_filter``      lets a volume only to the sites that may take it
``site_weigher``     orders the sites, as Nova does
``volume_request``   what a request asks of sites
``site_ranking``     the order of the sites of one request
``backend_sites``    the site of a backend
``site_maps``        what is known about sites, from Nova's API
===================  =====================================================
"""
