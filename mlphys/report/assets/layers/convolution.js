// Convolutions, channels last. A sequence (steps, channels) is an image of one row.

// Zeros before the first position, as TensorFlow pads: the odd one comes after the last.
function before(size, kernel, stride, dilation, padding) {
  const reach = dilation * (kernel - 1) + 1;
  if (padding === "causal") return reach - 1;
  if (padding !== "same") return 0;
  return Math.floor(Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0) / 2);
}

function positions(size, kernel, stride, dilation, padding) {
  return padding === "valid" ? Math.floor((size - dilation * (kernel - 1) - 1) / stride) + 1 : Math.ceil(size / stride);
}

function convolve(x, kernel, bias, [sy, sx], [dy, dx], [py, px]) {
  const [height, width, channels] = x.shape, [kh, kw, , filters] = kernel.shape;
  const rows = positions(height, kh, sy, dy, py), columns = positions(width, kw, sx, dx, px);
  const top = before(height, kh, sy, dy, py), left = before(width, kw, sx, dx, px);
  const values = new Float32Array(rows * columns * filters), sums = new Float64Array(filters);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      if (bias) sums.set(bias.values);
      else sums.fill(0);
      for (let i = 0; i < kh; i++) {
        const y = r * sy + i * dy - top;
        if (y < 0 || y >= height) continue;
        for (let j = 0; j < kw; j++) {
          const column = c * sx + j * dx - left;
          if (column < 0 || column >= width) continue;
          for (let m = 0; m < channels; m++) {
            const value = x.values[(y * width + column) * channels + m];
            if (value === 0) continue;
            let at = ((i * kw + j) * channels + m) * filters;
            for (let f = 0; f < filters; f++, at++) sums[f] += value * kernel.values[at];
          }
        }
      }
      values.set(sums, (r * columns + c) * filters);
    }
  }
  return { shape: [rows, columns, filters], values };
}

// The transpose: each input pixel adds its kernel to the output. The kernel is (height, width, filters, channels).
function transposed(x, kernel, bias, [sy, sx], padding) {
  const [height, width, channels] = x.shape, [kh, kw, filters] = kernel.shape;
  const size = (n, k, s) => n * s + (padding === "valid" ? Math.max(k - s, 0) : 0);
  const cut = (k, s) => (padding === "same" ? Math.floor(Math.max(k - s, 0) / 2) : 0);
  const rows = size(height, kh, sy), columns = size(width, kw, sx), top = cut(kh, sy), left = cut(kw, sx);
  const sums = new Float64Array(rows * columns * filters);
  for (let y = 0; y < height; y++) {
    for (let z = 0; z < width; z++) {
      for (let i = 0; i < kh; i++) {
        const r = y * sy + i - top;
        if (r < 0 || r >= rows) continue;
        for (let j = 0; j < kw; j++) {
          const c = z * sx + j - left;
          if (c < 0 || c >= columns) continue;
          for (let f = 0; f < filters; f++) {
            let sum = 0, at = ((i * kw + j) * filters + f) * channels;
            for (let m = 0; m < channels; m++, at++) sum += x.values[(y * width + z) * channels + m] * kernel.values[at];
            sums[(r * columns + c) * filters + f] += sum;
          }
        }
      }
    }
  }
  const values = new Float32Array(sums);
  if (bias) for (let i = 0; i < values.length; i++) values[i] = sums[i] + bias.values[i % filters];
  return { shape: [rows, columns, filters], values };
}

const asImage = (x) => ({ shape: [1, ...x.shape], values: x.values });
const asSequence = (x) => ({ shape: x.shape.slice(1), values: x.values });

page.layers.Conv2D = (x, { strides, dilation_rate, padding, activation }, { kernel, bias }) =>
  page.activated(convolve(x, kernel, bias, strides, dilation_rate ?? [1, 1], [padding, padding]), activation);
page.layers.FixedConv2D = page.layers.Conv2D;
page.layers.Conv2DTranspose = (x, { strides, padding, activation }, { kernel, bias }) =>
  page.activated(transposed(x, kernel, bias, strides, padding), activation);
page.layers.Conv1D = (x, { strides, dilation_rate, padding, activation }, { kernel, bias }) => {
  const made = convolve(asImage(x), asImage(kernel), bias, [1, strides], [1, dilation_rate], ["valid", padding]);
  return page.activated(asSequence(made), activation);
};
page.layers.Conv1DTranspose = (x, { strides, padding, activation }, { kernel, bias }) =>
  page.activated(asSequence(transposed(asImage(x), asImage(kernel), bias, [1, strides], padding)), activation);
