"""JSON as frames: one document a line, an array of them, or an array inside one document.

Members are reached by dotted paths: `event.user.id`, `items.0.sku`, `emails.*.value` (every element, joined
by ';'). A member whose own name has dots goes before the path. Lists of plain values are joined by ';'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.base import InputFile, UnreadableFile
from customer360.connectors.encodings import find_encoding, open_text, pieces
from customer360.connectors.frame import FRAME_ROWS, Frame, plain_text
from customer360.connectors.lines import Lines, read_lines, texts

_WHOLE_FLOAT: Final = r"^-?\d+\.0$"
_MAYBE_TYPED: Final = r"^(?:-?\d+\.0$|\[)"  # a whole float, or a list
_JSON_BLANKS: Final = " \t\r\n"


def read_json_lines(file: InputFile, columns: Sequence[str], encoding: str, *, content: bool) -> Iterator[Frame]:
    """One document a line; other lines are refused (`bad_json`).

    Raises UnreadableFile('bad_json') if the first stretch of the file holds no document at all.
    """
    first = True
    for lines in read_lines(file, encoding, FRAME_ROWS):
        frame = _frame(lines, texts(file, lines), columns, content)
        if first and not len(frame):
            raise UnreadableFile("bad_json", "no line is a JSON object")
        first = False
        yield frame


def read_json_document(
    file: InputFile, columns: Sequence[str], encoding: str, records: str | None, *, content: bool
) -> Iterator[Frame]:
    """Elements of an array, or of the array at the dotted path `records`; an object alone is one record.

    Raises UnreadableFile: bad_json; missing_records if there is nothing at `records`.
    """
    elements = _elements(_whole_text(file, encoding), records)
    for start in range(0, len(elements), FRAME_ROWS):
        part = elements[start : start + FRAME_ROWS]
        numbers = list(range(start + 1, start + 1 + len(part)))
        lines = Lines(file.path, "utf-8", part, numbers, [None] * len(part))
        yield _frame(lines, pa.array(part, pa.binary()).cast(pa.string()), columns, content)


def _whole_text(file: InputFile, encoding: str) -> bytes:
    """The file in UTF-8, without a byte order mark."""
    codec = find_encoding(file, encoding)
    if codec == "utf-8":
        return b"".join(pieces(file))
    with open_text(file, codec) as stream:
        return stream.read().encode()


def _elements(document: bytes, records: str | None) -> list[bytes]:
    """Records of one document, each as it is written in it."""
    try:
        found: Any = msgspec.Raw(document)
        for step in (records or "").split("."):
            if step:
                found = msgspec.json.decode(found, type=dict[str, msgspec.Raw]).get(step)
                if found is None:
                    raise UnreadableFile("missing_records", f"no {step!r} on the way to {records}")
        if bytes(found).lstrip()[:1] == b"{":
            return [bytes(found)]
        return [bytes(each) for each in msgspec.json.decode(found, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableFile("bad_json", "the document cannot be read to its end") from error


def _frame(lines: Lines, documents: pa.Array, columns: Sequence[str], content: bool) -> Frame:
    valid, values = _extract(documents, columns)
    good = np.flatnonzero(valid.to_numpy(zero_copy_only=False)).tolist()
    whole = len(good) == len(lines)
    if not whole:
        values = {name: column.filter(valid) for name, column in values.items()}
    refused = pc.invert(valid).to_numpy(zero_copy_only=False)
    return Frame(
        values,
        lines.row_number if whole else [lines.row_number[index] for index in good],
        _places(lines, good),
        [lines.reject(index, "bad_json") for index in np.flatnonzero(refused).tolist()],
        lambda index: lines.raw[good[index]],
        (documents if whole else documents.filter(valid),) if content else (),
    )


def _places(lines: Lines, good: list[int]) -> list[int] | None:
    places = [line for index in good if (line := lines.line[index]) is not None]
    return places if len(places) == len(good) else None


def _extract(documents: pa.Array, columns: Sequence[str]) -> tuple[pa.Array, dict[str, pa.Array]]:
    """Which texts are JSON objects, and the members called by `columns` as text, null where there is none."""
    plain = {name: _pointers(name) for name in columns if "*" not in name.split(".")}
    pointers = list(dict.fromkeys(pointer for each in plain.values() for pointer in each))
    lists = [name for name in columns if "*" in name.split(".")]
    with duckdb.connect() as engine:
        engine.execute("set threads = 1")  # with more, rows come in any order
        engine.register("given", pa.table({"text": documents}))
        engine.execute(
            f"""
            create temp table document as
            select case when json_valid(text) and ltrim(text, '{_JSON_BLANKS}')[1] = '{{' then text end as json
            from given
            """
        )
        cells = _texts(engine, pointers, lists)
        valid = cells.pop("\0valid")
        found = {
            name: pc.coalesce(*(cells[pointer] for pointer in plain[name])) if name in plain else cells[name]
            for name in columns
        }
        for name, column in found.items():
            doubtful = pc.match_substring_regex(column, _MAYBE_TYPED)
            if name in plain and pc.any(doubtful).as_py():
                found[name] = _untyped(column, _types(engine, plain[name]))
    return valid, found


def _pointers(name: str) -> list[str]:
    """RFC 6901 pointers to a member: by its whole name, then by its steps."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    return list(dict.fromkeys(["/" + escaped, "/" + escaped.replace(".", "/")]))


def _texts(engine: duckdb.DuckDBPyConnection, pointers: list[str], lists: list[str]) -> dict[str, pa.Array]:
    """Text of each pointer and of each path with '*', by itself; '\\0valid' says which are documents."""
    cells = ["json is not null"]
    cells += [f"cells[{place}]" for place in range(1, len(pointers) + 1)]
    cells += [f"array_to_string(json_extract_string(json, $list{place}), ';')" for place in range(len(lists))]
    parameters: dict[str, Any] = {f"list{place}": _wild_path(name) for place, name in enumerate(lists)}
    source = "select json from document"
    if pointers:
        parameters["pointers"] = pointers
        source = "select json, json_extract_string(json, $pointers) as cells from document"
    result = engine.sql(f"select {', '.join(cells)} from ({source}) as d", params=parameters).to_arrow_table()
    columns = [column.combine_chunks() for column in result.columns]
    return dict(zip(["\0valid", *pointers, *lists], columns, strict=True))


def _wild_path(name: str) -> str:
    """JSON path of a dotted path with '*': emails.*.value → $."emails"[*]."value"."""
    steps = ("[*]" if step == "*" else f"[{step}]" if step.isdigit() else f'."{step}"' for step in name.split("."))
    return "$" + "".join(steps)


def _types(engine: duckdb.DuckDBPyConnection, pointers: list[str]) -> pa.Array:
    listed = ", ".join(f"nullif(json_type(json, ${place}), 'NULL')" for place in range(1, len(pointers) + 1))
    result = engine.sql(f"select coalesce({listed}, null) from document", params=pointers).to_arrow_table()
    return result.column(0).combine_chunks()


def _untyped(column: pa.Array, types: pa.Array) -> pa.Array:
    """Whole floats without their '.0', and lists joined by ';', where JSON has them (texts stay)."""
    whole = pc.and_(pc.equal(types, "DOUBLE"), pc.match_substring_regex(column, _WHOLE_FLOAT)).fill_null(False)
    column = pc.if_else(whole, pc.replace_substring_regex(column, r"\.0$", ""), column)
    listed = pc.equal(types, "ARRAY").fill_null(False)
    if not pc.any(listed).as_py():
        return column
    encoded = pc.if_else(listed, column, pa.scalar(None, pa.string())).dictionary_encode()
    joined = [plain_text(msgspec.json.decode(text)) for text in encoded.dictionary.to_pylist()]
    return pc.if_else(listed, pa.array(joined, pa.string()).take(encoded.indices), column)
