// What the living parts share: elements, images and bars.
page.make = (name, properties = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

page.isImage = (shape) => shape.length === 3 && (shape[2] === 1 || shape[2] === 3) && Math.min(shape[0], shape[1]) > 1;

// Values of an image (height, width, 1 or 3) from low to high, one pixel each.
page.showImage = (canvas, values, [height, width, channels], [low, high]) => {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
  const level = (v) => ((v - low) / (high - low || 1)) * 255;
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = level(values[i * channels + (channels === 3 ? c : 0)]);
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
};

const ends = { blue: [5, 48, 97], pale: [247, 247, 247], red: [103, 0, 31], warm: [214, 96, 77], cool: [67, 147, 195] };
const between = (a, b, t) => a.map((v, i) => v + (b[i] - v) * t);
page.colour = (value, signed) => {
  const t = Math.min(1, Math.max(-1, Number.isFinite(value) ? value : 0));
  if (!signed) return [255 * Math.max(t, 0), 255 * Math.max(t, 0), 255 * Math.max(t, 0)];
  const [middle, end] = t < 0 ? [ends.cool, ends.blue] : [ends.warm, ends.red], a = Math.abs(t);
  return a < 0.6 ? between(ends.pale, middle, a / 0.6) : between(middle, end, (a - 0.6) / 0.4);
};

// Colours from -1 to 1 in steps, three bytes each: a map has thousands of pixels, and is drawn with every stroke.
const steps = 512;
const coloured = (signed) => Uint8ClampedArray.from({ length: 3 * (2 * steps + 1) }, (_, i) => page.colour(Math.floor(i / 3) / steps - 1, signed)[i % 3]);
const colours = { signed: coloured(true), unsigned: coloured(false) };

// One channel of a map: grey from 0 on where nothing is negative, else blue below zero and red above, as in the pictures.
page.showMap = (canvas, values, [height, width, channels], channel, most, signed) => {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d"), pixels = context.createImageData(width, height), { data } = pixels;
  const table = signed ? colours.signed : colours.unsigned, scale = steps / most;
  for (let i = 0, at = channel; i < data.length; i += 4, at += channels) {
    const value = Math.round(values[at] * scale), from = 3 * (steps + Math.max(-steps, Math.min(steps, value || 0)));
    data[i] = table[from];
    data[i + 1] = table[from + 1];
    data[i + 2] = table[from + 2];
    data[i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
};

// Horizontal bars by name, from 0 to 1 or to the largest value.
page.Bars = class {
  constructor(names) {
    this.element = page.make("div", { className: "bars" });
    this.rows = names.map((name) => {
      const fill = page.make("span", { className: "fill" }), number = page.make("span", { className: "number" });
      const row = page.make("div", { className: "row" }, page.make("span", { className: "name", textContent: name, title: name }),
        page.make("span", { className: "track" }, fill), number);
      this.element.append(row);
      return { row, fill, number };
    });
  }

  show(values) {
    const most = Math.max(...values);
    values.forEach((value, i) => {
      const { row, fill, number } = this.rows[i];
      fill.style.width = `${(100 * Math.max(0, Math.min(1, value))).toFixed(1)}%`;
      number.textContent = value >= 0.9995 ? "1.000" : value.toFixed(3);
      row.classList.toggle("most", value === most);
    });
  }
};

page.short = (value) => (Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(3));

// A button that is pressed or not; several of them are one choice.
page.choice = (names, chosen, pick) => {
  const buttons = names.map((name) => page.make("button", { type: "button", textContent: name }));
  const press = (at) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === at)));
  buttons.forEach((button, i) => button.addEventListener("click", () => { press(i); pick(names[i]); }));
  press(names.indexOf(chosen));
  return buttons;
};

// What every layer makes of a sample: maps of images, numbers in a row as a strip.
const mostMaps = 64;
page.Layers = class {
  constructor(layers) {
    const { make } = page;
    this.element = make("div", { className: "maps" });
    this.rows = layers.map(({ name, type }) => {
      const canvases = make("div", { className: "map-row" }), shape = make("small");
      const head = make("p", {}, make("b", { textContent: name.includes(".") ? type : name }), " ", shape);
      this.element.append(make("div", { className: "layer" }, head, canvases));
      return { canvases, shape, drawn: [] };
    });
  }

  // The outputs of the layers from `first` on.
  show(outputs, first = 0) {
    outputs.forEach((output, i) => this.row(this.rows[first + i], output));
  }

  row({ canvases, shape: words, drawn }, { shape, values }) {
    words.textContent = shape.join(" × ");
    let largest = 0, signed = false;
    for (const v of values) {
      largest = Math.max(largest, Math.abs(v));
      signed ||= v < 0;
    }
    const wide = shape.length === 3 ? shape : [shape.length === 2 ? shape[0] : 1, shape[shape.length - 1], 1];
    const count = Math.min(wide[2], mostMaps);
    while (drawn.length < count) {
      const canvas = page.make("canvas", { className: shape.length === 3 ? "pixels map" : "pixels row-of-numbers" });
      canvas.setAttribute("aria-hidden", "true");
      canvases.append(canvas);
      drawn.push(canvas);
    }
    for (let k = 0; k < count; k++) page.showMap(drawn[k], values, wide, k, largest || 1, signed);
  }
};
