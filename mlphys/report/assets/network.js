// The net of the page: preprocessing and layers, one sample at a time. A tensor is {shape, values}, float32.
page.read = ({ shapes, block }) => {
  const bytes = Uint8Array.from(atob(block), (sign) => sign.charCodeAt(0)), all = new Float32Array(bytes.buffer);
  let start = 0;
  return shapes.map((shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    start += size;
    return { shape, values: all.subarray(start - size, start) };
  });
};

// Samples in the data's units, one after the other; those of images are levels from 0 to 255 over the data's range.
page.samples = ({ count, x, levels, range: [low, high], tensors }) => {
  const read = page.read(tensors);
  if (levels === null) return { tensors: read, count, x: read[x].values };
  return { tensors: read, count, x: Float32Array.from(atob(levels), (sign) => low + (sign.charCodeAt(0) / 255) * (high - low)) };
};

// Steps of preprocessing forwards, and backwards as far as they can be undone.
const centred = (x, { mean }) => x.map((value, i) => value - mean.values[i]);
function projected(x, { mean, vectors, scales }) {
  const z = centred(x, { mean }), [count, features] = vectors.shape, found = new Float32Array(count);
  for (let k = 0; k < count; k++) {
    let sum = 0;
    for (let i = 0, at = k * features; i < features; i++, at++) sum += z[i] * vectors.values[at];
    found[k] = scales ? sum / scales.values[k] : sum;
  }
  return found;
}
function lifted(z, { vectors, scales, mean }) {
  const [count, features] = vectors.shape, found = mean ? Float64Array.from(mean.values) : new Float64Array(features);
  for (let k = 0; k < count; k++) {
    const factor = scales ? z[k] * scales.values[k] : z[k];
    for (let i = 0, at = k * features; i < features; i++, at++) found[i] += factor * vectors.values[at];
  }
  return new Float32Array(found);
}
page.lifted = lifted;
page.projected = projected;
page.steps = {
  subtract_mean: { apply: (x, step, arrays) => centred(x, arrays), invert: (z, step, { mean }) => z.map((v, i) => v + mean.values[i]) },
  standardize: {
    apply: (x, step, { mean, std }) => x.map((v, i) => (v - mean.values[i]) / std.values[i]),
    invert: (z, step, { mean, std }) => z.map((v, i) => v * std.values[i] + mean.values[i]),
  },
  scale: { apply: (x, { by }) => x.map((v) => v / by), invert: (z, { by }) => z.map((v) => v * by) },
  project: { apply: (x, step, arrays) => projected(x, arrays), invert: (z, step, arrays) => lifted(z, arrays) },
  whiten: {
    apply: (x, { kind }, arrays) => {
      const z = projected(x, arrays);
      return kind === "zca" ? lifted(z, { vectors: arrays.vectors }) : z;
    },
    invert: (z, { kind }, arrays) => lifted(kind === "zca" ? projected(z, {
      mean: { values: new Float32Array(z.length) }, vectors: arrays.vectors,
    }) : z, arrays),
  },
  contrast_normalize: {
    apply: (x, { epsilon }) => {
      const mean = x.reduce((a, b) => a + b, 0) / x.length;
      const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
      return x.map((v) => (v - mean) / Math.sqrt(variance + epsilon));
    },
  },
};

// Layers that treat each row of a matrix as a sample.
const rowwise = ["Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Dropout", "GaussianDropout", "GaussianNoise", "BatchNormalization", "LayerNormalization"];

function through(layers, values, shape = layers[0].input) {
  const found = [];
  let x = { shape, values };
  for (const layer of layers) {
    x = page.layers[layer.type](x, layer.arguments, layer.weights);
    found.push(x);
  }
  return found;
}

page.Net = class {
  constructor(net) {
    Object.assign(this, net);
    const tensors = page.read(net.tensors), named = (numbers) =>
      Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, tensors[number]]));
    const chain = (layers) => layers.map((layer) => ({ ...layer, weights: named(layer.weights) }));
    this.layers = chain(net.layers);
    this.branches = (net.branches ?? []).map((branch) => ({ ...branch, layers: chain(branch.layers) }));
    this.steps = net.steps.map((step) => ({ ...step, arrays: named(step.arrays) }));
    this.frames = (net.frames ?? []).map(({ epoch, weights }) => ({ epoch, weights: weights.map(named) }));
    this.frames.push({ epoch: null, weights: this.layers.map((layer) => layer.weights) });
    this.scaling = net.targets && named(net.targets);
    this.prototypes = tensors[net.prototypes];
  }

  // Compute with other weights, given for each layer, such as those of a frame; the last frame has those of the run.
  turnTo(weights) {
    this.layers.forEach((layer, i) => { layer.weights = weights[i]; });
  }

  energyOf(z) {
    const { kernel, bias: hidden } = this.layers[0].weights, { bias: visible } = this.layers[this.layers.length - 1].weights;
    return page.energy(z, { kernel, hidden, visible }, this.energy);
  }

  // What the net sees of a sample in the data's units.
  prepared(x) {
    return this.steps.reduce((z, step) => page.steps[step.name].apply(z, step, step.arrays), Float32Array.from(x));
  }

  get invertible() { return this.steps.every((step) => page.steps[step.name].invert); }

  restored(z) {
    return this.steps.reduceRight((x, step) => page.steps[step.name].invert(x, step, step.arrays), z);
  }

  // The outputs of the layers from `first` on, the last one included, for what the first of them takes.
  outputs(values, first = 0, end = this.layers.length) { return through(this.layers.slice(first, end), values); }

  // The last layer's outputs for many samples, computed at once where all layers allow it.
  lastOutputs(inputs) {
    const layers = this.layers[0].type === "Flatten" ? this.layers.slice(1) : this.layers; // which moves no number
    const alike = layers.length > 0 && layers.every(({ type, input }) => input.length === 1 && rowwise.includes(type));
    if (!alike) return inputs.map((x) => this.outputs(x).pop());
    const width = inputs[0].length, all = new Float32Array(inputs.length * width);
    inputs.forEach((x, i) => all.set(x, i * width));
    const { values } = through(layers, all, [inputs.length, width]).pop(), size = values.length / inputs.length;
    return inputs.map((_, i) => ({ shape: [size], values: values.subarray(i * size, (i + 1) * size) }));
  }

  // What a branch reconstructs of the sample, whose outputs of all layers are known.
  reconstruction({ start, layers }, seen, outputs) {
    return through(layers, start ? outputs[start - 1].values : seen).pop().values;
  }

  // Of the last layer's output: probabilities of all classes, or numbers in the units of the targets.
  result(output) {
    if (this.classes.length === 2 && output.values.length === 1) return [1 - output.values[0], output.values[0]];
    if (!this.scaling) return output.values;
    const { mean, spread } = this.scaling, width = mean.values.length;
    return output.values.map((v, i) => v * spread.values[i % width] + mean.values[i % width]);
  }
};

page.data = JSON.parse(document.getElementById("page-data").textContent);
if (page.data.net) page.net = new page.Net(page.data.net);
