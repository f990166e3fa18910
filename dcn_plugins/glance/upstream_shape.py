# SPDX-License-Identifier: Apache-2.0
"""Whether Glance still is what our data path has been made for.

What it relies on is not all promised by Glance. So it is compared at the
first use, and if anything is another way Glance does all by itself.
"""

import ast
import inspect
import textwrap

from glance.api import common as api_common
from glance.async_.flows import api_image_import
from glance.common import crypt
from glance.common import exception
from glance.common.scripts import utils as script_utils
from glance import db

from dcn_plugins.glance import unchanged_images
from dcn_plugins.placement import image_import

# The parameters that we give to what we call, without self.
_CALLED = {
    'get_task': (script_utils, ('task_repo', 'task_id')),
    'check_quota': (api_common, ('context', 'image_size', 'db_api',
                                 'image_id')),
    'urlsafe_encrypt': (crypt, ('key', 'plaintext')),
}
_DATABASE = {
    'image_get': ('context', 'image_id', 'force_show_deleted'),
    'image_update': ('context', 'image_id', 'values', 'purge_props',
                     'atomic_props'),
    'image_location_add': ('context', 'image_id', 'location'),
    'image_location_delete': ('context', 'image_id', 'location_id', 'status'),
    'image_delete_property_atomic': ('image_id', 'name', 'value'),
    'task_get_all': ('context', 'filters', 'limit', 'sort_key'),
}
_TASKS = {
    'get': ('task_id',),
    'save': ('task',),
}
_WRAPPER = {
    'assert_task_lock': (),
    '__enter__': (),
}
_ACTIONS = {
    'set_image_data': ('uri', 'task_id', 'backend', 'set_active', 'callback'),
    'set_image_attribute': ('attrs',),
    'remove_location_for_store': ('backend',),
    'add_failed_stores': ('stores',),
    'remove_importing_stores': ('stores',),
}
_EXCEPTIONS = ('ImageNotFound', 'NotFound', 'StorageQuotaFull',
               'TaskAbortedError', 'TaskNotFound', 'UploadException')


def differences():
    """Return what is another way than we need it, for people; never raises."""
    try:
        return list(_differences())
    # Anything at all may be different, so any error is a difference.
    except Exception as exc:
        return [f'{type(exc).__name__}: {exc}']


def _differences():
    for name, (owner, wanted) in _CALLED.items():
        yield from _compare(owner, name, wanted)
    api = db.get_api()
    for name, wanted in _DATABASE.items():
        yield from _compare(api, name, wanted)
    for name, wanted in _TASKS.items():
        yield from _compare(db.TaskRepo, name, wanted)
    for name, wanted in _WRAPPER.items():
        yield from _compare(api_image_import.ImportActionWrapper, name, wanted)
    yield from _wrapped(api_image_import.ImportActionWrapper)
    actions = api_image_import._ImportActions
    for name, wanted in _ACTIONS.items():
        yield from _compare(actions, name, wanted)
    if (actions.IMPORTING_STORES_KEY, actions.IMPORT_FAILED_KEY) != (
            image_import.IMPORTING, image_import.FAILED):
        yield 'the properties of an import have other names'
    for name in _EXCEPTIONS:
        if not hasattr(exception, name):
            yield f'there is no exception {name}'
    if not _is_list_shared(api_image_import.get_flow):
        yield 'a plugin does not get the list of stores that is walked through'


def _compare(owner, name, wanted):
    function = getattr(owner, name, None)
    if function is None:
        yield f'there is no {owner.__name__}.{name}'
        return
    parameters = inspect.signature(function).parameters
    for parameter in wanted:
        if parameter not in parameters:
            yield f'{owner.__name__}.{name} has no parameter {parameter}'


def _wrapped(wrapper):
    if unchanged_images.ATTRIBUTE not in vars(wrapper(None, 'image', 'task')):
        yield f'{wrapper.__name__} has no {unchanged_images.ATTRIBUTE}'


def _is_list_shared(get_flow):
    """Return whether ``stores`` is ``kwargs['backend']`` and stays it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(get_flow)))
    values = [ast.unparse(node.value) for node in ast.walk(tree)
              if isinstance(node, ast.Assign)
              and any(isinstance(target, ast.Name) and target.id == 'stores'
                      for target in node.targets)]
    return values == ["kwargs.get('backend', [None])"]
