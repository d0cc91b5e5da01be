"""The course folder: what init makes, and what is refused."""

import re
import stat

import pytest

from autograde.course import Course, init, is_current, is_name
from lab.check.variant import Variant

VARIANT = Variant(1e-3, "batch", "unbiased")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return init(
        tmp_path_factory.mktemp("teaching") / "Deep Learning 2026",
        variant=VARIANT,
        assignment="normalization",
    )


def test_init_makes_a_course_that_reads_back(course):
    assert course.name == "Deep-Learning-2026"
    assert course.variant == VARIANT
    assert Course.read(course.folder) == course
    assert (course.folder / "source" / "normalization" / "given.py").exists()
    assert is_current(course)
    assert len(course.secret) == 32


def test_the_secret_is_the_owners_alone(course):
    assert stat.S_IMODE((course.folder / "secret").stat().st_mode) == 0o600
    assert course.secret.hex() not in repr(course)


def test_each_course_has_its_own_secret(course, tmp_path):
    assert init(tmp_path / "other", assignment="normalization").secret != course.secret


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="isn't empty"):
        init(tmp_path, assignment="normalization")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_init_does_not_touch_a_course(course):
    before = (course.folder / "secret").read_bytes()
    with pytest.raises(ValueError, match="course folder already"):
        init(course.folder, assignment="normalization")
    assert (course.folder / "secret").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"can't be made a course folder: "):
        init(tmp_path / "file" / "course", assignment="normalization")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("eps = 0.001", "eps = 1", "[variant]: eps must"),
        ("eps = 0.001", 'eps = "small"', "[variant]: eps must"),
        ("eps = ", "epsilon = ", "epsilon"),
        ('"batch" # "running"', '"nothing"  # "running"', "momentum_weighs must"),
        ('name = "', 'name = "../', "name must be 1 to 64 letters"),
        ("workers = 2", "workers = 2.5", "[limits]: workers must be a whole number, not 2.5"),
        ("workers = 2", "workers = 0", "workers must be above 0"),
        ("workers = 2", "worker = 2", "there is no 'worker'; allowed are"),
        ("seconds_per_call = 10.0", "seconds_per_call = nan", "seconds_per_call must be above 0"),
        ("jail = true", "jail = 1", "jail must be true or false, not 1"),
        ("[limits]", "[limit]", "there is no 'limit'"),
        ("workers = 2", "workers =", "isn't valid TOML"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, course, old, new, message):
    for name in ("course.toml", "secret"):
        (tmp_path / name).write_bytes((course.folder / name).read_bytes())
        (tmp_path / name).chmod(0o600)
    text = (tmp_path / "course.toml").read_text()
    assert old in text
    (tmp_path / "course.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Course.read(tmp_path)
    assert "course.toml" in str(caught.value)


def test_a_folder_without_a_course_says_how_to_make_one(tmp_path):
    with pytest.raises(ValueError, match=r"is no course folder.*lab course init"):
        Course.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("ab" * 32, 0o644, "can be read by others"),
        ("ab", 0o600, "at least 32"),
        ("secret!" * 9, 0o600, "at least 32"),
    ],
)
def test_a_bad_secret_is_refused(tmp_path, text, mode, message):
    (tmp_path / "course.toml").write_text('name = "x"')
    with pytest.raises(ValueError, match="secret can't be read"):
        Course.read(tmp_path)
    (tmp_path / "secret").write_text(text)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(ValueError, match=message):
        Course.read(tmp_path)


@pytest.mark.parametrize("name", ["alice", "j.doe-2", "Zoë", "a@b.org", "x" * 100])
def test_names(name):
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-rf", "a/b", "a*", "=1+1", "a b", "a\n", "x" * 101, "a,b", "[a]"]
)
def test_what_cannot_be_a_name(name):
    assert not is_name(name)


def test_a_line_of_the_log_is_one_line(course):
    course.note("test", "alice", "two\nlines")
    assert (course.folder / "audit.log").read_text().splitlines()[-1].endswith("Z test alice two lines")
