"""nbgrader, driven in this process: its converters and its exchange, with what they say kept as sentences."""

import logging
import os
import sys
import warnings
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from traitlets.config.loader import PyFileConfigLoader

from autograde.course import Course


class Failed(RuntimeError):
    """nbgrader couldn't do it; the sentence says why."""


class NbGrader:
    """nbgrader in this process, for one course; its log is kept to say what went wrong."""

    def __init__(self, course: Course, jail: bool = True):
        self.course = course
        # nbgrader calls `alembic` by its name when it makes the gradebook.
        programs = str(Path(sys.executable).parent)
        if programs not in os.environ.get("PATH", "").split(os.pathsep):
            os.environ["PATH"] = programs + os.pathsep + os.environ.get("PATH", os.defpath)
        # The file, not `configure`: what the teacher added in it counts here too.
        self.config = PyFileConfigLoader("nbgrader_config.py", str(course.folder)).load_config()
        if not jail:
            self.config.Judge.jail = False
        self.log = logging.getLogger(f"autograde.nbgrader.{os.getpid()}")
        self.log.propagate = False
        self.log.setLevel(logging.WARNING)
        self.said: list[str] = []
        self.log.handlers = [_Keeper(self.said)]
        logging.getLogger("tornado.application").setLevel(logging.CRITICAL)  # the gradebook's: raised as well

    def convert(self, converter, student: str = "*", without=(), force: bool = True) -> None:
        """Run a converter over a student's submission, or all but some. `Failed` with the last reason."""
        directory = self._directory(student, without)
        run = converter(coursedir=directory, config=self.config, log=self.log)
        run.force = force
        self._start(run)

    def exchange(self, what: str, **settings) -> list[str]:
        """Run a step of the exchange, such as "Collect"; gives back the warnings."""
        directory = self._directory()
        factory = ExchangeFactory(config=self.config, log=self.log)
        run = getattr(factory, what)(coursedir=directory, config=self.config, log=self.log)
        for name, value in settings.items():
            setattr(run, name, value)
        self._start(run)
        return list(self.said)

    def _directory(self, student="*", without=()):
        directory = CourseDirectory(config=self.config, log=self.log)
        directory.assignment_id, directory.student_id = self.course.assignment, student
        directory.student_id_exclude = ",".join(without)
        return directory

    def _start(self, run) -> None:
        self.said.clear()
        where = os.getcwd()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # nbgrader's own use of SQLAlchemy and nbconvert
                run.start()
        except (Exception, SystemExit) as reason:  # nbgrader's exchange ends the process where it fails
            words = self.said[0] if self.said else f"{type(reason).__name__}: {reason}"
            raise Failed(words) from reason
        finally:
            os.chdir(where)


class _Keeper(logging.Handler):
    """Keeps the last line of each error and warning: of a traceback, what was raised."""

    def __init__(self, said: list[str]):
        super().__init__(logging.WARNING)
        self.said = said

    def emit(self, record):
        lines = record.getMessage().strip().splitlines()
        if lines and not lines[0].startswith("There was an error processing assignment"):
            self.said.append(lines[-1].strip())
