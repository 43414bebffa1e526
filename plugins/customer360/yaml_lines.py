"""YAML with line numbers: the document, and the line of every key and value by its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
_DEEPEST = 50


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
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"{path}:{line}: a character YAML does not allow") from None
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
    if len(key) > _DEEPEST:
        raise YamlError(f"{document.path}:{node.start_mark.line + 1}: nested too deeply; an alias of itself?")
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, key, document)
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, each, (*key, index), document) for index, each in enumerate(node.value)]
    try:
        return loader.construct_object(node, deep=True)
    except ValueError:  # looks like a date or number and is none: 2026-02-31
        raise YamlError(f"{document.path}:{node.start_mark.line + 1}: no such value; put it in quotes") from None


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, key: KeyPath, document: Document) -> dict[str, Any]:
    _refuse_twice(loader, node, document)
    loader.flatten_mapping(node)  # what is merged in by `<<` comes first: the mapping's own entries win
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        name = str(loader.construct_object(key_node, deep=True))
        document.lines[(*key, name)] = key_node.start_mark.line + 1
        built[name] = _build(loader, value_node, (*key, name), document)
    return built


def _refuse_twice(loader: yaml.SafeLoader, node: yaml.MappingNode, document: Document) -> None:
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        name = str(loader.construct_object(key_node, deep=True))
        if name in seen:
            raise YamlError(f"{document.path}:{key_node.start_mark.line + 1}: key {name!r} stands twice")
        seen.add(name)
