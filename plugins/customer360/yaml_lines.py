"""YAML with line numbers: the document, and the line of every key and value by its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]


class YamlError(Exception):
    """Not YAML, a duplicate key, or something that is not a mapping: `<path>:<line>: what`."""


@dataclass(slots=True)
class Document:
    path: Path
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)  # 1-based; a key's line for mapping entries

    def where(self, key: KeyPath) -> str:
        """`<path>:<line>` of the entry, or of its nearest known parent."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.path}:{self.lines.get(key, 1)}"


def read(path: Path) -> Document:
    """Read one document. Raises YamlError; the file's absence too."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise YamlError(f"{path}:1: no such file") from None
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}:1: not UTF-8 at byte {error.start}") from None
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        document = Document(path, None)
        document.data = _build(loader, node, (), document) if node else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"{path}:{mark.line + 1 if mark else 1}: {error.problem}") from None
    finally:
        loader.dispose()
    return document


def _build(loader: yaml.SafeLoader, node: yaml.Node, key: KeyPath, document: Document) -> Any:
    document.lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        built: dict[str, Any] = {}
        loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            name = str(loader.construct_object(key_node, deep=True))
            line = key_node.start_mark.line + 1
            if name in built:
                raise YamlError(f"{document.path}:{line}: key {name!r} stands twice")
            document.lines[(*key, name)] = line
            built[name] = _build(loader, value_node, (*key, name), document)
        return built
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, each, (*key, index), document) for index, each in enumerate(node.value)]
    return loader.construct_object(node, deep=True)
