# SPDX-License-Identifier: Apache-2.0
"""Configuration of the documentation.

Built without the services and without dcn_plugins itself, so nothing is
imported from either: the options come from the generated samples in etc/.
"""

extensions = ['openstackdocstheme']

root_doc = 'index'
project = 'dcn_plugins'
copyright = 'dcn_plugins contributors'

# The theme would ask the installed package for both.
openstackdocs_auto_name = False
openstackdocs_auto_version = False

html_theme = 'openstackdocs'
pygments_style = 'native'
