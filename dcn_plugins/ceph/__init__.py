# SPDX-License-Identifier: Apache-2.0
"""All that is known of Ceph: the only place that imports rados and rbd.

===============  =========================================================
``client_pool``  connections to Ceph, each for one operation at a time
``guarded_rbd``  librbd as a driver sees it, with each change asked for
``fence``        cuts single clients off, before somebody else works on
``addresses``    which client instance that is (pure)
``markers``      what proves that an operation may have begun
``importer``     a file to an image, an image to a file
``aio_window``   what is under way to librbd at one time
``sparse``       where a file or a block of bytes has data
``errors``       those of rados and rbd as ours
``bindings``     rados and rbd, imported when they are needed
===============  =========================================================
"""
