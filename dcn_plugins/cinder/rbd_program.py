# SPDX-License-Identifier: Apache-2.0
"""What upstream gives to the program ``rbd``, done in this process.

The program would be another client of Ceph, which outlives its parent and is
fenced by nobody: it could write to a volume whose lock another node has, or
make the image of one that was deleted meanwhile.
"""

import dataclasses

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

_WITH_VALUE = frozenset(['--pool', '--dest-pool', '--order', '--id',
                         '--cluster', '--conf'])
_FLAGS = frozenset(['--new-format'])


@dataclasses.dataclass(frozen=True)
class Command:
    """A call of ``rbd import`` or ``rbd export``.

    :param options: by name; of the connection they are left out.
    """

    action: str
    source: str
    target: str
    pool: str
    order: int | None = None

    @classmethod
    def parsed(cls, words):
        """Return the command of some words; ``None`` if it is another one.

        :raises ValueError: if it is one of ours, in a form we do not know.
        """
        words = [str(word) for word in words]
        if words[:1] != ['rbd'] or words[1:2] not in (['import'], ['export']):
            return None
        options, names = {}, []
        rest = iter(words[2:])
        for word in rest:
            if word in _WITH_VALUE:
                options[word] = next(rest, '')
            elif word.startswith('-') and word not in _FLAGS:
                raise ValueError(f'the option {word} is not known')
            elif word not in _FLAGS:
                names.append(word)
        pool = options.get('--dest-pool') or options.get('--pool')
        if len(names) != 2 or not pool:
            raise ValueError('a source, a target and a pool are expected')
        order = int(options['--order']) if '--order' in options else None
        return cls(words[1], *names, pool, order)


def in_process(execute, actions):
    """Return what runs commands as ``execute`` does, but ours in here.

    A form that we do not know goes to the program, with a warning.

    :param actions: functions that take a :class:`Command`, by its action.
    """
    def run(*words, **kwargs):
        try:
            command = Command.parsed(words)
        except ValueError as exc:
            LOG.warning('A command of the program rbd is run by it, and so '
                        'by a client of Ceph that is never fenced: %s', exc)
            command = None
        if command is None:
            return execute(*words, **kwargs)
        actions[command.action](command)
        return '', ''

    return run
