"""Nets of absurd size, depth and shape: refused before anything of that size is made."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.case import Case
from tests.hostile.inputs import NETWORK, wrote

HUGE = 99_999_999
ROW = f"[{', '.join(['1'] * 200)}]"
DENSE = "{Dense: {units: 10, activation: softmax}}"
LAYERS = {
    "a dense layer of many units": f"Flatten, {{Dense: {{units: {HUGE}}}}}, {{Dense: {{units: {HUGE}}}}}",
    "many filters of a large kernel": f"{{Conv2D: {{filters: {HUGE}, kernel_size: [8, 8]}}}}",
    "a kernel larger than the image": f"{{Conv2D: {{filters: 1, kernel_size: {HUGE}}}}}",
    "a kernel larger than the image, padded": f"{{Conv2D: {{filters: 1, kernel_size: {HUGE}, padding: same}}}}",
    "zero padding of a hundred million": f"{{ZeroPadding2D: {{padding: {HUGE}}}}}",
    "upsampling of a hundred million": f"{{UpSampling2D: {{size: {HUGE}}}}}",
    "upsampling upon upsampling": ", ".join(["{UpSampling2D: {size: 1000}}"] * 5),
    "a large target shape": f"{{Reshape: {{target_shape: [{HUGE}, {HUGE}]}}}}",
    "a target shape of many axes": f"{{Reshape: {{target_shape: [{', '.join(['1'] * 2000)}, 64]}}}}",
    "transposed convolutions that grow": ", ".join(
        ["{Conv2DTranspose: {filters: 9, kernel_size: 9, strides: 900}}"] * 6
    ),
    "strides larger than the image": f"{{Conv2D: {{filters: 1, kernel_size: 9, strides: {HUGE}}}}}",
    "pooling to nothing": "{MaxPooling2D: {pool_size: 9}}",
    "cropping to nothing": "{Cropping2D: {cropping: 4}}",
    "cropping more than there is": f"{{Cropping2D: {{cropping: {HUGE}}}}}",
    "a dilation larger than the image": f"{{Conv2D: {{filters: 1, kernel_size: 3, dilation_rate: {HUGE}}}}}",
    "a recurrent layer on images": "{LSTM: {units: 3}}",
    "an embedding": f"{{Embedding: {{input_dim: {HUGE}, output_dim: {HUGE}}}}}",
    "repeated vectors": f"Flatten, {{RepeatVector: {{n: {HUGE}}}}}, Flatten, {{Dense: {{units: {HUGE}}}}}",
    "a lambda layer": '{Lambda: {function: \'lambda x: __import__("os").system("touch hacked")\'}}',
    "a class of Keras by its path": "{keras.layers.Dense: {units: 3}}",
    "a class of Python by its path": "{os.system: {command: touch hacked}}",
    "a layer with a module": "{Dense: {units: 3, module: os, class_name: system}}",
    "a registered name": "{Dense: {units: 3, registered_name: evil>Layer}}",
    "a layer of two names": "{Dense: {units: 3}, Flatten: {}}",
    "a layer of no name": "{}",
    "a layer that is null": "null",
    "a layer that is a list": "[Flatten]",
    "layers in layers": f"{'[' * 30}Flatten{']' * 30}",
    "an activation by its path": "{Dense: {units: 3, activation: tensorflow.nn.relu}}",
    "an activation that is code": "{Dense: {units: 3, activation: 'lambda x: x'}}",
    "an activation of control characters": '{Dense: {units: 3, activation: "\\e[2J"}}',
    "an activation of 50,000 characters": f"{{Dense: {{units: 3, activation: {'x' * 50_000}}}}}",
    "an initializer by its path": "{Dense: {units: 3, kernel_initializer: os.system}}",
    "an initializer of infinite size": "{Dense: {units: 3, kernel_initializer: {RandomNormal: {stddev: 1e300}}}}",
    "a regularizer of infinite size": "{Dense: {units: 3, kernel_regularizer: {L2: {l2: 1e300}}}}",
    "a kernel of unequal rows": "{FixedConv2D: {kernel: [[1, 2], [3]]}}",
    "a kernel of a word": "{FixedConv2D: {kernel: blurr}}",
    "a kernel of 40,000 numbers": f"{{FixedConv2D: {{kernel: [{', '.join([ROW] * 200)}]}}}}",
    "a kernel of nothing": "{FixedConv2D: {kernel: []}}",
    "a dropout of everything": "{Dropout: {rate: 1}}",
    "2,000 layers that fit, and one that does not": ", ".join(["Flatten"] * 2000) + ", {Cropping2D: {cropping: 4}}",
}
MODELS = {
    "layers that are a word": "{kind: classifier, layers: Flatten}",
    "layers that are nothing": "{kind: classifier, layers: null}",
    "layers that are a number": "{kind: classifier, layers: 7}",
    "layers that are a block": "{kind: classifier, layers: {Flatten: {}}}",
    "a kind by its path": "{kind: mlphys.models.classifier.Classifier, layers: [Flatten]}",
    "a kind that leaves the folder": "{kind: ../../evil, layers: [Flatten]}",
    "a kind that is a list": "{kind: [classifier], layers: [Flatten]}",
    "a kind that is a block": "{kind: {classifier: 1}, layers: [Flatten]}",
    "a kind of underscores": "{kind: _stack_network}",
    "a kind of dunders": "{kind: __init__}",
    "components beyond the samples": f"{{kind: pca, components: {HUGE}}}",
    "components of a negative number": "{kind: pca, components: -1}",
    "clusters beyond the samples": f"{{kind: kmeans, clusters: {HUGE}}}",
    "an rbm of many units": f"{{kind: rbm, hidden: {HUGE}, units: {HUGE}}}",
    "an encoder of a run that is not there": "{kind: classifier, encoder: {run: ../../../etc}, layers: [Flatten]}",
    "an encoder that is a device": "{kind: classifier, encoder: {run: /dev/zero}, layers: [Flatten]}",
    "an encoder of control characters": '{kind: classifier, encoder: {run: "\\e[2J"}, layers: [Flatten]}',
    "an autoencoder that grows without end": f"{{kind: autoencoder, encoder: [Flatten, {{Dense: {{units: {HUGE}}}}}], "
    f"decoder: [{{Dense: {{units: {HUGE}}}}}]}}",
    "a decoder of another shape": "{kind: autoencoder, encoder: [Flatten, {Dense: {units: 2}}], "
    "decoder: [{Dense: {units: 3}}]}",
}
DATASETS = {
    "a dataset by its path": "{name: mlphys.datasets.digits}",
    "a dataset that leaves the folder": "{name: ../digits}",
    "a dataset of underscores": "{name: _scikit_learn}",
    "a dataset that is a list": "{name: [digits]}",
    "a dataset of dunders": "{name: __init__}",
    "more samples than memory": f"{{name: moons, samples: {HUGE}, train: {HUGE}}}",
    "images of a hundred million": f"{{name: crosses_and_noughts, size: {HUGE}}}",
    "a lattice of a hundred million": f"{{name: ising, size: {HUGE}, samples: 100}}",
    "a function of text": '{name: function_1d, function: \'__import__("os").system("x")\', samples: 100}',
    "a function of an attribute": "{name: function_1d, function: 'x.__class__', samples: 100}",
    "no samples at all": "{name: digits, train: 0, validation: 0, test: 0}",
    "classes that are none": "{name: digits, classes: []}",
    "classes that are not there": "{name: digits, classes: [ten]}",
    "a class twice": "{name: digits, classes: [1, 1]}",
    "ten thousand classes": f"{{name: digits, classes: [{', '.join(map(str, range(10_000)))}]}}",
    "folds beyond the samples": "{name: digits, folds: 99999999}",
    "a preprocessing step of code": "{name: digits, preprocess: ['lambda x: x']}",
    "a preprocessing step by its path": "{name: digits, preprocess: [{os.system: 1}]}",
    "a thousand preprocessing steps": f"{{name: digits, preprocess: [{', '.join(['{pca: 99999999}'] * 1000)}]}}",
    "augmentation of infinite size": "{name: digits, augment: {rotation: 1e400}}",
}


def cases() -> Iterator[Case]:
    check = ("config", "check", "c.yaml")
    for name, layers in LAYERS.items():
        text = f"data: {{name: digits}}\n{NETWORK}".replace("LAYER", layers)
        yield Case(name, check, r"c\.yaml:\d", wrote("c.yaml", text))
    for name, model in MODELS.items():
        yield Case(name, check, r"c\.yaml:\d", wrote("c.yaml", f"data: {{name: digits}}\nmodel: {model}\n"))
    for name, data in DATASETS.items():
        model = f"model: {{kind: classifier, layers: [Flatten, {DENSE}]}}\n"
        if "function" in data:
            model = "model: {kind: regressor, layers: [{Dense: {units: 1}}]}\n"
        yield Case(name, check, r"c\.yaml:\d", wrote("c.yaml", f"data: {data}\n{model}"))
    for name in (
        "a dense layer of many units",
        "upsampling upon upsampling",
        "2,000 layers that fit, and one that does not",
    ):
        text = f"data: {{name: digits}}\n{NETWORK}".replace("LAYER", LAYERS[name])
        for command in (("train",), ("config", "explain"), ("config", "show"), ("sweep", "--grid", "seed=[1,2]")):
            yield Case(f"{command[-1]}: {name}", (*command, "c.yaml"), r"c\.yaml:\d", wrote("c.yaml", text))
