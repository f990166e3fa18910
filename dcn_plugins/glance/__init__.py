# SPDX-License-Identifier: Apache-2.0
"""The door of glance-api: copies to the stores that an image asks for.

=================  =======================================================
``copy_hook``      notification driver ``dcn_copy``: the only thing that
                   Glance sees; puts image ids into the queue
``copy_trigger``   which notifications are a reason to look at an image
``copy_worker``    the one thread of a process that looks after the queue
``wait_list``      the queue: who is due next, each image once, bounded
``copy_request``   one image: look, ask, look again, until it is decided
``copy_need``      which stores are wanted, there, missing, unknown (pure)
``image_api``      the requests to the image service and its refusals
=================  =======================================================
"""
