"""Measure the page of a run: its size, how soon it is painted, how soon the net in it answers to a stroke.

python -m scripts.bench_page                    conv_mnist and a net of a million weights, the table to stdout
python -m scripts.bench_page --write            into docs/performance.md too

The first paint is Chromium's first contentful paint of the file, over several openings. A stroke is a movement of the
pointer on the pad: the time that its event takes, in which the drawing is prepared, every layer is computed and all
maps and probabilities are drawn; the browser shows them with its next frame. Of both the fastest, and in parentheses
the median, which grows with other work on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from mlphys import machine
from mlphys.cli import main as mlphys
from scripts import marked_tables
from tests.helpers.browser import Browser, opened

DOCUMENT = marked_tables.ROOT / "docs" / "performance.md"
OPENINGS = 5
MOVEMENTS = 60
MILLION = """
name: million
data: {name: mnist, train: 45000, validation: 5000}
model:
  kind: classifier
  layers:
    - Flatten
    - Dense: {units: 650, activation: relu}
    - Dense: {units: 650, activation: relu}
    - Dense: {units: 100, activation: relu}
    - Dense: {units: 10, activation: softmax}
plots: [confusion_matrix]
"""
# A spiral on the pad by events as a pointer causes them; of each movement the milliseconds.
STROKE = """
const pad = document.querySelector(".pad"), box = pad.getBoundingClientRect(), times = [];
pad.setPointerCapture = () => {};  // which knows real pointers only
const send = (type, i) => {
  const angle = 0.3 * i, radius = (0.05 + 0.3 * (i / arguments[0])) * box.width;
  const at = {clientX: box.left + box.width / 2 + radius * Math.cos(angle),
              clientY: box.top + box.height / 2 + radius * Math.sin(angle)};
  pad.dispatchEvent(new PointerEvent(type, {...at, pointerId: 1, bubbles: true}));
};
send("pointerdown", 0);
for (let i = 1; i <= arguments[0]; i++) {
  const begun = performance.now();
  send("pointermove", i);
  times.push(performance.now() - begun);
}
send("pointerup", arguments[0]);
return times;
"""
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def trained(folder: Path, config: Path, epochs: int) -> Path:
    """The page of a run of a config, evaluated and with its pictures."""
    run = folder / config.stem
    command = ["train", config, "--set", f"training.epochs={epochs}", "--out", run, "--quiet", "--no-report"]
    for arguments in (command, ["evaluate", run]):
        mlphys([str(each) for each in arguments], standalone_mode=False)
    return run / "report.html"


def measured(browser: Browser, page: Path) -> list[str]:
    """Size, first paint and answer to a stroke, as cells of the table."""
    paints = []
    for _ in range(OPENINGS):
        browser.driver.get("about:blank")
        browser.open(page)
        paints.append(browser.wait(lambda: browser.run(PAINT)))
    times = browser.run(STROKE, MOVEMENTS)
    assert len(times) == MOVEMENTS
    return [
        f"{page.stat().st_size / 1e6:.2f} MB",
        f"{min(paints) / 1000:.2f} s ({statistics.median(paints) / 1000:.2f} s)",
        f"{min(times):.1f} ms ({statistics.median(times):.1f} ms)",
    ]


def table(folder: Path) -> str:
    (folder / "million.yaml").write_text(MILLION)
    pages = {
        "conv_mnist, 5,746 weights": trained(folder, marked_tables.ROOT / "configs" / "conv_mnist.yaml", 1),
        "784-650-650-100-10, 999,510 weights": trained(folder, folder / "million.yaml", 0),
    }
    lines = ["| net | size of the page | first paint | answer to a stroke | measured on |", "|" + " --- |" * 5]
    where = f"{machine.cores()} cores of {machine.processor()}"
    with opened() as browser:
        version = browser.driver.capabilities["browserVersion"].partition(".")[0]
        for name, page in pages.items():
            lines.append(f"| {' | '.join([name, *measured(browser, page), f'{where}, Chromium {version}'])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/performance.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = table(Path(folder))
    print(found)
    if arguments.write:
        marked_tables.write_table(DOCUMENT, "bench_page", found)


if __name__ == "__main__":
    sys.exit(main())
