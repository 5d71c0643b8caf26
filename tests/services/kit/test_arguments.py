from __future__ import annotations

import pytest

from services.kit.arguments import Parser


def parser(lenient: bool = False) -> Parser:
    made = Parser(prog="tool", lenient=lenient, allow_abbrev=False)
    made.add_argument("--dash-name", metavar="TEXT")
    made.add_argument("--under_name")
    made.add_argument("--many", action="append", default=[])
    made.add_argument("--maybe", empty=True)
    made.add_argument("--number", type=int)
    made.add_argument("--ratio", type=float)
    made.add_argument("--form", choices=("text", "json"))
    made.add_argument("file", nargs="?")
    return made


@pytest.mark.parametrize("words", [["--dash_name=a_b-c"], ["--dash-name=a_b-c"], ["--dash_name", "a_b-c"]])
def test_a_name_has_dashes_or_underscores_and_its_value_stays(words: list[str]) -> None:
    assert parser().parse_args(words).dash_name == "a_b-c"
    assert parser().parse_args(["--under-name=x_y"]).under_name == "x_y"


def test_what_stands_after_two_dashes_is_no_option() -> None:
    for name in ("--dash_nmae", "--dash_name"):
        assert parser().parse_args(["--", name]).file == name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dash-nmae=a"], "no such option: --dash-nmae; did you mean --dash-name?"),
        (["--zzz"], "no such option: --zzz"),
        (["-z"], "no such option: -z"),
        (["a", "b"], "not expected: 'b'"),
        (["--dash-name="], "--dash-name: the value is empty; TEXT is wanted"),
        (["--many", ""], "--many: the value is empty"),
        (["--form=jsn"], "--form: no 'jsn' among text, json; did you mean json?"),
        *(
            (["--number", text], f"--number: a whole number is wanted, not '{text}'")
            for text in ("1_0", "٣", "0x1", "1.0")
        ),
        *(
            (["--ratio", text], f"--ratio: a number is wanted, not '{text}'")
            for text in ("1_0", "nan", "inf", "0x1p3", "٣")
        ),
        (["--ratio=1e400"], "--ratio: '1e400' is out of the range of a 64-bit float"),
    ],
)
def test_a_mistake_is_named_in_a_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(words)
    assert left.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"tool: {message}")
    assert second == "`tool --help` shows what there is"


def test_values_that_can_be_meant_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    args = parser().parse_args(
        ["--many=a", "--many=b", "--maybe=", "--dash-name=a", "--dash-name=a", "--number=-3", "--ratio=.5e1"]
    )
    assert (args.many, args.maybe, args.dash_name, args.number, args.ratio) == (["a", "b"], "", "a", -3, 5.0)
    assert capsys.readouterr().err == ""
    # What one command line was given, another was not.
    reader = parser()
    assert [reader.parse_args([f"--dash-name={each}"]).dash_name for each in "ab"] == ["a", "b"]


def test_of_two_values_the_last_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert parser().parse_args(["--dash-name=a", "--dash_name=b"]).dash_name == "b"
    assert capsys.readouterr().err == "tool: --dash-name is given more than once: the last counts\n"


def test_a_lenient_parser_gives_back_what_it_does_not_know() -> None:
    args, rest = parser(lenient=True).parse_known_args(["--dash_name=a", "--other_one", "--dash-nmae=b"])
    assert (args.dash_name, rest) == ("a", ["--other_one", "--dash-nmae=b"])
