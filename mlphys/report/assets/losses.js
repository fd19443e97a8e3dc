// Keras's losses of one sample: p the outputs of the net, t what they are compared with.
const near = 1e-7; // as far as Keras keeps probabilities from 0 and 1
const inside = (p) => Math.min(1 - near, Math.max(near, p));
const mean = (p, f) => p.reduce((sum, v, i) => sum + f(v, i), 0) / p.length;

page.losses.CategoricalCrossentropy = (p, t, { label_smoothing: share }) => {
  const sum = p.reduce((a, b) => a + b, 0);
  return -p.reduce((total, v, k) => total + ((1 - share) * t[k] + share / p.length) * Math.log(inside(v / sum)), 0);
};
page.losses.BinaryCrossentropy = (p, t, { label_smoothing: share }) => -mean(p, (v, k) => {
  const target = (1 - share) * t[k] + share / 2;
  return target * Math.log(inside(v)) + (1 - target) * Math.log(1 - inside(v));
});
page.losses.MeanSquaredError = (p, t) => mean(p, (v, k) => (v - t[k]) ** 2);
page.losses.MeanAbsoluteError = (p, t) => mean(p, (v, k) => Math.abs(v - t[k]));
