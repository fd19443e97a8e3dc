// Pooling. Positions outside of the image count neither for the largest value nor for the mean.
function pool(x, [ph, pw], [sy, sx], padding, mean) {
  const [height, width, channels] = x.shape;
  const count = (n, p, s) => (padding === "same" ? Math.ceil(n / s) : Math.floor((n - p) / s) + 1);
  const before = (n, p, s) => (padding === "same" ? Math.floor(Math.max((Math.ceil(n / s) - 1) * s + p - n, 0) / 2) : 0);
  const rows = count(height, ph, sy), columns = count(width, pw, sx);
  const top = before(height, ph, sy), left = before(width, pw, sx);
  const values = new Float32Array(rows * columns * channels);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      for (let m = 0; m < channels; m++) {
        let sum = 0, most = -Infinity, n = 0;
        for (let y = Math.max(r * sy - top, 0); y < Math.min(r * sy - top + ph, height); y++) {
          for (let z = Math.max(c * sx - left, 0); z < Math.min(c * sx - left + pw, width); z++) {
            const value = x.values[(y * width + z) * channels + m];
            sum += value;
            most = Math.max(most, value);
            n++;
          }
        }
        values[(r * columns + c) * channels + m] = mean ? sum / n : most;
      }
    }
  }
  return { shape: [rows, columns, channels], values };
}

const in1D = (mean) => (x, { pool_size, strides, padding }) => {
  const image = { shape: [1, ...x.shape], values: x.values };
  const pooled = pool(image, [1, pool_size], [1, strides ?? pool_size], padding, mean);
  // with a window of one row, the padding of that axis is none
  return { shape: pooled.shape.slice(1), values: pooled.values };
};
const in2D = (mean) => (x, { pool_size, strides, padding }) => pool(x, pool_size, strides ?? pool_size, padding, mean);

// Over everything but the channels.
const global = (mean) => (x, { keepdims }) => {
  const channels = x.shape[x.shape.length - 1], n = x.values.length / channels;
  const values = new Float32Array(channels);
  for (let m = 0; m < channels; m++) {
    let sum = 0, most = -Infinity;
    for (let i = m; i < x.values.length; i += channels) {
      sum += x.values[i];
      most = Math.max(most, x.values[i]);
    }
    values[m] = mean ? sum / n : most;
  }
  return { shape: keepdims ? [...x.shape.slice(0, -1).map(() => 1), channels] : [channels], values };
};

page.layers.MaxPooling2D = in2D(false);
page.layers.AveragePooling2D = in2D(true);
page.layers.MaxPooling1D = in1D(false);
page.layers.AveragePooling1D = in1D(true);
page.layers.GlobalMaxPooling2D = page.layers.GlobalMaxPooling1D = global(false);
page.layers.GlobalAveragePooling2D = page.layers.GlobalAveragePooling1D = global(true);
