# SPDX-License-Identifier: Apache-2.0
"""Which image is to be in which store, and the jobs that bring it there.

It imports no service and no Ceph, so that a command for operators can explain
and show what glance-api does.

================  ========================================================
``policy``        rules and what they may say (pure)
``policy_text``   a policy from the text of a file, or all its faults (pure)
``policy_nodes``  the values of that text, with their lines (pure)
``duration``      lengths of time as people write them (pure)
``size``          sizes as people write them (pure)
``image``         what a policy looks at in an image (pure)
``verdict``       what a policy says of one image (pure)
``policy_file``   the newest good policy of a process
``__main__``      check a policy, explain it for one image, metrics
================  ========================================================

The jobs that bring images where a policy wants them, in the central etcd:

================  ========================================================
``job``           the states of one job, and its steps (pure)
``job_requests``  what is asked of etcd, and what it means (pure)
``jobs``          register, pause, cancel, list, bury
``connected``     the jobs below a URL
``job_claims``    what a worker does: claim, end, give back
``job_reports``   what whoever copies tells about its jobs
``job_progress``  how far a copy is (pure)
``plan``          which jobs an image needs, and which no longer (pure)
``overview``      what is known of an image, store by store (pure)
``metrics``       all of it for Prometheus (pure)
``metrics_file``  write them
``numbers``       what is counted in etcd, for graphs and alarms
``survey``        how many images are where (pure)
``tally``         what has become of copies to a store (pure)
================  ========================================================

How copies leave the stores where a policy does not keep them:

====================  ====================================================
``eviction``          which copies leave a store (pure)
``copy_note``         what is remembered of one copy (pure)
``removal``           the steps of one removal (pure)
``removal_requests``  what is asked of etcd, and what it means (pure)
``removals``          begin, change, end; and notes of copies
====================  ====================================================

How copies are compared with what Glance says:

================  ========================================================
``image_scrub``   one request, and its answer (pure)
``image_scrubs``  all of them, in etcd
================  ========================================================
"""
