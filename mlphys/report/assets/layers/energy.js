// The energy of physics, low where plausible, of a point z: minus the sum of H(s_k), and |z - b|^2 / 2 or -b z.
const softplus = (s) => Math.max(s, 0) + Math.log1p(Math.exp(-Math.abs(s)));
const antiderivatives = {
  linear: (s) => s ** 2 / 2, relu: (s) => Math.max(s, 0) ** 2 / 2, sigmoid: softplus,
  tanh: (s) => s + softplus(-2 * s) - Math.LN2,
};
page.energy = (z, { kernel, hidden, visible }, { activation, output }) => {
  const [inputs, units] = kernel.shape, s = hidden ? Float64Array.from(hidden.values) : new Float64Array(units);
  for (let i = 0, at = 0; i < inputs; i++) {
    for (let k = 0; k < units; k++, at++) s[k] += z[i] * kernel.values[at];
  }
  const free = s.reduce((sum, each) => sum + antiderivatives[activation](each), 0);
  const b = (i) => (visible ? visible.values[i] : 0);
  const own = z.reduce((sum, v, i) => sum + (output === "sigmoid" ? -b(i) * v : (v - b(i)) ** 2 / 2), 0);
  return own - free;
};

// The energies of a model for each class, of the lecture's sign: high where plausible.
page.layers.ClassEnergies = (x, { classes, activation, output }, weights) => {
  const values = Float32Array.from({ length: classes }, (_, k) => -page.energy(x.values, {
    kernel: weights[`kernel_${k}`], hidden: weights[`hidden_bias_${k}`], visible: weights[`visible_bias_${k}`],
  }, { activation, output }));
  return { shape: [classes], values };
};

page.layers.Scaled = (x, options, { scales, biases }) =>
  ({ shape: x.shape, values: x.values.map((v, i) => scales.values[i] * v + biases.values[i]) });
