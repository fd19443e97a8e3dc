// Layers that move values, and those that act in training only.
const count = (shape) => shape.reduce((a, b) => a * b, 1);

page.layers.Flatten = (x) => ({ shape: [x.values.length], values: x.values });
page.layers.Reshape = (x, { target_shape }) => {
  const known = count(target_shape.filter((n) => n !== -1));
  return { shape: target_shape.map((n) => (n === -1 ? x.values.length / known : n)), values: x.values };
};

// A window of the image, which may reach beyond it, where zeros are.
function framed(x, top, left, rows, columns) {
  const [height, width, channels] = x.shape, values = new Float32Array(rows * columns * channels);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const y = r + top, z = c + left;
      if (y < 0 || y >= height || z < 0 || z >= width) continue;
      const from = (y * width + z) * channels;
      values.set(x.values.subarray(from, from + channels), (r * columns + c) * channels);
    }
  }
  return { shape: [rows, columns, channels], values };
}

const image = (x) => ({ shape: [1, ...x.shape], values: x.values });
const sequence = (x) => ({ shape: x.shape.slice(1), values: x.values });
page.layers.ZeroPadding2D = (x, { padding: [[top, bottom], [left, right]] }) =>
  framed(x, -top, -left, x.shape[0] + top + bottom, x.shape[1] + left + right);
page.layers.Cropping2D = (x, { cropping: [[top, bottom], [left, right]] }) =>
  framed(x, top, left, x.shape[0] - top - bottom, x.shape[1] - left - right);
page.layers.ZeroPadding1D = (x, { padding: [front, end] }) =>
  sequence(framed(image(x), 0, -front, 1, x.shape[0] + front + end));
page.layers.Cropping1D = (x, { cropping: [front, end] }) =>
  sequence(framed(image(x), 0, front, 1, x.shape[0] - front - end));

// Weights of the old pixels for each new one along an axis; pixel centres are at halves, as TensorFlow has them.
const kernels = {
  nearest: null,
  bilinear: [1, (t) => Math.max(0, 1 - Math.abs(t))],
  bicubic: [2, (t) => {
    const a = Math.abs(t);
    if (a >= 2) return 0;
    return a < 1 ? (1.5 * a - 2.5) * a * a + 1 : ((-0.5 * a + 2.5) * a - 4) * a + 2;
  }],
  lanczos3: [3, (t) => lanczos(t, 3)],
  lanczos5: [5, (t) => lanczos(t, 5)],
};
function lanczos(t, radius) {
  if (Math.abs(t) >= radius) return 0;
  const p = Math.PI * t;
  return Math.abs(t) < 1e-3 ? 1 : (radius * Math.sin(p) * Math.sin(p / radius)) / (p * p);
}

function taps(size, factor, interpolation) {
  const kernel = kernels[interpolation];
  return Array.from({ length: size * factor }, (_, at) => {
    if (!kernel) return [[Math.floor(at / factor), 1]];
    const [radius, weight] = kernel, exact = (at + 0.5) / factor - 0.5, found = [];
    // TensorFlow looks cubic weights up in a table of 1024 steps
    const centre = interpolation === "bicubic" ? Math.round(exact * 1024) / 1024 : exact;
    for (let i = Math.ceil(centre - radius - 1e-9); i <= Math.floor(centre + radius + 1e-9); i++) {
      if (i >= 0 && i < size) found.push([i, weight(centre - i)]);
    }
    const sum = found.reduce((total, [, w]) => total + w, 0);
    return found.map(([i, w]) => [i, w / sum]);
  });
}

function enlarged(x, [fy, fx], interpolation) {
  const [height, width, channels] = x.shape, rows = height * fy, columns = width * fx;
  const down = taps(height, fy, interpolation), across = taps(width, fx, interpolation);
  const wide = new Float64Array(height * columns * channels), values = new Float32Array(rows * columns * channels);
  for (let y = 0; y < height; y++) {
    for (let c = 0; c < columns; c++) {
      for (const [z, w] of across[c]) {
        for (let m = 0; m < channels; m++) wide[(y * columns + c) * channels + m] += w * x.values[(y * width + z) * channels + m];
      }
    }
  }
  const line = columns * channels;
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < line; i++) {
      let sum = 0;
      for (const [y, w] of down[r]) sum += w * wide[y * line + i];
      values[r * line + i] = sum;
    }
  }
  return { shape: [rows, columns, channels], values };
}

page.layers.UpSampling2D = (x, { size, interpolation }) => enlarged(x, size, interpolation);
page.layers.UpSampling1D = (x, { size }) => sequence(enlarged(image(x), [1, size], "nearest"));
page.layers.Dropout = (x) => x;
page.layers.SpatialDropout2D = page.layers.Dropout;
page.layers.GaussianDropout = page.layers.Dropout;
page.layers.GaussianNoise = page.layers.Dropout;
