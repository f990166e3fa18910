# SPDX-License-Identifier: Apache-2.0
"""Locks of the site's DLM that are checked, never assumed.

===============  =========================================================
``names``        what a lock is called, from what an operation touches
                 (pure)
``guard``        holds several locks at once and reports each that was not
                 ours
``tooz_driver``  the driver ``dcn-etcd3+http`` of tooz
``tooz_groups``  the groups of that driver
``tooz_errors``  what users of tooz are told
``locks``        takes locks and gives them back: waits, outages, leftovers
``lock_queue``   keys, transactions and verdicts of the queue (pure)
``claim_id``     the id of a claim, and when it was made (pure)
``lock_breaker`` ends the lease of whoever holds a lock
``connection``   a client and a lease, from a URL
``session``      the one lease of a process, and the thread that renews it
``lease``        how long a lease can be relied on (pure)
``etcd``         calls to etcd's JSON gateway, several endpoints
===============  =========================================================
"""
