# SPDX-License-Identifier: Apache-2.0
"""The addresses of the panel.

Names of sites stand in the query: an aggregate may name a site in any way,
and no path has to be able to hold it.
"""

from django.urls import re_path

from dcn_plugins.horizon import views

urlpatterns = [
    re_path(r'^$', views.SitesView.as_view(), name='index'),
    re_path(r'^images/$', views.ImagesView.as_view(), name='images'),
    re_path(r'^cordon/$', views.CordonView.as_view(), name='cordon'),
    re_path(r'^uncordon/$', views.UncordonView.as_view(), name='uncordon'),
]
