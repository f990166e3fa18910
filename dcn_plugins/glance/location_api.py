# SPDX-License-Identifier: Apache-2.0
"""Have Glance remove a location whose data are gone."""

from keystoneauth1 import exceptions as ks_exceptions

from dcn_plugins.glance import image_api


class LocationAPI(image_api.ImageAPI):
    """The image service, for one more request than its parent makes."""

    def remove(self, image_id, store):
        """Remove the location in a store; return why it stays, or empty.

        Glance removes the data first, and goes on if there are none. It never
        removes the last location of an image.

        :raises ClientException: of keystoneauth, if it was not asked, or
            nobody knows what it has done.
        """
        client, base_url = self._connect()
        try:
            client.request(f'{base_url}/stores/{store}/{image_id}', 'DELETE')
        except ks_exceptions.NotFound:
            # It is in that store no more, or is no more.
            return ''
        except ks_exceptions.HTTPClientError as exc:
            return f'Glance refuses: {exc}'
        return ''
