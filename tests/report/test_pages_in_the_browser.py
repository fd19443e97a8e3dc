"""What a reader can do with a page, in a real browser."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import numpy as np
import pytest

from mlphys.commands import report
from mlphys.runs import page_samples
from mlphys.runs.run import Run
from tests.helpers.browser import Browser
from tests.helpers.cli import mlphys

HOSTILE = "<img src=http://127.0.0.1:9/a onerror=document.title='ran'><script>document.title='ran'</script>"
TABLE = """
name: hostile
about: {remark: "%s", "%s": 1}
data: {name: table, path: "%s", target: kind, train: 20, validation: 10, test: 10}
model: {kind: classifier, layers: [{Dense: {units: 2, activation: softmax}}]}
training: {epochs: 3}
plots: []
published: {test.accuracy: {value: 0.5, source: "%s"}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with markup in every string that a user gives."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [f"{i % 7},{i % 3},{i % 5},{('a', HOSTILE)[i % 2]}" for i in range(40)]
    (folder / "table.csv").write_text("\n".join([f"{HOSTILE},second,third,kind", *rows]))
    (folder / "hostile.yaml").write_text(TABLE % (HOSTILE, HOSTILE, folder / "table.csv", HOSTILE))
    mlphys("train", folder / "hostile.yaml", "--out", folder / "hostile", "--quiet")
    return folder / "hostile"


def shown(browser: Browser, selector: str) -> str:
    """The picture of a canvas."""
    return browser.run("return document.querySelector(arguments[0]).toDataURL()", selector)


def test_the_net_of_a_page_gives_the_probabilities_of_the_run(browser, trained_runs):
    run = Run(trained_runs / "small")
    browser.open(run.path / "report.html")
    found = browser.run(
        """const live = page.live, all = [];
        for (let i = 0; i < live.count; i++) {
            const outputs = page.net.outputs(page.net.prepared(live.sample(i)));
            all.push([...page.net.result(outputs[outputs.length - 1])]);
        }
        return all;"""
    )
    samples = page_samples.read(run)
    expected = run.predictions(samples.split)["probabilities"][samples.rows]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert browser.messages() == []


def test_a_picked_sample_shows_its_class_and_every_layer(browser, trained_runs):
    browser.open(trained_runs / "small" / "report.html")
    browser.run("document.querySelectorAll('.strip button')[3].click()")
    assert ", it is 3" in browser.find(".said").text
    assert browser.find(".bars .most .name").text == browser.find(".said").text.split()[0]
    names = browser.run("return [...document.querySelectorAll('.layer')].map((e) => e.innerText.replace('\\n', ' '))")
    assert [name.strip() for name in names] == ["Conv2D 8 × 8 × 4", "MaxPooling2D 4 × 4 × 4", "Flatten 64", "Dense 10"]


def test_what_is_drawn_with_the_pointer_is_what_the_net_sees(browser, trained_runs):
    browser.open(trained_runs / "small" / "report.html")
    clear = "[...document.querySelectorAll('#live .tools button')].find((b) => b.textContent === 'Clear').click()"
    browser.run(clear)
    before = browser.find(".said").text
    browser.drag(browser.find(".pad"), (0, -100), (0, -50), (0, 0), (0, 50), (0, 100))
    values = np.array(browser.run("return [...page.live.values]")).reshape(8, 8)
    assert values[1:7, 3:5].min() > 0.5
    assert values[:, [0, 1, 6, 7]].max() == 0
    assert browser.find(".said").text != before
    assert browser.messages() == []


def test_the_regions_move_with_the_epochs_and_come_back_to_those_of_the_trained_net(browser, net):
    browser.open(net("regions") / "report.html")
    slide = """const slider = document.querySelector('#live-net input[type=range]');
        slider.value = arguments[0] === null ? slider.max : arguments[0];
        slider.dispatchEvent(new Event('input'));
        return document.querySelector('#live-net output').textContent"""
    trained = shown(browser, ".plane")
    assert browser.run(slide, 0) == "epoch 0"
    assert shown(browser, ".plane") != trained
    assert browser.run(slide, 1) == "epoch 1"
    assert browser.run(slide, None) == "trained"
    assert shown(browser, ".plane") == trained
    watch = """const told = document.querySelector('#live-net output');
        window.told = [];
        new MutationObserver(() => window.told.push(told.textContent)).observe(told, {childList: true});
        [...document.querySelectorAll('#live-net button')].find((b) => b.textContent.startsWith('Watch')).click()"""
    browser.run(watch)
    browser.wait(lambda: browser.run("return window.told")[-1:] == ["trained"])
    assert browser.run("return window.told")[:2] == ["epoch 0", "epoch 1"]
    assert browser.messages() == []


def test_covering_a_part_changes_what_the_net_says_and_not_the_sample(browser, trained_runs):
    browser.open(trained_runs / "small" / "report.html")
    before = browser.run("return [...page.live.values]")
    pixels = shown(browser, ".pad")
    browser.run("document.querySelectorAll('#live .tools button')[1].click()")
    browser.drag(browser.find(".pad"), (0, 0), (10, 10))
    assert shown(browser, ".pad") != pixels
    assert browser.run("return [...page.live.values]") == before


def test_mistakes_can_be_picked_alone(browser, trained_runs):
    run = Run(trained_runs / "small")
    samples = page_samples.read(run)
    predictions = run.predictions(samples.split)
    wrong = predictions["probabilities"].argmax(axis=1)[samples.rows] != samples.labels
    browser.open(run.path / "report.html")
    browser.run("[...document.querySelectorAll('#live button')].find((b) => b.textContent === 'Mistakes').click()")
    left = browser.run("return [...document.querySelectorAll('.strip button')].map((b) => !b.hidden)")
    assert left == wrong.tolist()


def test_an_autoencoders_page_shows_the_error_of_the_run_beside_that_of_principal_components(browser, trained_runs):
    run = Run(trained_runs / "code")
    browser.open(run.path / "report.html")
    row = page_samples.read(run).rows[0]
    error = run.predictions("validation")["squared_errors"][row]
    assert browser.find(".said").text.startswith(f"mse {error:.3f}; principal components ")


def test_moving_a_number_of_the_code_moves_the_picture(browser, trained_runs):
    browser.open(trained_runs / "code" / "report.html")
    canvas = ".outputs figure:nth-child(2) canvas"
    before = shown(browser, canvas)
    browser.run(
        """const slider = document.querySelector('.sliders input');
        slider.value = slider.max; slider.dispatchEvent(new Event('input'))"""
    )
    assert shown(browser, canvas) != before
    most = float(browser.find(".sliders input").get_attribute("max"))
    assert browser.run("return page.live.code[0]") == pytest.approx(most, rel=0.01)


def test_noise_of_the_slider_is_added_to_the_sample(browser, trained_runs):
    browser.open(trained_runs / "code" / "report.html")
    browser.run(
        """const slider = document.querySelector('.input input[type=range]');
        slider.value = 0.6; slider.dispatchEvent(new Event('input'))"""
    )
    noise = browser.run("return [...page.live.values].map((v, i) => v - page.live.clean[i])")
    assert 0.4 < np.std(noise) < 0.8


def outputs_of_all(browser: Browser) -> list[list[list[float]]]:
    """Of each sample of the page what each layer makes of it."""
    return browser.run(
        """const {count, x} = page.samples(page.data.samples), n = x.length / count;
        const one = (i) => page.net.prepared(x.subarray(i * n, (i + 1) * n));
        return Array.from({length: count}, (_, i) => page.net.outputs(one(i)).map((layer) => [...layer.values]))"""
    )


@pytest.mark.parametrize("name", ["pca", "rbm"])
def test_a_model_of_one_matrix_has_the_reconstructions_of_its_run(browser, net, name):
    run = Run(net(name))
    browser.open(run.path / "report.html")
    made = np.array([layers[-1] for layers in outputs_of_all(browser)])
    kept = run.predictions("validation")
    rows = page_samples.read(run).rows
    seen = run.preprocessing.apply(page_samples.read(run).x).reshape(len(rows), -1)
    np.testing.assert_allclose(((made - seen) ** 2).mean(axis=1), kept["squared_errors"][rows], rtol=1e-3, atol=1e-6)
    assert browser.messages() == []


def test_the_energy_of_a_boltzmann_machine_is_its_free_energy_and_its_chain_runs(browser, net):
    run = Run(net("rbm"))
    browser.open(run.path / "report.html")
    found = browser.run("return page.live.energies")
    expected = run.predictions("validation")["free_energies"][page_samples.read(run).rows]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    start = browser.run("return [...page.live.values]")
    button = "[...document.querySelectorAll('#live button')].find((b) => b.textContent.includes('Gibbs')).click()"
    browser.run(button)
    browser.wait(lambda: browser.run("return page.live.steps > 2"))
    browser.run(button)
    assert browser.run("return [...page.live.values]") != start


def test_a_point_dropped_into_regions_has_the_probabilities_of_the_net(browser, net):
    browser.open(net("regions") / "report.html")
    browser.drag(browser.find(".plane"), (30, 20))
    [point] = browser.run("return page.live.dropped.map((p) => [...p])")
    expected = browser.run("return [...page.net.result(page.live.output(arguments[0]))]", point)
    shown_numbers = browser.run(
        "return [...document.querySelectorAll('.bars .number')].map((e) => Number(e.textContent))"
    )
    np.testing.assert_allclose(shown_numbers, expected, atol=6e-4)
    made = np.array([layers[-1] for layers in outputs_of_all(browser)])
    run = Run(net("regions"))
    kept = run.predictions("validation")["probabilities"][page_samples.read(run).rows]
    np.testing.assert_allclose(made, kept, atol=1e-4)


def test_a_point_dropped_into_a_field_follows_it(browser, net):
    browser.open(net("field") / "report.html")
    browser.drag(browser.find(".plane"), (100, 50))
    browser.wait(lambda: browser.run("return page.live.dropped[0].length === 400"))
    trail = np.array(browser.run("return page.live.dropped[0].map((p) => [...p])"))
    away = np.array(browser.run("return arguments[0].map((p) => page.live.moved(p))", trail[:5].tolist()))
    np.testing.assert_allclose(trail[1:6] - trail[:5], 0.1 * away, rtol=1e-5)


def test_a_function_is_read_where_one_presses(browser, net):
    browser.open(net("curve") / "report.html")
    browser.drag(browser.find(".plane"), (0, 0))
    [[x, value]] = browser.run("return page.live.dropped")
    output = browser.run("return page.live.output([arguments[0]]).values[0]", x)
    scaling = Run(net("curve")).preprocessing.targets
    assert value == pytest.approx(output * float(scaling.spread.item()) + float(scaling.mean.item()))
    assert browser.find(".said").text.startswith("f(")


def test_the_features_of_a_table_are_moved_by_hand(browser, hostile):
    browser.open(hostile / "report.html")
    before = browser.find("#live .bars .number").text
    browser.run(
        """const slider = document.querySelector('.sliders input'), far = slider.value > 3 ? slider.min : slider.max;
        slider.value = far; slider.dispatchEvent(new Event('input'))"""
    )
    assert browser.find("#live .bars .number").text != before


def test_a_curve_is_read_and_zoomed(browser, trained_runs):
    browser.open(trained_runs / "small" / "report.html")
    chart = browser.find(".chart svg")
    browser.drag(chart, (-20, 0), (0, 0), (120, 0))
    assert browser.run("return !document.querySelector('.chart .tools button').hidden")
    browser.run("document.querySelector('.chart svg').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
    assert browser.find(".chart .reading").text.startswith("epoch ")
    browser.run("document.querySelector('.chart .tools button').click()")
    assert browser.run("return document.querySelector('.chart .tools button').hidden")


def test_a_run_with_markup_in_every_string_runs_no_script_and_asks_for_nothing(browser, hostile):
    path = hostile / "report.html"
    browser.open(path)
    assert browser.driver.title.endswith("/hostile")
    assert browser.requests() == [path.resolve().as_uri()]
    assert browser.messages() == []
    assert HOSTILE in browser.find("header").text


def test_a_style_of_the_page_is_applied_and_another_one_is_not(browser, trained_runs, tmp_path):
    html = (trained_runs / "small" / "report.html").read_text()
    (tmp_path / "changed.html").write_text(html.replace("</head>", "<script>document.title = 'ran'</script></head>"))
    browser.open(tmp_path / "changed.html")
    assert browser.driver.title != "ran"
    assert any("Content Security Policy" in message for message in browser.messages())


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_a_page_is_no_wider_than_the_window(browser, trained_runs, hostile, width):
    with browser.seen(width):
        for path in (trained_runs / "small", trained_runs / "code", hostile):
            browser.open(path / "report.html")
            assert browser.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
@pytest.mark.parametrize("name", ["small", "code", "regions", "curve", "hostile"])
def test_a_keyboard_and_a_screen_reader_find_no_barrier_in_a_page(
    browser, trained_runs, net, hostile, name, width, scheme
):
    path = {"small": trained_runs / "small", "code": trained_runs / "code", "hostile": hostile}.get(name) or net(name)
    with browser.seen(width, scheme):
        browser.open(path / "report.html")
        assert browser.barriers() == []


def test_every_picture_of_a_page_is_on_its_print(browser, trained_runs):
    browser.open(trained_runs / "small" / "report.html")
    shown = browser.run("return [...document.images].filter((image) => image.checkVisibility()).length")
    print_ = base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert shown > 10
    assert print_.count(b"/Subtype /Image") >= shown


def test_a_barrier_in_a_page_is_found(browser, trained_runs):
    browser.open(trained_runs / "small" / "report.html")
    browser.run("document.querySelector('#data img').removeAttribute('alt')")
    assert [each.partition(":")[0] for each in browser.barriers()] == ["image-alt"]


def test_a_net_that_is_too_large_gets_a_page_without_it_and_the_reason(trained_runs, tmp_path, monkeypatch):
    from mlphys.report import live

    monkeypatch.setattr(live, "LARGEST", 1000)
    run = shutil.copytree(trained_runs / "small", tmp_path / "small")
    report.write(run)
    html = (run / "report.html").read_text()
    assert "Not in this page: its weights take 0.0 MB, more than 0 MB." in html
    assert 'id="live-net"' not in html
