"""The rows of a table that is written in HTML, with merged cells repeated in every place that they cover."""

from __future__ import annotations

from html.parser import HTMLParser

from npu_eval.process.visible import without_large_references

_SPAN_LIMIT = 64
"""A cell that claims to cover more than this is a mistake, or an attack on memory."""


class _Rows(HTMLParser):
    """Collects (line from 0, cells); ``_below`` holds what merged cells still cover: column → (rows left, text)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[tuple[int, list[str]]] = []
        self._below: dict[int, tuple[int, str]] = {}
        self._cell: list[str] | None = None
        self._spans = (1, 1)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A row or a cell begins; what is left open before it ends there."""
        if tag == "tr":
            self._end_row()
            self.rows.append((self.getpos()[0] - 1, []))
        elif tag in ("td", "th"):
            self._end_cell()
            said = dict(attrs)
            self._spans = (_span(said.get("rowspan")), _span(said.get("colspan")))
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        """A row or a cell ends."""
        if tag in ("td", "th"):
            self._end_cell()
        elif tag in ("tr", "table"):
            self._end_row()

    def handle_data(self, data: str) -> None:
        """Text of the cell."""
        if self._cell is not None:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is None or not self.rows:
            self._cell = None
            return
        text, self._cell = " ".join("".join(self._cell).split()), None
        down, across = self._spans
        self._merged()
        for _ in range(across):
            cells = self.rows[-1][1]
            if down > 1:
                self._below[len(cells)] = (down - 1, text)
            cells.append(text)

    def _merged(self) -> None:
        """Repeats the cells of rows above that reach down to this place."""
        cells = self.rows[-1][1]
        while (held := self._below.get(len(cells))) is not None:
            left, text = held
            if left > 1:
                self._below[len(cells)] = (left - 1, text)
            else:
                del self._below[len(cells)]
            cells.append(text)

    def _end_row(self) -> None:
        self._end_cell()
        if self.rows and self.rows[-1][1]:
            self._merged()


def _span(value: str | None) -> int:
    return min(int(value), _SPAN_LIMIT) if value and value.isascii() and value.isdigit() and int(value) > 0 else 1


def html_rows(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """(line from 0 within the text, cells) of every row that has cells."""
    parser = _Rows()
    parser.feed(without_large_references(text))
    parser.close()
    return [(line, tuple(cells)) for line, cells in parser.rows if cells]
