"""`--set`, `--grid`, `--where`, `--sort`, `--columns` and the block `study`: and what breaks parsers."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.case import Case
from tests.hostile.inputs import CONFIG, a_run, wrote

MANY_NINES = "9" * 5000
SETTINGS = {
    "nothing": "",
    "no equals sign": "seed",
    "only an equals sign": "=",
    "no key": "=1",
    "a dot": ".=1",
    "dots": "a..b=1",
    "10,000 dots": f"{'a.' * 10_000}b=1",
    "a large index": f"model.layers.{MANY_NINES}=1",
    "a negative index": "model.layers.-1=1",
    "an Arabic index": "model.layers.\u0663=1",
    "a superscript index": "model.layers.\u00b2=1",
    "an index beyond": "model.layers.7=Flatten",
    "a key of a list": "model.layers.x=1",
    "a number of digits": f"seed={MANY_NINES}",
    "deep lists": f"seed={'[' * 10_000}",
    "deep blocks": f"seed={'{a: ' * 10_000}",
    "41 levels": f"seed={'[' * 41}{']' * 41}",
    "a tag": "seed=!!python/object/apply:os.system [x]",
    "an anchor": "seed=&a [*a]",
    "an unclosed bracket": "seed=[1",
    "an unclosed text": "seed='1",
    "a code point": 'seed="\\UFFFFFFFF"',
    "an escape in the value": "data.name=\x1b[2J",
    "an escape in the key": "\x1b[2J=1",
    "a direction override": "da\u202eta.name=digits",
    "1e400": "seed=1e400",
    "nan": "training.epochs=.nan",
    "an unknown key": "training.epoch=3",
    "a dunder": "__class__=1",
    "a dunder below": "training.__dict__=1",
    "a private key": "training._x=1",
    "a method": "training.model_dump=1",
    "a block for text": "name={a: 1}",
    "a path of import": "model.kind=os.system",
    "100,000 characters": "x" * 100_000,
    "a long value": f"name={'x' * 100_000}",
    "two documents": "seed=1\n---\n2",
    "lines": "seed=1\nname: x",
    "a comment": "seed=#",
    "a key twice": "data={name: digits, name: moons}",
    "a merge": "data={<<: {name: digits}}",
    "a null byte": "name=a\udc00b",
    "a home": "data.path=~nobody_of_this_name/x",
    "a blank": "seed=???",
    "an epoch beyond int64": "training.epochs=99999999999999999999",
    "a study": "study={seeds: 99999999999}",
    "a grid of nothing": "study={grid: {seed: []}}",
    "expectations": f"expect.{'a' * 3000}=[0, 1]",
}
GRIDS = {
    "nothing": "",
    "no equals sign": "seed",
    "no values": "seed=",
    "a word": "seed=x",
    "no list": "seed=1",
    "an empty list": "seed=[]",
    "an empty block": "seed={}",
    "equal values": "training.batch_size=[16,16]",
    "equal numbers": "training.optimizer.Adam.learning_rate=[1,1.0]",
    "true and text": "training.batch_size=[true,'true']",
    "a range of nothing": "seed=::lin5",
    "a range of one": "seed=0:1:lin1",
    "a range of many": "seed=0:1:lin99999",
    "a range of more digits": f"seed=0:1:lin{MANY_NINES}",
    "a log from zero": "seed=0:1:log5",
    "a log of negatives": "seed=-1:1:log5",
    "a range backwards": "seed=1:0:lin5",
    "a range to infinity": "seed=0:inf:lin5",
    "a range of nan": "seed=nan:1:lin5",
    "a range of huge ends": "training.optimizer.Adam.learning_rate=1e-308:1e308:lin5",
    "a range over all floats": "training.optimizer.Adam.learning_rate=-1.7e308:1.7e308:lin3",
    "a range of tiny steps": "training.optimizer.Adam.learning_rate=1:1.0000001:lin1000",
    "ten thousand epochs": "training.epochs=1:10000:lin10000",
    "ten thousand wrong ones": "training.epochs=-10000:-1:lin10000",
    "an unknown key": "training.epoch=[1,2]",
    "the name": "name=[a,b]",
    "a tag": "seed=[!!python/name:os.system '']",
    "deep": f"seed={'[' * 10_000}",
    "digits": f"seed=[{MANY_NINES}]",
    "nan twice": "seed=[.nan,.nan]",
    "a label of an escape": 'training.batch_size={"\\e[2J": 16, b: -32}',
    "a label of a slash": "training.batch_size={../x: -16, b: 32}",
    "a search without count": "training.epochs=1:5:lin",
    "a study in a study": "study.seeds=[1,2]",
    "folds": "data.folds=[2,3]",
    "a long list of wrong ones": f"training.batch_size=[{','.join(str(-i) for i in range(1, 300))}]",
}
STUDIES = {
    "of a word": "many",
    "of a list": "[1]",
    "with an unknown key": "{sed: 3}",
    "of zero seeds": "{seeds: 0}",
    "of many seeds": "{seeds: 100000000}",
    "of a million members": "{grid: {training.epochs: '1:1000:lin1000', training.batch_size: '1:1000:lin1000'}}",
    "of wrong keys": "{grid: {a.b.c: [1]}}",
    "with a grid that is a list": "{grid: [1, 2]}",
    "with a grid of dots": f"{{grid: {{{'.'.join('a' * 500)}: [1]}}}}",
    "that searches without a range": "{search: 5}",
    "that searches for ever": "{search: 100000000, grid: {training.epochs: '1:5:lin'}}",
    "measured on training": "{seeds: 2, evaluate: train}",
    "that prunes by text": "{seeds: 2, prune: maybe}",
    "of a number of digits": f"{{seeds: {MANY_NINES}}}",
    "of a key that is a number": "{grid: {1: [1, 2]}}",
    "of escapes": '{grid: {"\\e[2J": [1, 2]}}',
}
CONDITIONS = {
    "nothing but a space": " ",
    "a word": "state",
    "a sign": "==",
    "one side": "epochs >",
    "the other side": "> 3",
    "two signs": "epochs == == 3",
    "Python": "__import__('os').system('touch hacked')",
    "a lambda": "lambda: 1",
    "an attribute": "run.__class__ == 1",
    "a call": "len(run) > 3",
    "a list without end": "epochs in [1, 2",
    "a list of nothing": "epochs in",
    "an open parenthesis": "(epochs > 3",
    "a closed one": "epochs > 3)",
    "10,000 parentheses": f"{'(' * 10_000}epochs > 3{')' * 10_000}",
    "10,000 nots": f"{'not ' * 10_000}epochs > 3",
    "60 nots": f"{'not ' * 60}epochs > 3",
    "an unclosed text": "state == 'done",
    "digits": f"epochs > {MANY_NINES} or x > 1",
    "an unknown key": "epoch > 3",
    "a key of escapes": "\x1b[2J > 3",
    "a direction override": "epo\u202echs > 3",
    "a semicolon": "epochs > 3; state == done",
    "a long key": f"{'x' * 100_000} > 3",
    "a tag": "epochs > !!python/name:os.system",
    "and at the end": "epochs > 3 and",
    "or first": "or epochs > 3",
    "a null byte": "a\udc00b > 1",
    "deep lists": f"epochs in {'[' * 5000}",
    "10,000 conditions on an unknown key": " or ".join(["nothing > 3"] * 10_000),
}
SORTS = {"unknown": "epoch", "a dash": "--x", "escapes": "\x1b[2J", "long": "x" * 100_000, "a dunder": "__class__"}
COLUMNS = {
    "unknown": "run,epoch",
    "escapes": "\x1b[2J",
    "long": ",".join(["x"] * 30_000),
    "a dunder": "__class__",
    "a star": "*",
}

# What is looked at when members are made.
OF_THE_GRID = (
    "that searches for ever",
    "of many seeds",
    "of a million members",
    "of wrong keys",
    "with a grid of dots",
    "that searches without a range",
    "of a key that is a number",
)


def cases() -> Iterator[Case]:
    c = wrote("c.yaml", CONFIG)
    for name, setting in SETTINGS.items():
        yield Case(f"--set {name}", ("config", "check", "c.yaml", f"--set={setting}"), "--set|c.yaml", c)
    for name in ("deep lists", "10,000 dots", "a large index", "a tag", "an escape in the key", "100,000 characters"):
        for command in (("train",), ("config", "show"), ("config", "explain"), ("data", "check"), ("sweep",)):
            yield Case(
                f"{command[-1]} --set {name}", (*command, "c.yaml", f"--set={SETTINGS[name]}"), "--set|c.yaml", c
            )
    for name, grid in GRIDS.items():
        yield Case(f"--grid {name}", ("sweep", "c.yaml", f"--grid={grid}"), "--grid|c.yaml|--yes", c, seconds=40)
    for name, study in STUDIES.items():
        text = f"{CONFIG}study: {study}\n"
        for command in (("config", "check"), ("sweep",), ("train",)):
            if command != ("config", "check") or name not in OF_THE_GRID:
                yield Case(
                    f"{command[0]}: a study {name}",
                    (*command, "c.yaml"),
                    r"c\.yaml|study|--yes|members",
                    wrote("c.yaml", text),
                )
    for name, condition in CONDITIONS.items():
        yield Case(f"--where {name}", ("runs", f"--where={condition}"), "--where|key|write", a_run)
    for name, key in SORTS.items():
        yield Case(f"--sort {name}", ("runs", f"--sort={key}"), "key", a_run)
    for name, keys in COLUMNS.items():
        yield Case(f"--columns {name}", ("runs", f"--columns={keys}"), "key", a_run)
