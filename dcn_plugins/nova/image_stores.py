# SPDX-License-Identifier: Apache-2.0
"""The Glance stores that hold an image, asked through Nova's own client."""

from nova.image import glance

from dcn_plugins import image_store_cache

MAX_IMAGES = image_store_cache.MAX_IMAGES
WAIT_SECONDS = image_store_cache.WAIT_SECONDS


class ImageStores(image_store_cache.ImageStores):
    """The stores of images as Nova's Glance API tells them."""

    def __init__(self, keep_seconds):
        super().__init__(keep_seconds, _fetch)


def _fetch(context, image_id):
    # Nova returns an unknown schema property as a string.
    image = glance.API().get(context, image_id)
    return image.get('stores') or (
        image.get('properties') or {}).get('stores')
