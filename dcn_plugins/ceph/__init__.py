# SPDX-License-Identifier: Apache-2.0
"""All that is known of Ceph: the only place that imports rados and rbd.

===================  =========================================================
``client_pool``      connections to Ceph, each for one operation at a time
``guarded_rbd``      librbd as a driver sees it, with each change asked for
``fence``            cuts single clients off, before somebody else works on
``dead_locks``       takes librbd's locks from those who were cut off
``addresses``        which client instance that is (pure)
``markers``          what proves that an operation may have begun
``importer``         a file to an image, an image to a file
``aio_window``       what is under way to librbd at one time
``sparse``           where a file or a block of bytes has data
``cluster``          a connection for copies, with small things on objects
``reach``            whether a cluster answers
``copy_source``      an image that copies are made of
``copy_target``      an image that is made by copying
``image_handle``     an image whose data are not copied in memory
``snapshot_opener``  snapshots, so that they can be closed at once
``image_names``      names of images: made, changed, removed, also by halves
``half_renamed``     names that a renaming has left half
``half_restored``    images that librbd was about to take back from its trash
``trash_entry``      what Ceph keeps of an image in its trash (pure)
``flatten``          makes a clone independent, within its own cluster
``checksums``        of data here, and of objects by those who have them
``calls``            of the C libraries, and what they end with
``libraries``        librados, librbd and libxxhash by ctypes
``pool_access``      a pool by rados and rbd, for those who move no data
``errors``           those of rados and rbd as ours
``bindings``         rados and rbd, imported when they are needed
===================  =========================================================
"""
