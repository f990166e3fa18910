# SPDX-License-Identifier: Apache-2.0
"""Is it fast enough, and how does it compare with what exists?

``python -m tests.bench nova`` measures site-aware scheduling inside Nova's own
classes. Every figure that decides is a ratio to something of Nova's that was
measured in the same run, or CPU time; the clock on the wall decides nothing,
as the machine may be busy.

* ``__main__``: the command, the table and the exit code
* ``stopwatch``: several cases in turn, so that noise hits all (pure)
* ``verdict``: ratios and the bars they have to stay below (pure)
* ``copy_suite``, ``copy_bars``: copies of images between clusters
* ``image_suite``, ``image_bars``: the same asked for by Glance's API
* ``peers``: what operators copy images with; ``disk_content``: what they copy
* ``nova_bars``: what is compared with what, and what is demanded (pure)
* ``nova_suite``: all of Nova's figures in one run
* ``nova_cloud``: hosts, aggregates, requests and databases
* ``nova_filter``: our filter beside Nova's, per host
* ``nova_select``: a whole selection, with filters and weighers
* ``nova_database``: queries, look-ups, the site map and its memory
"""
