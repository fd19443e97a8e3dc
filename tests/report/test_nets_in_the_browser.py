"""Nets of all kinds as a page computes them, how they learned, and the fields that they make, in a real browser."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlphys.report import live
from mlphys.runs import page_samples
from mlphys.runs.run import Run
from tests.helpers.browser import Browser
from tests.helpers.cli import mlphys

DIGITS = "data: {name: digits, train: 300, validation: 60, test: 50%s}"
FAST = "optimizer: {Adam: {learning_rate: 0.01}}"
STAGES = "[{encoder: [{Dense: {units: 12, activation: sigmoid}}]}, {encoder: [{Dense: {units: 5, activation: tanh}}]}]"
CONFIGS = {
    "triangle": f"{DIGITS % ''}\nmodel: {{kind: kmeans, clusters: 8, features: triangle}}",
    "hard": """
data: {name: blobs, samples: 200, train: 120, validation: 50, test: 30, preprocess: [standardize]}
model: {kind: kmeans, clusters: 4}
""",
    "energies": f"""
{DIGITS % ", classes: [0, 1, 2]"}
model: {{kind: energy_classifier, of: {{autoencoder: {{units: 4, activation: tanh}}}}}}
training: {{epochs: 2, {FAST}}}
""",
    "planes": """
data: {name: moons, samples: 300, train: 200, validation: 80, test: 20}
model: {kind: energy_classifier, of: {pca: 1}}
""",
    "stack": f"""
{DIGITS % ""}
model: {{kind: stacked_autoencoder, stages: {STAGES}}}
training: {{epochs: 2, {FAST}}}
""",
    "head": f"""
{DIGITS % ", preprocess: [standardize]"}
model:
  kind: stacked_autoencoder
  stages: {STAGES}
  head: [{{Dense: {{units: 10, activation: softmax}}}}]
  frozen: true
training: {{epochs: 2, {FAST}}}
""",
}
SURFACES = ["regions", "field", "curve"]
KNOWN = """const {count, x} = page.samples(page.data.samples), n = x.length / count;
    const all = Array.from({length: count}, (_, i) => page.net.prepared(x.subarray(i * n, (i + 1) * n)));"""
SLIDE = """const slider = document.querySelector('#live-net input[aria-label=epoch]');
    slider.value = arguments[0] === null ? slider.max : arguments[0];
    slider.dispatchEvent(new Event('input'));"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_of(tmp_path_factory, net) -> Callable[[str], Run]:
    """The run of a config of this file or of a net of all, trained when a test first needs it."""
    folder = tmp_path_factory.mktemp("more")

    @functools.cache
    def trained(name: str) -> Run:
        if name not in CONFIGS:
            return Run(net(name))
        (folder / f"{name}.yaml").write_text(f"name: {name}\n{CONFIGS[name]}\nplots: []\n")
        mlphys("train", folder / f"{name}.yaml", "--out", folder / name, "--quiet")
        return Run(folder / name)

    return trained


@pytest.fixture
def page(browser, run_of, request) -> Any:
    """The browser, with the page of a run open, and the run."""
    run = run_of(request.param)
    browser.open(run.path / "report.html")
    return browser, run


def of(*names: str) -> Any:
    return pytest.mark.parametrize("page", names, indirect=True)


def layers(browser: Browser) -> list[np.ndarray]:
    """What each layer makes of all samples of the page, (n, values)."""
    found = browser.run(f"{KNOWN} return all.map((z) => page.net.outputs(z).map((layer) => [...layer.values]))")
    return [np.array([sample[i] for sample in found]) for i in range(len(found[0]))]


def reconstructions(browser: Browser) -> dict[str, np.ndarray]:
    """Of each branch what it makes of all samples."""
    found = browser.run(
        f"""{KNOWN} return page.net.branches.map((branch) => [branch.name, all.map((z) =>
            [...page.net.reconstruction(branch, z, page.net.outputs(z))])])"""
    )
    return {name: np.array(made) for name, made in found}


def shown(run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The samples of the page as the net sees them, (n, values), and what the run predicted of them."""
    samples = page_samples.read(run)
    seen = run.preprocessing.apply(samples.x).reshape(len(samples.rows), -1)
    kept = run.predictions("validation")
    return seen, {name: kept[name][samples.rows] for name in kept if len(kept[name]) == len(kept["labels"])}


def near(found: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-4 of the largest value."""
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=0, atol=1e-4 * np.abs(expected).max())


@of("triangle", "hard")
def test_kmeans_has_the_codes_and_the_nearest_centroids_of_keras(page):
    browser, run = page
    (seen, kept), (codes, made) = shown(run), layers(browser)
    near(codes, kept["codes"])
    near(((made - seen) ** 2).mean(axis=1), kept["squared_errors"])
    assert browser.messages() == []


@of("triangle")
def test_the_nearest_centroid_is_marked_and_a_pressed_one_is_the_sample(page):
    browser, run = page
    marked = """return [...document.querySelectorAll('button[aria-label^=centroid]')]
        .map((b) => b.getAttribute('aria-pressed') === 'true')"""
    assert np.flatnonzero(browser.run(marked)).tolist() == [shown(run)[1]["codes"][0].argmax()]
    browser.run("document.querySelector('button[aria-label=\"centroid 3\"]').click()")
    assert np.flatnonzero(browser.run(marked)).tolist() == [2]
    assert browser.find(".said").text.startswith("mse 0.000;")
    near(np.array(browser.run("return [...page.live.values]")), run.weights["centroids"][2])


@of("hard")
def test_the_centroids_are_fixed_points_of_the_field_in_the_plane(page):
    browser, run = page
    found = np.array(browser.run("return page.live.prototypes().map((p) => [...p])"))
    near(found, run.preprocessing.inverse(run.weights["centroids"]))
    assert np.abs(browser.run("return arguments[0].map((p) => page.live.moved(p))", found.tolist())).max() < 1e-5


@of("energies", "planes")
def test_an_energy_classifier_has_the_energies_probabilities_and_errors_of_keras(page):
    browser, run = page
    (seen, kept), (energies, _, probabilities) = shown(run), layers(browser)
    near(energies, kept["energies"])
    near(probabilities, kept["probabilities"])
    errors = [((made - seen) ** 2).mean(axis=1) for made in reconstructions(browser).values()]
    near(np.array(errors).T, kept["class_errors"])
    assert browser.messages() == []


@of("energies")
def test_an_image_is_shown_as_the_model_of_each_class_reconstructs_it(page):
    browser, run = page
    captions = "return [...document.querySelectorAll('.outputs figcaption')].map((e) => e.textContent)"
    texts = browser.wait(lambda: browser.run(captions))
    errors = shown(run)[1]["class_errors"][0]
    assert texts == [f"by the model of {k}, mse {error:.3f}" for k, error in enumerate(errors)]
    assert browser.find(".bars .most .name").text == str(shown(run)[1]["probabilities"][0].argmax())


@of("stack", "head")
def test_a_stack_has_the_codes_and_the_reconstructions_through_its_stages_of_keras(page):
    browser, run = page
    (_, kept), found, made = shown(run), layers(browser), reconstructions(browser)
    near(found[1], kept["codes"])
    staged = run.trained.staged(page_samples.read(run).x)
    if "probabilities" in kept:
        near(found[-1], kept["probabilities"])
        assert list(made) == ["through stage 1", "through stages 1 to 2"]
    else:
        made["all"] = found[-1]
        assert list(made) == ["through stage 1", "all"]
    for one, expected in zip(made.values(), staged, strict=True):
        near(run.preprocessing.inverse(one.reshape(-1, 8, 8, 1)), expected)
    assert browser.messages() == []


def surface(browser: Browser) -> None:
    """Wait until the loss surface is computed."""
    browser.run("document.querySelector('.loss-surface').scrollIntoView({behavior: 'instant'})")
    browser.wait(lambda: browser.run("return page.live.learning.surface.done"))


@of(*SURFACES)
def test_the_loss_at_the_end_of_the_path_is_that_of_the_run(page):
    browser, run = page
    surface(browser)
    along, count = browser.run("const s = page.live.learning.surface; return [s.along, s.inputs.length]")
    assert len(along) == len(run.snapshots) + 1
    assert along[-1] == pytest.approx(shown(run)[1]["losses"][:count].mean(), rel=1e-4)
    assert along[0] > along[-1]
    assert f"trained: loss {along[-1]:.3f}" == browser.find(".loss-surface .note").text
    assert browser.run("return page.live.learning.surface.losses.every(Number.isFinite)")


@of("regions")
def test_the_loss_of_a_place_is_that_of_the_weights_there(page):
    browser, run = page
    surface(browser)
    [place, found] = browser.run(
        "const s = page.live.learning.surface; return [s.axes.cell(5, 20, 33, 33), s.losses[20 * 33 + 5]]"
    )
    plane = live.network(run, run.snapshots)["plane"]
    path = [*run.snapshots.values(), run.weights]
    w = {
        name: run.weights[name]
        + sum(a * sum(c * each[name] for c, each in zip(factors, path, strict=True))
              for a, factors in zip(place, plane["factors"], strict=True))
        for name in run.snapshots[0]
    }  # fmt: skip
    hidden, out = sorted({name.rpartition(".")[0] for name in w})
    scores = (
        np.tanh(shown(run)[0] @ w[f"{hidden}.kernel"] + w[f"{hidden}.bias"]) @ w[f"{out}.kernel"] + w[f"{out}.bias"]
    )
    logs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    count = browser.run("return page.live.learning.surface.inputs.length")
    expected = -logs[np.arange(count), shown(run)[1]["labels"][:count]].mean()
    assert found == pytest.approx(expected, rel=1e-4)


@of(*SURFACES)
def test_the_mark_on_the_path_moves_with_the_slider(page):
    browser, _ = page
    surface(browser)
    pixels = "return document.querySelector('.loss-surface canvas').toDataURL()"
    end = browser.run(pixels)
    browser.run(SLIDE, 0)
    assert browser.find(".loss-surface .note").text.startswith("epoch 0: loss ")
    assert browser.run(pixels) != end
    browser.run(SLIDE, None)
    assert browser.run(pixels) == end


@of("regions")
def test_the_net_takes_the_weights_of_a_place_that_is_pressed_and_its_own_again_with_the_slider(page):
    browser, _ = page
    surface(browser)
    weights = "return page.net.layers.map((layer) => Object.values(layer.weights).map((w) => [...w.values]))"
    trained = browser.run(weights)
    browser.drag(browser.find(".loss-surface canvas"), (60, 30))
    assert browser.run("return document.querySelector('#live-net output').textContent") == "weights of the marked place"
    there = browser.run(weights)
    assert there != trained
    assert browser.run("const s = page.live.learning.surface; return s.weightsAt(s.place).map((own) => "
                       "Object.values(own).map((w) => [...w.values]))") == there  # fmt: skip
    browser.run(SLIDE, None)
    assert browser.run(weights) == trained


@of("rbm")
def test_a_net_of_images_shows_how_it_learned_too(page):
    browser, run = page
    assert browser.run("return page.live.learning.surface === undefined")  # its loss compares chains
    browser.run(SLIDE, 0)
    found = browser.run("return [...page.net.layers[0].weights.kernel.values]")
    near(np.array(found), run.snapshots[0]["rbm.kernel"].ravel())
    before = browser.find(".said").text
    browser.run(SLIDE, None)
    assert browser.find(".said").text != before
    assert browser.messages() == []


@of("curve")
def test_the_hidden_units_of_a_regressor_are_drawn_and_move_with_the_epochs(page):
    browser, run = page
    pixels = "return document.querySelector('.plane').toDataURL()"
    without = browser.run(pixels)
    browser.run("document.getElementById('units').click()")
    trained = browser.run(pixels)
    assert trained != without
    browser.run(SLIDE, 0)
    assert browser.run(pixels) != trained
    first = run.snapshots[0]
    expected = np.tanh(0.3 * first["layers.0.Dense.kernel"][0] + first["layers.0.Dense.bias"])
    near(np.array(browser.run("return [...page.net.outputs(page.net.prepared([0.3]))[0].values]")), expected)
    browser.run(SLIDE, None)
    assert browser.run(pixels) == trained


@of("regions", "field", "curve", "stack", "rbm")
def test_samples_at_once_have_the_outputs_that_they_have_one_by_one(page):
    browser, _ = page
    at_once = browser.run(f"{KNOWN} return page.net.lastOutputs(all).map((last) => [...last.values])")
    assert at_once == layers(browser)[-1].tolist()
    flattened = """const net = Object.assign(Object.create(Object.getPrototypeOf(page.net)), page.net);
        net.layers = [{type: 'Flatten', input: net.layers[0].input, arguments: {}, weights: {}}, ...net.layers];"""
    assert browser.run(f"{KNOWN} {flattened} return net.lastOutputs(all).map((last) => [...last.values])") == at_once


@of("field")
def test_stream_lines_of_a_rotation_are_circles_apart_from_each_other(page):
    browser, _ = page
    found = browser.run("return page.streamLines((points) => points.map(([x, y]) => [-y, x]), [-1, 1], [-1, 1])")
    lines = [np.array(line) for line in found]
    assert len(lines) > 5
    for line in lines:
        radius = np.linalg.norm(line, axis=1)
        assert np.ptp(radius) < 0.02
        steps = np.diff(line, axis=0)
        assert (line[:-1, 0] * steps[:, 1] > line[:-1, 1] * steps[:, 0]).all()  # counterclockwise
    cells = [{tuple(cell) for cell in np.floor((line + 1) / 2 * 26).astype(int)} for line in lines]
    assert sum(map(len, cells)) == len(set().union(*cells))
    assert browser.run("return page.streamLines((points) => points.map(() => [0, 0]), [-1, 1], [-1, 1])") == []


@of("field")
def test_the_field_is_drawn_as_arrows_or_as_stream_lines(page):
    browser, _ = page
    pixels = "return document.querySelector('.plane').toDataURL()"
    arrows = browser.run(pixels)
    press = "[...document.querySelectorAll('#live button')].find((b) => b.textContent === arguments[0]).click()"
    browser.run(press, "Stream lines")
    lines = browser.run(pixels)
    assert lines != arrows
    browser.drag(browser.find(".plane"), (40, 20))
    browser.wait(lambda: browser.run("return page.live.dropped[0].length === 400"))
    browser.run(press, "Arrows")
    browser.run("[...document.querySelectorAll('#live button')].find((b) => b.textContent === 'Clear').click()")
    assert browser.run(pixels) == arrows
