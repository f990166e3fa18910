# SPDX-License-Identifier: Apache-2.0
"""Configuration of the release notes."""

extensions = ['openstackdocstheme', 'reno.sphinxext']

root_doc = 'index'
project = 'dcn_plugins Release Notes'
copyright = 'dcn_plugins contributors'

# Release notes are for all versions.
openstackdocs_auto_name = False
openstackdocs_auto_version = False
version = ''
release = ''

html_theme = 'openstackdocs'
pygments_style = 'native'
