// Layers of matrices. Weights are tensors {shape, values} by Keras's names; a tied kernel is its source's, transposed.
page.layers.Dense = (x, { units, activation, tied }, { kernel, bias }) => {
  const inputs = x.shape[x.shape.length - 1], rows = x.values.length / inputs;
  const values = new Float32Array(rows * units);
  for (let r = 0; r < rows; r++) {
    const sums = new Float64Array(units);
    if (bias) sums.set(bias.values);
    for (let i = 0; i < inputs; i++) {
      const value = x.values[r * inputs + i];
      if (value === 0) continue;
      if (tied) for (let j = 0; j < units; j++) sums[j] += value * kernel.values[j * inputs + i];
      else for (let j = 0, at = i * units; j < units; j++, at++) sums[j] += value * kernel.values[at];
    }
    values.set(sums, r * units);
  }
  return page.activated({ shape: [...x.shape.slice(0, -1), units], values }, activation);
};

// The k largest of a sample's values; of equal ones the first.
page.layers.KSparse = (x, { k }) => {
  const order = [...x.values.keys()].sort((a, b) => x.values[b] - x.values[a] || a - b);
  const values = new Float32Array(x.values.length);
  for (const i of order.slice(0, k)) values[i] = x.values[i];
  return { shape: x.shape, values };
};

// The means among means and log variances.
page.layers.CodeMean = (x) => ({ shape: [x.shape[0] / 2], values: x.values.slice(0, x.shape[0] / 2) });
