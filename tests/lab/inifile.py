# SPDX-License-Identifier: Apache-2.0
"""Write configuration files of oslo.config services.

configparser is not enough: oslo.config's MultiStrOpt is a key that stands
several times in a section.
"""


def merge(*layers):
    """Return one ``{section: {option: value}}``; later layers win."""
    merged = {}
    for layer in layers:
        for section, options in layer.items():
            merged.setdefault(section, {}).update(options)
    return merged


def text(sections):
    """Return the file's text; a list value becomes one line per element.

    ``None`` leaves an option out.
    """
    lines = []
    for section, options in sections.items():
        lines.append(f'[{section}]')
        for option, value in options.items():
            values = value if isinstance(value, list) else [value]
            lines += [f'{option} = {item}' for item in values
                      if item is not None]
        lines.append('')
    return '\n'.join(lines)


def write(path, *layers):
    """Write the merged layers to ``path``, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text(merge(*layers)))
    return path
