// A pad to draw on with mouse or finger; what is drawn is prepared as the data were.
const side = 280;

page.Pad = class {
  // `shape` and `range` are those of the samples; `frame` says how handwriting was prepared, or is null.
  constructor({ shape, range, frame, drawn, covered }) {
    Object.assign(this, { shape, range, frame, drawn, covered });
    const [height, width] = shape;
    this.scale = side / Math.max(height, width);
    this.ink = document.createElement("canvas");
    [this.ink.width, this.ink.height] = [Math.round(width * this.scale), Math.round(height * this.scale)];
    this.element = page.make("canvas", { className: "pad pixels", tabIndex: 0 });
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", "the sample; draw on it with the mouse or a finger");
    this.context = this.ink.getContext("2d", { willReadFrequently: true });
    this.mode = "draw";
    this.element.addEventListener("pointerdown", (event) => this.begin(event));
    this.element.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.element.addEventListener(name, () => { this.last = undefined; });
  }

  clear() {
    this.context.clearRect(0, 0, this.ink.width, this.ink.height);
    this.under = new Float32Array(this.shape[0] * this.shape[1] * this.shape[2]).fill(this.range[0]);
    this.empty = true;
  }

  // Begin from a sample, on which more can be drawn.
  put(values) {
    this.clear();
    this.under = Float32Array.from(values);
    this.empty = false;
    this.show(this.under);
  }

  show(values) { page.showImage(this.element, values, this.shape, this.range); }

  place(event) {
    const box = this.element.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  begin(event) {
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    this.last = this.place(event);
    if (this.mode === "draw" && this.frame && !this.strokes) this.clear();
    this.strokes = this.mode === "draw";
    this.move(event);
  }

  move(event) {
    if (this.last === undefined) return;
    const at = this.place(event);
    if (this.mode === "cover") {
      this.covered(at);
      return;
    }
    const { context } = this, { width, height } = this.ink;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = "#fff";
    context.lineWidth = this.frame ? side * 0.075 : 1.6 * this.scale;
    context.beginPath();
    context.moveTo(this.last[0] * width, this.last[1] * height);
    context.lineTo(at[0] * width + 0.01, at[1] * height);
    context.stroke();
    this.last = at;
    this.drawn(this.values());
  }

  // What is drawn, as a sample in the data's units.
  values() {
    const [height, width, channels] = this.shape, [low, high] = this.range, { width: w, height: h } = this.ink;
    const alpha = this.context.getImageData(0, 0, w, h).data;
    const strokes = new Float32Array(w * h);
    for (let i = 0; i < strokes.length; i++) strokes[i] = alpha[4 * i + 3] / 255;
    const fitted = this.frame ? framed(strokes, w, h, this.frame) : averaged(strokes, w, [0, 0, w, h], width, height);
    return this.under.map((v, i) => {
      const ink = fitted[Math.floor(i / channels)];
      return this.frame ? low + ink * (high - low) : v + ink * (high - v);
    });
  }
};

// The mean over the part of the strokes that each new pixel covers.
function averaged(strokes, line, [left, top, width, height], columns, rows) {
  const found = new Float32Array(columns * rows), sx = width / columns, sy = height / rows;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let sum = 0, area = 0;
      for (let y = Math.floor(top + r * sy); y < top + (r + 1) * sy; y++) {
        const tall = Math.min(y + 1, top + (r + 1) * sy) - Math.max(y, top + r * sy);
        for (let x = Math.floor(left + c * sx); x < left + (c + 1) * sx; x++) {
          const wide = Math.min(x + 1, left + (c + 1) * sx) - Math.max(x, left + c * sx);
          sum += tall * wide * (strokes[y * line + x] ?? 0);
          area += tall * wide;
        }
      }
      found[r * columns + c] = sum / area;
    }
  }
  return found;
}

// As MNIST (LeCun et al. 1998): scaled into a box without a change of proportions, the centre of mass in the middle.
function framed(strokes, w, h, { size, box }) {
  let [left, top, right, bottom] = [w, h, -1, -1];
  for (let y = 0, i = 0; y < h; y++) {
    for (let x = 0; x < w; x++, i++) {
      if (strokes[i] <= 0.05) continue;
      left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
    }
  }
  const found = new Float32Array(size * size);
  if (right < 0) return found;
  const width = right - left + 1, height = bottom - top + 1, most = Math.max(width, height);
  const columns = Math.max(1, Math.round((box * width) / most)), rows = Math.max(1, Math.round((box * height) / most));
  const small = averaged(strokes, w, [left, top, width, height], columns, rows);
  let mass = 0, mx = 0, my = 0;
  small.forEach((ink, i) => { mass += ink; mx += ink * (i % columns); my += ink * Math.floor(i / columns); });
  const dx = Math.round((size - 1) / 2 - mx / mass), dy = Math.round((size - 1) / 2 - my / mass);
  small.forEach((ink, i) => {
    const x = (i % columns) + dx, y = Math.floor(i / columns) + dy;
    if (x >= 0 && x < size && y >= 0 && y < size) found[y * size + x] = ink;
  });
  return found;
}
