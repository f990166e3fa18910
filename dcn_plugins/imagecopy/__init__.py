# SPDX-License-Identifier: Apache-2.0
"""Copy an image from one Ceph cluster to others: only data, and verified.

============  ============================================================
``request``   what is asked for and what has become of it (pure)
``service``   the door: ``copy``, in a process of its own for each call
``controls``  who goes first and how fast, among the copies of a process
``protocol``  what the caller and that process tell each other (pure)
``worker``    that process
``engine``    one copy: targets as they come, to their ends
``stream``    one pass over the source for some targets
``lane``      one target: what it is sent and how that is verified
``plan``      which pieces of the source, in which order (pure)
``grains``    what of a piece is zero, and its checksums
``arena``     the memory for all that is under way (pure)
``heap``      what the C library keeps, and gives back if it is much
``window``    how much is under way to a target at one time (pure)
``throttle``  bytes a second (pure)
``hasher``    the hash of the whole image, beside the copying
``manifest``  what proves later that a source is still the one that had it
              (pure)
``record``    what a target keeps about its copy (pure)
``partials``  what is left of copies that nobody goes on with
============  ============================================================

``progress_text`` has how far a copy is in words, which the message of a task
carries to who waits for it (pure).

For whoever looks after images: ``inventory`` says what a pool has,
``content`` compares an image with the hash that it should have, and
``stored_image`` has what both of them tell (pure).
"""
