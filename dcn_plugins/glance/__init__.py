# SPDX-License-Identifier: Apache-2.0
"""The door of glance-api: which copies are asked for, and how they are made.

Copies to the stores that an image asks for:

=================  =======================================================
``copy_hook``      notification driver ``dcn_copy``: the only thing that
                   Glance sees; puts image ids into the queue
``copy_trigger``   which notifications are a reason to look at an image
``lazy_thread``    a thread that begins when it is needed
``rounds``         a thread that does the same again and again
``copy_worker``    the one thread of a process that looks after the queue
``wait_list``      the queue: who is due next, each image once, bounded
``copy_request``   one image: look, ask, look again, until it is decided
``copy_need``      which stores are wanted, there, missing, unknown (pure)
``image_api``      the requests to the image service and its refusals
``forks``          what a process does when it has forked, or has been
=================  =======================================================

Which stores users may choose, by the policy in ``dcn_plugins.placement``:

====================  ====================================================
``placement_filter``  paste filter ``dcn_placement``: 403 for what a residency
                      forbids
``store_request``     which stores a request would write to (pure)
``copy_join``         202 and a job instead of 409, if the copy is ours
====================  ====================================================

Where images are to be, by the same policy and by jobs in etcd:

====================  ====================================================
``placement_worker``  the one thread of a process: announced images, jobs,
                      the comparison of all
``reconciler``        which jobs there are to be, for one image or for all
``image_jobs``        the claimed jobs of one image
``placement_jobs``    jobs, claims and locks of this process
====================  ====================================================

How copies leave, by the same policy:

==================  ======================================================
``evictor``         the one thread of a process that compares its stores
``copy_removal``    the removal of one copy, from its beginning to its end
``copy_users``      what was cloned from a copy
``store_locks``     which stores this process looks after, of several
``deleted_copies``  what Glance has left of deleted images, where a store
                    was away
==================  ======================================================

How copies are compared with what Glance says, when somebody asks from afar:

==================  ======================================================
``scrub_worker``    the one thread of a process that has it done
``scrub_command``   ``dcn-scrub`` in a process of its own
==================  ======================================================

How RBD stores are filled, whoever asks:

====================  ======================================================
``copy_image``        internal plugin ``copy_image``, in front of Glance's
``copy_task``         its step in Glance's flow
``fan_out``           plugin ``dcn_fan_out`` of imports, and its step
``data_path``         which stores of which task are ours
``claims``            take them out of Glance's list, and give them back
``rbd_stores``        which stores and copies are in RBD, and where
``unchanged_images``  have Glance's steps write what has changed only
``upstream_shape``    whether Glance is what all of this was made for
``store_copies``      the copies of one task, from the first byte to the
                      last row
``engine_call``       the engine in a native thread, its callbacks here
``left_partials``     remove what is left of an image that was deleted
``task_watch``        the message, the life and the end of a task
``image_record``      what an import writes about its image
``database``          what is asked again of Glance's database
``copy_progress``     how far copies are, in words (pure)
``copy_rates``        how fast they may go
``copy_report``       tell jobs how far the copies of an image are
====================  ======================================================

What becomes of a copy whose glance-api is killed:

==================  ======================================================
``task_reaper``     the one thread of a process that looks for dead tasks
``dead_tasks``      which are dead, and what is set right
``task_pulses``     which have written nothing for a while (pure)
==================  ======================================================

What is compared with the pools, by ``dcn-scrub``:

==================  ======================================================
``scrub``           the command
``drift_search``    two looks at both sides
``drift_rules``     which differences are drift (pure)
``drift``           the kinds, and what was found (pure)
``drift_facts``     what both sides say, as plain data (pure)
``image_facts``     what Glance's database says
``store_facts``     what the clusters say
``drift_repair``    sets right what is ours
``drift_text``      the result, for people and programs (pure)
==================  ======================================================

Whether the service is of use:

==================  ======================================================
``health_stores``   ``dcn_stores`` of /healthcheck: the Ceph of its site
==================  ======================================================
"""
