// Normalization with the saved moving averages, or over each sample's last axis.
function scaled(values, channels, mean, deviation, { gamma, beta }) {
  return values.map((value, i) => {
    const m = i % channels, z = (value - mean(i, m)) / deviation(i, m);
    return z * (gamma ? gamma.values[m] : 1) + (beta ? beta.values[m] : 0);
  });
}

page.layers.BatchNormalization = (x, { epsilon }, weights) => {
  const { moving_mean: mean, moving_variance: variance } = weights;
  const deviations = Array.from(variance.values, (v) => Math.sqrt(v + epsilon));
  const values = scaled(x.values, x.shape[x.shape.length - 1], (i, m) => mean.values[m], (i, m) => deviations[m], weights);
  return { shape: x.shape, values };
};

page.layers.LayerNormalization = (x, { epsilon }, weights) => {
  const channels = x.shape[x.shape.length - 1], rows = x.values.length / channels;
  const means = new Float64Array(rows), deviations = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = x.values.subarray(r * channels, (r + 1) * channels);
    means[r] = row.reduce((a, b) => a + b, 0) / channels;
    deviations[r] = Math.sqrt(row.reduce((a, b) => a + (b - means[r]) ** 2, 0) / channels + epsilon);
  }
  const row = (i) => Math.floor(i / channels);
  const values = scaled(x.values, channels, (i) => means[row(i)], (i) => deviations[row(i)], weights);
  return { shape: x.shape, values };
};
