"""Scenes: two configurations, three views and a question, which stay while controls move."""

from lab.live import Explorer
from lab.live.controls import from_config
from lab.live.explorer.parts import TEN_SECONDS
from lab.live.explorer.scenes import SCENES
from tests.live.explorer.one_explorer import ExplorerScreen, assert_all_shows_the_last_frame, explore
from tests.live.stage import CONFIG, live, until


def assert_scene_is_open(screen, scene, run):
    frame = screen.frame
    assert (frame.chosen.config, frame.twin.config) == (scene.config, scene.twin)
    assert screen.config == scene.config
    assert screen.widget.race.speed is None
    assert screen.control("pace").value == TEN_SECONDS
    assert screen.views == ["loss", *scene.views]
    assert screen.values == from_config(scene.config)
    assert screen.title.rstrip().endswith(scene.question)
    assert screen.control("scene").value == scene.name


@live
async def test_every_scene_can_be_chosen():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        assert "Look:" not in screen.title
        for run, scene in enumerate(SCENES.values(), start=2):
            screen.control("scene").value = scene.name
            await screen.reach(run=run)
            assert_scene_is_open(screen, scene, run)
            assert_all_shows_the_last_frame(screen)


@live
async def test_it_may_start_with_a_scene():
    """And wait for the class; fields given beside it stand in both networks."""
    scene = SCENES["tiny batches"]
    screen = ExplorerScreen(Explorer(scene=scene.name, play=False))
    await screen.reach(state="paused")
    assert_scene_is_open(screen, scene, 1)
    screen.widget.close()
    screen = ExplorerScreen(Explorer(scene=scene.name, play=False, seed=3, speed=1))
    await screen.reach(state="paused")
    assert screen.frame.chosen.config == scene.config.replace(seed=3)
    assert screen.frame.twin.config == scene.twin.replace(seed=3)
    assert screen.widget.race.speed == 1
    screen.widget.close()


@live
async def test_a_scene_stays_while_its_controls_move():
    """Its twin keeps what it differs in, and the question stays; another configuration ends the scene."""
    scene = SCENES["tiny batches"]
    with explore(play=False) as screen:
        own = screen.config.share()
        await screen.reach(run=1)
        screen.control("scene").value = scene.name
        await screen.reach(run=2)
        screen.control("weight scale").value = 0.05
        await screen.reach(run=3)
        assert screen.frame.twin.config == scene.twin.replace(weight_scale=0.05)
        assert scene.question in screen.title
        screen.control("share").value = own
        await screen.reach(run=4)
        assert scene.question not in screen.title
        assert screen.control("scene").value == ""
        assert screen.frame.twin.config == CONFIG.replace(normalization=None)


@live
async def test_what_to_look_for_is_not_said_before_the_room_has_answered():
    scene = SCENES["it vanishes"]
    screen = ExplorerScreen(Explorer(scene=scene.name, play=False))
    await screen.reach(state="paused")
    assert "Look:" not in screen.title
    screen.press("Step")
    await until(lambda: screen.title.endswith(f"{scene.question} Look: {scene.look}"))
    screen.press("Reset")
    await until(lambda: screen.now["step"] == 1 and "Look:" not in screen.title)
    screen.widget.close()
