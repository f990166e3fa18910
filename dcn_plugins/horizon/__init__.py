# SPDX-License-Identifier: Apache-2.0
"""The panel "Sites" of Horizon, and a step of Launch Instance.

Horizon loads it by the file in ``enabled``, which is linked into its own
directory of that name. It asks the cloud what the commands of operators ask,
by the same code (``dcn_plugins.osc``) and with the token of whoever has logged
in. Every question has a deadline: what is not answered is shown as unknown.

==================  ======================================================
``enabled``         what Horizon is told about the panel
``apps``            the application of Django
``panel``           the panel, and who may see it
``urls``            its addresses
``user_client``     what asks the cloud for one request of a user
``readings``        what the views ask, within a deadline
``views``           sites, images, and the forms that close and open a site
``forms``           what closes and opens a site
``rest``            sites for Launch Instance
``site_rows``       lines of the table of sites (pure)
``image_rows``      lines of the matrix of images and sites (pure)
``site_choices``    which sites somebody can choose (pure)
``templates``       pages
``static``          the step of Launch Instance, for the browser
==================  ======================================================
"""
