"""The explorer: controls, and two networks that train before the room."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from html import escape
from types import SimpleNamespace
from typing import Any

import ipywidgets as widgets

from lab.live import running, saving, words
from lab.live.controls import FIELDS, Control, from_config, to_config
from lab.live.explorer.messages import messages_worth, saying
from lab.live.explorer.panel import Panel
from lab.live.explorer.parts import PINS, SAVED, copy_button, head_row, runs_fold, share_fold
from lab.live.explorer.race import GHOST_AFTER, WHILE_IT_RUNS, Race, RaceFrame, Side
from lab.live.explorer.scenes import scene_named
from lab.live.explorer.twin import differences
from lab.live.explorer.views import VIEWS
from lab.live.lasting import Lasting
from lab.live.page import HIDDEN, SHOWN, alarm, fold, sheet
from lab.live.task import naming
from lab.nn.validation import require_known
from lab.train import Config
from lab.train.borrowed import heard_fields
from lab.train.config import NETWORK_FIELDS

STYLES = ("controls.css", "explorer.css")
LOSSES = tuple(name for name in VIEWS if name.startswith("loss"))
OTHERS = tuple(name for name in VIEWS if name not in LOSSES)
FIRST_VIEWS = ("accuracy", "activations", "update")  # beside the loss
FROM_OUTSIDE = tuple(name for name in OTHERS if VIEWS[name].x in ("updates", "epochs", "matrices"))
FIRST_FROM_OUTSIDE = ("accuracy", "gradient", "update")  # of a network that the lab can't look into
LOSS = 0, "solid"  # the curves that every frame draws
PRESENTED = 2  # figures in large type; the style sheet hides the others


class Explorer(Lasting):
    """Controls, and the chosen network that trains beside its twin.

    config: the chosen network to start from, a `Config` or a shared string "nl1:…"; its fields may also be
    given one by one, such as `Explorer(dataset="cifar10")`. scene: name of a scene to start with, see
    `lab.live.explorer.scenes.SCENES`. twin, data, layers, speed: see `lab.live.explorer.race.Race`. play:
    whether it trains from the start. show: names of the controls that are there at all; by default all of
    them, the less needed ones behind a fold. lock: names of those that can't be moved.
    views: of the three figures beside the loss, names of `lab.live.explorer.views.VIEWS`. presenter: large
    type.
    net: a network of one's own, or the class or function that makes it, such as
    `Explorer(net=FullyConnectedNet)`; see `Race` and `lab.train.borrowed.borrow`. Controls that it doesn't
    hear are locked, and there is no view of what passes through its layers.
    Raises ValueError for what doesn't exist or doesn't fit.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        scene: Any = None,
        twin: Any = None,
        data: Any = None,
        layers: Any = None,
        net: Any = None,
        speed: int | None = None,
        play: bool = True,
        show: Collection[str] | None = None,
        lock: Collection[str] = (),
        views: Sequence[str] | None = None,
        presenter: bool = False,
        **fields: Any,
    ):
        known = [field.name for field in FIELDS]
        require_known("show", show or (), known)
        require_known("lock", lock, known)
        is_own = net is not None
        self._views, usual = (FROM_OUTSIDE, FIRST_FROM_OUTSIDE) if is_own else (OTHERS, FIRST_VIEWS)
        require_known("views", views or (), self._views)
        if is_own and scene:
            raise ValueError("a scene brings its own networks: leave scene or net out")
        lock = {*lock, *(_unheard(net, known) if is_own else ())}
        first = scene_named(scene) if scene else None
        if first:
            config, views = config or first.config, first.views
        views = (*(views or ()), *usual)[: len(usual)]
        if isinstance(config, str):
            config = Config.from_share(config)
        if config is not None and not isinstance(config, Config):
            raise ValueError(f"config must be a Config or a shared string, not {type(config).__name__}")
        config = naming((config or Config()).replace(**fields), data)
        if first and twin is None:
            twin = config.replace(**differences(first.config, first.twin))
        self._frame: RaceFrame | None = None
        self._pinned: list[tuple[str, Side]] = []
        self._later: list = []  # keys of what still has to be drawn, first what waits longest
        self._drawn: dict[Any, Any] = {"rates": 0, "share": config}  # the version drawn last, by key
        self._refused = ""
        self._scene = first
        self._build(config, speed, show, lock, views)
        self._parts.scene.disabled = is_own

        self.race = Race(
            config, self._show, twin=twin, data=data, layers=layers, net=net, speed=speed, play=play
        )
        running.replace_in_this_cell(self)
        self._listen()
        if presenter:
            self._parts.presenter.value = True

    @property
    def frame(self) -> RaceFrame | None:
        """What the figures show, as numbers: losses, accuracies and signals of both networks, see
        `lab.live.explorer.race.RaceFrame`. None before there is a first run; after an error, what stayed on
        the screen."""
        return self._frame

    def train(self, config: Config, twin: Any = None) -> None:
        """Train this configuration and its twin, see `Race.race`; a scene that was chosen is forgotten."""
        self._scene = None
        self._parts.scene.value = ""
        self._open(config, twin)

    def stop(self) -> None:
        """End the training for good; the figures stay."""
        self.race.stop()

    def close(self) -> None:
        if hasattr(self, "race"):  # not where the constructor failed
            self.stop()
        super().close()

    # --- the widgets ---------------------------------------------------------------------------------

    def _build(
        self,
        config: Config,
        speed: int | None,
        show: Collection[str] | None,
        lock: Collection[str],
        views: Sequence[str],
    ) -> None:
        parts = self._parts = SimpleNamespace()
        self._take_from(config)
        values = self._values
        shown = [field for field in FIELDS if show is None or field.name in show]
        self._controls = {
            field.name: Control(field, values[field.name], self._choose, self._refuse) for field in shown
        }
        for name in lock:
            if name in self._controls:
                self._controls[name].is_locked = True
        parts.live = widgets.Checkbox(
            description="learning rate and L2 change the run that goes on", indent=False
        )
        main = [self._controls[f.name] for f in shown if f.is_main or show is not None]
        rest = [self._controls[f.name] for f in shown if not f.is_main and show is None]
        more = fold("more: rate, depth, data, …", [parts.live, *rest]) if rest else []

        parts.title, parts.status, parts.sentence = widgets.HTML(), widgets.HTML(), widgets.HTML()
        head = head_row(parts, speed, self._scene)

        self._panels = [
            Panel(LOSSES, "loss", self._look),
            *(Panel(self._views, view, self._look) for view in views),
        ]
        panels = widgets.Box([panel.box for panel in self._panels])
        panels.add_class("lab-panels")
        side = widgets.VBox([*main, *more, *runs_fold(parts), *share_fold(parts, config)])
        side.add_class("lab-side")
        body = widgets.Box([side, panels])
        body.add_class("lab-body")
        super().__init__([sheet(STYLES), parts.title, head, body, parts.status, parts.sentence, alarm()])
        self.add_class("lab-explorer")

    def _take_from(self, config: Config) -> None:
        """What the controls show of a configuration, and its layers where they aren't of one size."""
        self._values = from_config(config) | {"hidden_dims": config.hidden_dims}

    def _listen(self) -> None:
        """From here on callbacks may come from another thread: they only note down what is wished."""
        parts = self._parts
        for wish, button in parts.wishes.items():
            button.on_click(partial(self._wish, wish))
        parts.speed.observe(lambda change: setattr(self.race, "speed", change["new"] or None), "value")
        parts.scene.observe(self._open_scene, "value")
        parts.presenter.observe(lambda change: self._present(change["new"]), "value")
        parts.pin.on_click(self._pin)
        parts.branch.on_click(partial(self._wish, "branch"))
        parts.go_back.on_click(lambda _: self.race.back(parts.update.value))
        parts.share.observe(self._open_shared, "value")
        parts.save.on_click(self._save)
        parts.saved.observe(lambda _: self._link(), "value")
        for index, pin in enumerate(parts.pins):
            pin.name.observe(partial(self._rename, index), "value")
            pin.again.on_click(partial(self._open_pinned, index))
            pin.remove.on_click(partial(self._unpin, index))

    # --- wishes: may come on another thread ------------------------------------------------------------

    def _choose(self, name: str, value: Any) -> None:
        self._refused = ""
        self._values[name] = value
        if name in ("depth", "width"):
            self._values.pop("hidden_dims", None)
        changes = to_config(self._values, name)
        is_branched = self._frame is not None and self._frame.branched_at is not None
        if name in WHILE_IT_RUNS and (self._parts.live.value or is_branched):
            self.race.change(**changes)
        else:
            self.race.choose(**changes)

    def _refuse(self, sentence: str) -> None:
        self._refused = sentence
        self._look()

    def _look(self) -> None:
        """See to it that a frame is shown, also where nothing trains."""
        self.race.look()

    def _wish(self, wish: str, _button: Any) -> None:
        self._refused = ""
        getattr(self.race, wish)()

    def _open(self, config: Config, twin: Any = None) -> None:
        self._refused = ""
        self._take_from(config)
        for name, control in self._controls.items():
            control.show(self._values[name])
        self.race.race(config, twin)

    def _open_scene(self, change: Any) -> None:
        self._scene = scene_named(change["new"]) if change["new"] else None
        if self._scene is None:
            return
        for panel, view in zip(self._panels[1:], self._scene.views, strict=False):
            panel.choice.value = view
        self._open(self._scene.config, self._scene.twin)

    def _open_shared(self, change: Any) -> None:
        drawn = self._drawn["share"]
        if change["new"] == drawn.share():
            return
        try:
            config = Config.from_share(change["new"])
        except ValueError as error:
            self._parts.share.value = drawn.share()
            self._refuse(str(error))
        else:
            self.train(config)

    def _pin(self, _button: Any) -> None:
        frame = self._frame
        if frame is None or frame.chosen is None:
            return
        if len(self._pinned) == len(PINS):
            self._refuse(f"{len(PINS)} runs are pinned: remove one of them first")
            return
        name = words.pinned(frame.chosen.config)
        self._pinned.append((name, frame.chosen))
        self._show_pins()

    def _unpin(self, index: int, _button: Any) -> None:
        del self._pinned[index]
        self._show_pins()

    def _rename(self, index: int, change: Any) -> None:
        if index < len(self._pinned) and change["new"]:
            self._pinned[index] = (change["new"], self._pinned[index][1])
            self._look()

    def _open_pinned(self, index: int, _button: Any) -> None:
        self.train(self._pinned[index][1].config)

    def _show_pins(self) -> None:
        for pin, (name, side) in zip(self._parts.pins, self._pinned, strict=False):
            pin.name.value, pin.figures.value = name, escape(words.figures(side))
        for index, pin in enumerate(self._parts.pins):
            pin.box.layout.display = SHOWN if index < len(self._pinned) else HIDDEN
        self._look()

    def _present(self, large: bool) -> None:
        for panel in self._panels[:PRESENTED]:
            panel.present(large)
        (self.add_class if large else self.remove_class)("lab-presenter")
        self._look()

    def _link(self, link: str = "") -> None:
        """Offer a file; until another one is made, the one before isn't what is chosen any more."""
        self._parts.link.value = link

    def _save(self, _button: Any) -> None:
        self._link()
        frame = self._frame
        if frame is None or frame.chosen is None:
            return
        form, kind = SAVED[self._parts.saved.value]
        runs = self._runs(frame)
        content = saving.csv(runs) if form == "csv" else saving.picture(runs, kind, form)
        self._link(saving.link(f"{kind or 'curves'}.{form}", content))

    # --- frames: on the main loop ----------------------------------------------------------------------

    def _runs(self, frame: RaceFrame) -> list:
        """What is drawn, as `lab.plot.race.draw` takes it."""
        sides = self._sides(frame)
        names = self._names(sides, frame.branched_at is not None)
        return [(names[role], role.rstrip("123"), side) for role, side in sides.items()]

    def _sides(self, frame: RaceFrame) -> dict[str, Side]:
        """Whose curves are drawn, by role, first those that lie below."""
        sides = {"ghost": frame.ghost}
        sides |= {role: side for role, (_, side) in zip(PINS, self._pinned, strict=False)}
        sides |= {"twin": frame.twin, "chosen": frame.chosen}
        return {role: side for role, side in sides.items() if side is not None}

    def _names(self, sides: dict[str, Side], is_branched: bool) -> dict[str, str]:
        """The words for each of them, by role."""
        names = {role: name for role, (name, _) in zip(PINS, self._pinned, strict=False)}
        names["chosen"], names["twin"] = words.names(sides["chosen"], sides["twin"], is_branched)
        if "ghost" in sides:
            names["ghost"] = words.before(sides["ghost"], sides["chosen"])
        return names

    def _show(self, frame: RaceFrame) -> None:
        """Draw a frame with two messages: the loss, and one of what else there is in turn."""
        jobs = {
            "status": ((frame.run, frame.number), self._draw_status),
            "sentence": self._sentence_job(frame),
            "controls": self._controls_job(frame),
        }
        if frame.chosen and frame.twin and not frame.error and not frame.note:  # else the last curves stay
            self._frame = frame
            jobs |= self._jobs(frame)
            self._draw(LOSS, jobs, frame)
        stale = [key for key, (version, _) in jobs.items() if self._drawn.get(key) != version]
        self._later = [key for key in self._later if key in jobs]
        self._later += [key for key in stale if key not in self._later]
        is_last = not frame.is_playing or frame.is_done
        is_worth_a_picture = is_last and self._frame is frame and frame.step >= GHOST_AFTER
        self._leave(partial(self._last_picture, frame) if is_worth_a_picture else None)
        for _ in range(len(self._later) if is_last else messages_worth(frame)):
            if self._later:
                self._draw(self._later.pop(0), jobs, frame)

    def _last_picture(self, frame: RaceFrame) -> bytes:
        """What a saved notebook shows, a PNG."""
        return saving.last_picture(self._runs(frame), words.sentence(frame))

    def _draw(self, key: Any, jobs: dict, frame: RaceFrame) -> None:
        version, draw = jobs[key]
        if self._drawn.get(key) != version:
            self._drawn[key] = version
            draw(frame)

    def _jobs(self, frame: RaceFrame) -> dict[Any, tuple[Any, Callable[[RaceFrame], None]]]:
        """All that can be drawn: {key: (version, function)}; what has its version is drawn already."""
        sides = self._sides(frame)
        names = self._names(sides, frame.branched_at is not None)
        lineup = (frame.run, frame.returns, tuple(names.items()), frame.total_steps)
        events = (frame.changes, frame.branched_at)
        versions = {
            "updates": tuple(len(side.accuracies) for side in sides.values()),
            "layers": tuple(id(side.signals) for side in sides.values()),
        }
        versions |= {
            "epochs": versions["updates"],
            "matrices": versions["layers"],
            "values": versions["layers"],
        }
        configs = tuple(side.config for side in sides.values())
        jobs: dict[Any, tuple[Any, Callable[[RaceFrame], None]]] = {
            "title": ((configs, events, self._scene, frame.step > 1), partial(self._draw_title, names)),
            "share": (configs[-1], self._draw_share),
            "rates": (frame.returns, self._draw_rates),
        }
        for number, panel in enumerate(self._panels[: PRESENTED if self._parts.presenter.value else None]):
            state, view = (lineup, panel.state), panel.view
            for mark in panel.marks:
                shown = (state, versions[view.x]) if mark in view.marks else None
                version = (state, events) if mark == "guide" else shown
                jobs[number, mark] = version, partial(panel.draw, mark, sides)
            jobs[number, "words"] = (state, saying(frame)), partial(panel.tell, names, sides)
        jobs[LOSS] = (frame.run, frame.number), jobs[LOSS][1]
        return jobs

    def _sentence_job(self, frame: RaceFrame) -> tuple:
        version = (frame.run, words.state(frame), frame.error, self._refused, saying(frame))
        return version, self._draw_sentence

    def _controls_job(self, frame: RaceFrame) -> tuple:
        """What neither network hears rests; after an error nothing does, as any setting may mend it."""
        sides = () if frame.error else (frame.chosen, frame.twin)
        configs = tuple(side.config for side in sides if side)
        return configs, partial(self._draw_controls, configs)

    def _draw_status(self, frame: RaceFrame) -> None:
        self._parts.status.value = words.status(frame)

    def _draw_sentence(self, frame: RaceFrame) -> None:
        self._parts.sentence.value = words.spoken(frame, words.sentence(frame), self._refused)

    def _draw_title(self, names: dict[str, str], frame: RaceFrame) -> None:
        chosen = self._sides(frame)["chosen"]
        summary = words.summary(chosen.config, chosen.own)
        title = (
            f'<span class="lab-title"><i class="chosen"></i>{escape(words.capital(names["chosen"]))} against '
            f'<i class="twin"></i>{escape(names["twin"])}</span> '
            f'<span class="lab-subtitle">{escape(summary)}</span>'
        )
        if self._scene:
            look = f'<span class="lab-look">Look: {escape(self._scene.look)}</span>' if frame.step > 1 else ""
            title += f'<p class="lab-question"><b>{escape(self._scene.question)}</b> {look}</p>'
        self._parts.title.value = title

    def _draw_share(self, frame: RaceFrame) -> None:
        self._parts.share.value = self._sides(frame)["chosen"].config.share()
        self._parts.copy.value = copy_button(self._parts.share.value)

    def _draw_rates(self, frame: RaceFrame) -> None:
        """Going back over a change takes it back."""
        config = self._sides(frame)["chosen"].config
        for name in WHILE_IT_RUNS:
            self._values[name] = getattr(config, name)
            if name in self._controls:
                self._controls[name].show(self._values[name])

    def _draw_controls(self, configs: Any, _frame: RaceFrame) -> None:
        for control in self._controls.values():
            control.hear(*configs)


def _unheard(net: Any, controls: Collection[str]) -> list[str]:
    """The controls that change nothing about a network of one's own."""
    deaf = {*NETWORK_FIELDS, "backend"} - heard_fields(net)
    fields = {"depth": "hidden_dims", "width": "hidden_dims"}  # where the control has another name
    return [name for name in controls if fields.get(name, name) in deaf]
