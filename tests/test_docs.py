"""README.md, CONTRIBUTING.md, SECURITY.md and docs/: commands, options, links, pictures and every YAML in them."""

from __future__ import annotations

import re
from pathlib import Path

import click
import h5py
import numpy as np
import pytest
import yaml
from astropy.io import fits
from PIL import Image

from mlphys.cli import main
from mlphys.config.load import load
from mlphys.datasets.galaxy_zoo import GalaxyZoo
from mlphys.errors import UserError
from mlphys.schema import registry
from mlphys.schema.training import Training
from scripts import bench, bench_catalogue, keys, soak, soak_study
from scripts.marked_tables import table, write_table
from tests.helpers.cli import commands
from tests.test_architecture import ROWS

CHECKOUT = Path(__file__).parents[1]
README = CHECKOUT / "README.md"
DOCUMENTS = [
    README, CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "SECURITY.md", *sorted((CHECKOUT / "docs").rglob("*.md")),
]  # fmt: skip
IMAGES = sorted((CHECKOUT / "docs" / "images").glob("*.png"))


COMMANDS = {" ".join(words): command for words, command in commands(main) if not isinstance(command, click.Group)}


def mentioned(text: str) -> set[str]:
    """What looks like a command in code."""
    code = re.findall(r"`[^`\n]+`|^ {4}.*$", text, re.MULTILINE)
    return set(re.findall(r"\bmlphys ((?:config|data|completion) [a-z-]+|[a-z][a-z-]*)", "\n".join(code)))


def test_every_command_is_in_the_page_of_commands():
    assert set(COMMANDS) <= mentioned((CHECKOUT / "docs" / "commands.md").read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_a_document_names_exists(document: Path):
    assert mentioned(document.read_text()) <= set(COMMANDS)


def test_a_command_in_the_page_of_commands_has_the_options_that_stand_beside_it():
    rows = re.findall(
        r"^\| `mlphys ([^`]+)` \| (.*) \|$", (CHECKOUT / "docs" / "commands.md").read_text(), re.MULTILINE
    )
    assert len(rows) == len(COMMANDS)
    for usage, text in rows:
        words = re.findall(r"^(?:config |data |completion )?[a-z-]+", usage)
        options = {option for parameter in COMMANDS[words[0]].params for option in parameter.opts}
        named = set(re.findall(r"`(--[a-z-]+)", text))
        assert named <= options | ({"--only"} if words == ["plot-filters"] else set()), usage


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(document: Path):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:href|src)="([^"]+)"', text)
    for link in links:
        if re.match(r"https?:", link):
            continue
        name, _, heading = link.partition("#")
        target = document.parent / name if name else document
        assert target.is_file(), link
        assert not heading or heading in headings(target), link


def headings(document: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_in_the_index():
    index = (CHECKOUT / "docs" / "index.md").read_text()
    pages = sorted((CHECKOUT / "docs").glob("*.md"))
    assert [page.name for page in pages if f"]({page.name})" not in index] == ["index.md"]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("data", registry.names("mlphys.datasets")),
        ("models", registry.names("mlphys.models")),
        ("analyses", registry.names("mlphys.plots") + registry.names("mlphys.analysis")),
        ("models", list(Training.model_fields)),
        ("data", ["train", "validation", "test", "split_seed", "classes", "imbalance", "preprocess"]),
    ],
    ids=["datasets", "models", "plots and analyses", "keys of training", "keys of data"],
)
def test_a_page_names_every_entry_of_its_kind(page: str, names: list[str]):
    named = set(re.findall(r"`([a-z0-9_]+)`", (CHECKOUT / "docs" / f"{page}.md").read_text()))
    assert set(names) <= named


def test_the_table_of_packages_is_that_which_imports_are_checked_against():
    page = (CHECKOUT / "docs" / "architecture.md").read_text()
    section = page.partition("## Packages")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    assert [re.findall(r"\w+", row) for row in rows] == ROWS


def test_the_readme_is_read_to_its_end_and_its_pictures_load_quickly():
    assert len(README.read_text().splitlines()) <= 130
    assert {path.name for path in IMAGES} == set(
        re.findall(r"\bimages/(\w+\.png)", "".join(map(Path.read_text, DOCUMENTS)))
    )
    for path in IMAGES:
        assert path.stat().st_size < 150_000
        with Image.open(path) as image:
            assert image.width >= 600


YAML = [
    pytest.param(text, id=f"{document.stem}-{i}")
    for document in DOCUMENTS
    for i, text in enumerate(re.findall(r"^```yaml\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE))
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name, which is also the current one."""
    rng = np.random.default_rng(0)
    rows = [f"{pt:.3f},{eta:.3f},{i % 2},{pt + eta:.3f}" for i, (pt, eta) in enumerate(rng.normal(size=(40, 2)))]
    (tmp_path / "events.csv").write_text("\n".join(["pt,eta,signal,mass", *rows]))
    rows = [f"{a:.3f},{b:.3f},{125 + a:.3f},{1e6 + 1e4 * b:.1f}" for a, b in rng.normal(size=(40, 2))]
    (tmp_path / "reg.csv").write_text("\n".join(["pt,eta,mass,energy", *rows]))
    rows = [f"{pt:.3f},{'sb'[i % 2]},{(-0.5 if i % 9 == 8 else 1.0)}" for i, pt in enumerate(rng.normal(size=40))]
    (tmp_path / "simulated.csv").write_text("\n".join(["pt,label,weight", *rows]))
    np.savez(tmp_path / "mine.npz", x=rng.normal(size=(40, 6)).astype(np.float32))
    rows = [f"{18 + i % 3 / 2};{i % 3 / 10};{'NS'[i % 2]};{('STAR', 'GALAXY', 'QSO')[i % 3]}" for i in range(60)]
    (tmp_path / "stars.csv").write_text("\n".join(["u;z;site;kind", *rows]))
    sources = np.array(["slow", "fast"])[np.arange(40) % 2]
    np.savez(tmp_path / "signals.npz", traces=rng.normal(size=(40, 64)), source=sources)
    for name in ("spiral", "elliptical"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    kinds = ["noise", "pulse"] * 20
    with h5py.File(tmp_path / "run7.h5", "w") as file:
        file["detector/waveforms"], file["detector/kind"] = rng.normal(size=(40, 64)).astype(np.float32), kinds
    columns = [fits.Column("FLUX", "50E", array=rng.normal(size=(40, 50))), fits.Column("CLASS", "8A", array=kinds)]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "spectra.fits")
    stars = np.array(["STAR", "GALAXY", "QSO"])[np.arange(40) % 3]
    columns = [fits.Column("MAG", "E", array=rng.normal(size=40)), fits.Column("KIND", "8A", array=stars)]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "stars.fits")
    for part in ("train", "val", "test"):
        for kind in ("elliptical", "spiral"):
            (tmp_path / "galaxies" / part / kind).mkdir(parents=True)
            pixels = rng.integers(0, 4096, (24, 24), np.uint16)
            Image.fromarray(pixels).save(tmp_path / "galaxies" / part / kind / "0.tif")
    (tmp_path / "galaxy-zoo").mkdir()
    GalaxyZoo.example(tmp_path / "galaxy-zoo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", YAML)
def test_every_yaml_is_a_config_that_passes_its_check(text: str, files: Path):
    (files / "example.yaml").write_text(text)
    load(files / "example.yaml")


def test_the_mistake_in_the_readme_is_answered_as_it_says(files: Path):
    config = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)[0]
    (quoted,) = re.findall(r"^ {4}mlphys: (conv_mnist.yaml:.*)$", README.read_text(), re.MULTILINE)
    path = files / "conv_mnist.yaml"
    path.write_text(config.replace("filters: 8", "filterz: 8", 1))
    with pytest.raises(UserError) as error:
        load(Path(path.name))
    assert str(error.value) == quoted


def test_the_pasted_line_of_keras_code_is_answered_as_the_page_says(files: Path):
    page = (CHECKOUT / "docs" / "from-keras.md").read_text()
    (line,) = re.findall(r"^ {4}(- Conv2D\(.*)$", page, re.MULTILINE)
    (quoted,) = re.findall(r"^ {4}mlphys: (slide.yaml:.*)$", page, re.MULTILINE)
    config = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[0]
    (files / "slide.yaml").write_text(re.sub(r"- Conv2D: .*", line, config, count=1))
    with pytest.raises(UserError) as error:
        load(Path("slide.yaml"))
    assert str(error.value) == quoted


def fragments() -> list[str]:
    """The pieces of configs in the tables of the page about Keras."""
    found = []
    for line in (CHECKOUT / "docs" / "from-keras.md").read_text().splitlines():
        if line.startswith("| `"):
            found += re.findall(r"`([^`]+)`", line.strip("|").split(" | ")[-1])
    return [text for text in found if ": " in text and "..." not in text and "RUN" not in text]


KEYS_OF_A_LAYER = {"activation", "kernel_regularizer", "kernel_initializer"}
KEYS_OF_TRAINING = {"optimizer", "loss", "batch_size", "epochs", "shuffle"}


def completed(fragment: dict) -> dict:
    """A whole config with a fragment where it belongs."""
    data, training, layers = {"name": "digits", "classes": [0, 1]}, {}, []
    for key, value in fragment.items():
        if key == "data":
            data = {"name": "digits", **(value if isinstance(value, dict) else {"name": value})}
        elif key == "preprocess":
            data = {**data, key: value}
        elif key == "training":
            training = value
        elif key in KEYS_OF_TRAINING:
            training = {key: value}
        elif key in KEYS_OF_A_LAYER:
            layers = [{"Dense": {"units": 3, key: value}}]
        elif key != "kind":
            layers = [{key: value}]
    if "data" in fragment:
        model = {"kind": "autoencoder", "encoder": [{"Dense": {"units": 2}}], "decoder": "mirror"}
    elif training.get("loss") in ("mean_squared_error", "mean_absolute_error", "mse", "mae"):
        data = {"name": "function_1d", "function": "sine", "samples": 50}
        model = {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]}
    else:
        last = {"Dense": {"units": 2, "activation": "softmax"}}
        model = {"kind": "classifier", "layers": [*layers, "Flatten", last]}
    return {"name": "example", "data": data, "model": model, "training": training}


@pytest.mark.parametrize("text", fragments())
def test_every_piece_of_yaml_beside_keras_code_is_accepted(text: str, files: Path):
    (files / "example.yaml").write_text(yaml.safe_dump(completed(yaml.safe_load(text))))
    load(files / "example.yaml")


def test_the_tables_of_keys_are_those_of_the_config_language():
    assert table(keys.DOCUMENT, "keys") == keys.reference()


def test_a_script_replaces_what_stands_between_its_marks_and_nothing_else(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- soak: made by scripts/soak.py -->\nold\n<!-- end of soak -->\nafter\n")
    write_table(page, "soak", "| new |")
    assert table(page, "soak") == "| new |"
    assert page.read_text() == (
        "before\n<!-- soak: made by scripts/soak.py -->\n| new |\n<!-- end of soak -->\nafter\n"
    )


def test_what_the_scripts_write_they_read_again():
    assert table(bench.DOCUMENT, "bench") == bench.table(bench.known_rows())
    speeds = bench_catalogue.known()
    assert table(bench_catalogue.DOCUMENT, "bench_catalogue") == bench_catalogue.page(speeds)
    summary = bench_catalogue.summary(bench_catalogue.grouped(speeds)[bench_catalogue.SAME])
    assert table(bench_catalogue.PERFORMANCE, "bench_catalogue") == summary
    head, _, *rows = table(soak.DOCUMENT, "soak").splitlines()
    assert head.startswith(soak.table({}).partition(" | ")[0])
    assert {row.split()[1] for row in rows} <= soak.EXPERIMENTS.keys()
    kills = table(soak.DOCUMENT, "soak")
    assert soak.table(soak.added(soak.counted(kills), {})) == kills
    kills = table(soak.DOCUMENT, "soak_study")
    assert soak_study.table(soak_study.counted(kills)) == kills


def test_the_page_of_the_catalogue_has_ratios_by_turn_and_their_means_new_samples_and_fixed_layers_apart():
    def found(ours: float, fixed: bool = False, drawn: bool = False) -> bench_catalogue.Measured:
        turns = {
            "mlphys": [[ours, ours]] * 5,
            "Keras": [[1.0], [1.0], [1.0], [1.0], [9.0]],
            "Keras, tuned": [[0.5]] * 5,
        }
        return bench_catalogue.Measured(
            "32", 1000, 1, ["steps by machine code"], fixed, 0.05, 1e11, "2 cores of X, VNNI, 100 GFLOP/s", turns, drawn
        )  # fmt: skip

    nets = {"b": found(0.25), "a": found(0.0625), "frozen": found(0.5, fixed=True), "noisy": found(0.5, drawn=True)}
    page = bench_catalogue.page(nets)
    means, first = page.partition("| config")[0], page.index("| a |")
    drawn, apart = page.index(bench_catalogue.DRAWN), page.index(bench_catalogue.FIXED)
    assert "2 configs, on 2 cores of X, VNNI." in means
    assert "Geometric means: 8 times as fast as Keras's `fit` as shipped, 4 times as fast as tuned" in means
    assert "The slowest: b 4x, a 16x" in means
    assert "| b | 32 | 0.25 | 1 | 0.5 | 4 (4 to 4) | 2 (2 to 2) | 20 | 20% | machine code |" in page
    assert first < page.index("| b |") < drawn < page.index("| noisy |") < apart < page.index("| frozen |")


def test_the_benchmark_knows_which_configs_draw_new_samples():
    new = ["mnist_99", "denoising_fresh_mnist", "large_circles", "stacked_denoising_mnist", "labels_1000_mnist"]
    same = ["dense_mnist", "denoising_mnist"]
    assert [name for name in same + new if draws(name)] == new


def draws(name: str) -> bool:
    return bench_catalogue.draws(yaml.safe_load((bench_catalogue.CONFIGS / f"{name}.yaml").read_text()))
