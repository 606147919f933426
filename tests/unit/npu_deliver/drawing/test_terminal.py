"""Terminal pictures show the whole log or say what is left out, in columns that line up, and never an empty box."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from npu_deliver.drawing import terminal as pictures
from npu_deliver.drawing.terminal import MAX_COLUMNS, MAX_ROWS, STAMP_PAPER, terminal_png

SHA = "12" * 32
STAMPS = ["CPU ONLY – NO NPU", "随机权重 RANDOM WEIGHTS", "模拟结果 SIMULATED - NOT AN NPU RESULT · " * 4]


def draw(
    *lines: str, stamp: str | None = None, title: str = "eval.log", caption: str = "rendered from eval.log"
) -> bytes:
    return terminal_png(lines, title=title, caption=caption, stamp=stamp, log_sha256=SHA)


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def colours(png: bytes) -> set[tuple[int, int, int]]:
    image = opened(png)
    return {colour for _, colour in image.getcolors(image.width * image.height)}


def rows_of(*lines: str) -> list[str]:
    return ["".join(cell.text for cell in row) for row in pictures._log_rows(lines)]


def cells_of(text: str):
    return pictures._cells(text, [pictures._Style()] * len(text))


# --- what the file says about itself ---------------------------------------------------------------------------------


def test_text_chunks_name_the_source():
    png = terminal_png(["x"], title="$ python x.py", caption="c", log_sha256=SHA, source_log="evaluation/logs/x.log")

    assert opened(png).text == {"Source-Log": "evaluation/logs/x.log", "Source-SHA256": SHA, "Software": "npu-deliver"}


def test_without_a_source_log_the_title_is_the_source():
    assert opened(draw("x", title="日志.log")).text["Source-Log"] == "日志.log"


def test_same_input_same_bytes():
    lines = ["Precision 精度", "=========", "PASS  a", "FAIL  b", "😀"]
    assert draw(*lines, stamp=STAMPS[1]) == draw(*lines, stamp=STAMPS[1])


# --- text to cells ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "face", "width"),
    [("a", "mono", 1), ("中", "wide", 2), ("，", "wide", 2), ("│", "mono", 1), ("✓", "mono", 1), ("✗", "mono", 1),
     ("░", "mono", 1), ("≤", "mono", 1), ("①", "wide", 2), ("Ａ", "wide", 2), (" ", "mono", 1)],
)  # fmt: skip
def test_each_character_has_its_font_and_width(text, face, width):
    (cell,) = cells_of(text)
    assert (cell.text, cell.face, cell.width) == (text, face, width)


@pytest.mark.parametrize(
    ("character", "code"),
    [("😀", "U+1F600"), ("𠮷", "U+20BB7"), ("\x1b", "U+001B"), ("\u202e", "U+202E"), ("\ud800", "U+D800")],
)
def test_what_no_font_has_is_drawn_as_its_code_point(character, code):
    (cell,) = cells_of(character)
    assert (cell.text, cell.face) == (code, "code")
    assert cell.width * 2 >= len(code) + 2  # small type is half a cell wide
    assert draw(f"x{character}y") != draw("xy")


def test_an_accent_stands_over_its_letter_and_takes_no_cell():
    assert rows_of("e\u0301") == ["é"]
    (cell,) = cells_of("q\u0303")
    assert (cell.text, cell.width) == ("q\u0303", 1)


def test_columns_line_up_over_chinese_and_latin():
    latin, chinese = (
        opened(draw(prefix + "│" * 40)).crop((24 + 8 * 12, 56, 24 + 48 * 12, 80)) for prefix in ("abcdefgh", "中文对齐")
    )
    assert latin.tobytes() == chinese.tobytes()


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_no_character_is_ever_drawn_as_tofu(text):
    for cell in cells_of(pictures._plain(text)):
        if cell.face != "code":
            missing = [c for c in cell.text if c != " " and not pictures._charmap(cell.face).get_char_index(ord(c))]
            assert not missing


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(codec="gb2312", exclude_categories=["Cc"]), max_size=400))
def test_folding_loses_nothing_and_keeps_the_width(text):
    cells = cells_of(pictures._plain(text))
    rows = pictures._fold(cells, MAX_COLUMNS)

    assert all(pictures._width(row) <= MAX_COLUMNS for row in rows)
    joined = [
        cell for number, row in enumerate(rows) for cell in (row[len(pictures.CONTINUATION) :] if number else row)
    ]
    assert joined == cells


# --- long lines and long logs ----------------------------------------------------------------------------------------


def test_a_long_line_goes_on_under_a_marker():
    first, second = rows_of("word " * 40)
    assert first.startswith("word")
    assert second.startswith("↪ word")


def test_the_widest_line_that_fits_is_not_folded():
    assert rows_of("x" * MAX_COLUMNS) == ["x" * MAX_COLUMNS]
    assert len(rows_of("x" * (MAX_COLUMNS + 1))) == 2


@pytest.mark.parametrize("count", [MAX_ROWS + 1, 400, 5000])
def test_a_long_log_loses_its_middle_and_says_how_much(count):
    rows = rows_of(*(f"line {i}" for i in range(count)))
    (notice,) = [row for row in rows if "left out" in row]
    kept = [row for row in rows if row.startswith("line ")]

    assert len(rows) <= MAX_ROWS
    assert f" {count - len(kept)} lines left out · 此处省略 {count - len(kept)} 行 " in notice
    assert (kept[0], kept[-1]) == ("line 0", f"line {count - 1}")


def test_a_log_that_just_fits_is_whole():
    assert rows_of(*(f"line {i}" for i in range(MAX_ROWS))) == [f"line {i}" for i in range(MAX_ROWS)]


def test_one_endless_line_cannot_make_an_endless_picture():
    rows = rows_of("first", "x" * 50_000, "last")
    assert (rows[0], rows[-1], len(rows)) == ("first", "last", 3)
    assert "1 line left out" in rows[1]


@pytest.mark.parametrize("lines", [[], [""], ["", "", ""]])
def test_an_empty_log_is_a_picture_too(lines):
    assert opened(draw(*lines)).height > 0


# --- colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "colour"),
    [("PASS  relative-l2", pictures.GREEN), ("FAIL  relative-l2", pictures.RED),
     ("NOT_MEASURED boxes", pictures.YELLOW),
     ("PASS (simulated) a", pictures.YELLOW), ("!!! NO NPU - MEASURED ON ANOTHER DEVICE !!!", pictures.YELLOW)],
)  # fmt: skip
def test_verdict_words_have_their_colour(line, colour):
    verdicts = {pictures.GREEN, pictures.RED, pictures.YELLOW}
    assert colours(draw(line)) & verdicts == {colour}


@pytest.mark.parametrize("line", ["0.123 PASSED_COUNT 1e-3", "bypass failure blocked", "numbers 1 2 3"])
def test_other_words_stay_plain(line):
    assert not colours(draw(line)) & {pictures.GREEN, pictures.RED, pictures.YELLOW}


@pytest.mark.parametrize("lines", [["Title", "====="], ["input  output", "-----  ------"], ["# Title", "text"]])
def test_headings_are_bold(lines):
    cells = pictures._log_rows(lines)[0]
    assert all(cell.style.bold for cell in cells)
    assert not any(cell.style.bold for row in pictures._log_rows(lines)[1:] for cell in row)


# --- the stamp and the frame -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_stamp_cannot_be_missed_and_hides_nothing(stamp):
    plain, stamped = opened(draw("a log line", "PASS")), opened(draw("a log line", "PASS", stamp=stamp))
    extra = stamped.height - plain.height

    assert stamped.width == plain.width
    corners = [(0, 0), (stamped.width - 1, 0), (0, stamped.height - 1), (stamped.width - 1, stamped.height - 1)]
    assert all(stamped.getpixel(corner) == STAMP_PAPER for corner in corners)
    share = sum(n for n, colour in stamped.getcolors(1 << 22) if colour == STAMP_PAPER) / (
        stamped.width * stamped.height
    )
    assert share > 0.1
    inner = (6, pictures.TITLE_BAR + 1, plain.width - 6, plain.height - 6)
    moved = (inner[0], inner[1] + extra, inner[2], inner[3] + extra)
    assert plain.crop(inner).tobytes() == stamped.crop(moved).tobytes()


@pytest.mark.parametrize("words", ["a" * 300, "很长的标题" * 60, "word " * 80])
def test_long_titles_captions_and_stamps_stay_inside(words):
    image = opened(draw("x", title=words, caption=words, stamp=words))
    edge = 6  # the frame
    strips = [
        image.crop((edge, pictures.TITLE_BAR + 1, edge + 12, image.height - edge)),
        image.crop((image.width - edge - 12, pictures.TITLE_BAR + 1, image.width - edge, image.height - edge)),
    ]
    papers = {pictures.WINDOW, pictures.STATUS_BAR, pictures.STAMP_PAPER}
    for strip in strips:
        assert {colour for _, colour in strip.getcolors(1 << 20)} <= papers


@pytest.mark.parametrize("middle", ["b" * 200, "中文" * 100])
def test_a_long_title_keeps_its_start_and_its_end(middle):
    short = pictures._shorten(cells_of(f"start{middle}end"), 50)
    text = "".join(cell.text for cell in short)

    assert 48 <= pictures._width(short) <= 50
    assert text.startswith("start")
    assert "…" in text
    assert text.endswith("end")
