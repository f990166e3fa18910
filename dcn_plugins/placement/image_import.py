# SPDX-License-Identifier: Apache-2.0
"""Properties of an image that Glance keeps while it imports or copies it.

Their names stand in ``glance.async_.flows.api_image_import`` and are a part of
what ``GET /v2/images/{id}`` tells.
"""

#: The task that has the image in its hands; nobody else may import or copy.
TASK = 'os_glance_import_task'

#: The stores that it is on its way to, separated by commas.
IMPORTING = 'os_glance_importing_to_stores'

#: The stores for which the last one has failed, separated by commas.
FAILED = 'os_glance_failed_import'
