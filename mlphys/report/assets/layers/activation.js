// Activation functions by Keras's names, and the layers that are nothing else. Each takes a tensor {shape, values}.
const elementwise = (f) => (x) => ({ shape: x.shape, values: x.values.map(f) });
const sigmoid = (s) => (s >= 0 ? 1 / (1 + Math.exp(-s)) : Math.exp(s) / (1 + Math.exp(s)));
const softplus = (s) => Math.max(s, 0) + Math.log1p(Math.exp(-Math.abs(s)));

// erf by its series where that converges fast, else by the continued fraction of erfc; to 1e-12.
function erf(x) {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a, sum = a;
    for (let n = 1; n < 80; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = (n / 2) / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

// Over the last axis, row by row.
const rowwise = (f) => (x) => {
  const width = x.shape[x.shape.length - 1], values = new Float32Array(x.values.length);
  for (let start = 0; start < values.length; start += width) f(x.values.subarray(start, start + width), values.subarray(start, start + width));
  return { shape: x.shape, values };
};
const shifted = (row) => {
  let most = -Infinity;
  for (const s of row) most = Math.max(most, s);
  return Float64Array.from(row, (s) => s - most);
};

const selu = { alpha: 1.6732632423543772, scale: 1.0507009873554805 };
const functions = {
  linear: (s) => s,
  relu: (s) => Math.max(s, 0),
  relu6: (s) => Math.min(Math.max(s, 0), 6),
  leaky_relu: (s) => (s > 0 ? s : 0.2 * s),
  sigmoid,
  tanh: Math.tanh,
  softplus,
  softsign: (s) => s / (1 + Math.abs(s)),
  elu: (s) => (s > 0 ? s : Math.expm1(s)),
  selu: (s) => selu.scale * (s > 0 ? s : selu.alpha * Math.expm1(s)),
  celu: (s) => (s > 0 ? s : Math.expm1(s)),
  gelu: (s) => 0.5 * s * (1 + erf(s / Math.SQRT2)),
  silu: (s) => s * sigmoid(s),
  swish: (s) => s * sigmoid(s),
  mish: (s) => s * Math.tanh(softplus(s)),
  exponential: Math.exp,
  hard_sigmoid: (s) => Math.min(Math.max(s / 6 + 0.5, 0), 1),
  hard_tanh: (s) => Math.min(Math.max(s, -1), 1),
  log_sigmoid: (s) => -softplus(-s),
};
for (const [name, f] of Object.entries(functions)) page.activations[name] = elementwise(f);
page.activations.softmax = rowwise((row, out) => {
  const powers = shifted(row).map(Math.exp);
  const sum = powers.reduce((a, b) => a + b, 0);
  powers.forEach((power, i) => { out[i] = power / sum; });
});
page.activations.log_softmax = rowwise((row, out) => {
  const differences = shifted(row), sum = Math.log(differences.reduce((a, s) => a + Math.exp(s), 0));
  differences.forEach((s, i) => { out[i] = s - sum; });
});
page.activated = (x, name) => (name ? page.activations[name](x) : x);

page.layers.Activation = (x, { activation }) => page.activated(x, activation);
page.layers.Softmax = (x) => page.activations.softmax(x);
page.layers.ReLU = (x, { max_value, negative_slope, threshold }) => elementwise((s) => {
  const value = s >= threshold ? s : negative_slope * (s - threshold);
  return max_value === null ? value : Math.min(value, max_value);
})(x);
page.layers.LeakyReLU = (x, { negative_slope }) => elementwise((s) => (s > 0 ? s : negative_slope * s))(x);
page.layers.ELU = (x, { alpha }) => elementwise((s) => (s > 0 ? s : alpha * Math.expm1(s)))(x);
