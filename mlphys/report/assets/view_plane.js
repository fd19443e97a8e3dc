// The living net of points: regions of a classifier, the field r(x) - x of an autoencoder, a fitted function.
const root = document.getElementById("live-net");
const { make } = page;
const grid = 121, arrows = 23, margin = 0.12, eta = 0.1, mostSteps = 400;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const lines = 6, pause = 250; // milliseconds

class Axes {
  // A canvas with the coordinates of the data; `ranges` are those of the samples.
  constructor(words, ranges, equal) {
    this.canvas = make("canvas", { className: "plane", tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", words);
    const wider = ([low, high]) => {
      const span = high - low || 1;
      return [low - margin * span, high + margin * span];
    };
    [this.x, this.y] = ranges.map(wider);
    // `equal`: a unit is as long up as to the right, as far as the picture stays between 1:2 and 1:1
    const ratio = equal ? Math.min(1, Math.max(0.5, (this.y[1] - this.y[0]) / (this.x[1] - this.x[0]))) : 0.75;
    this.size = [640, Math.round(38 + ratio * (640 - 54))];
    [this.canvas.width, this.canvas.height] = this.size.map((n) => 2 * n);
    this.context = this.canvas.getContext("2d");
    this.context.scale(2, 2);
    this.context.font = "13px system-ui, sans-serif";
  }

  at([x, y]) {
    return [44 + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.size[0] - 54),
      this.size[1] - 28 - ((y - this.y[0]) / (this.y[1] - this.y[0])) * (this.size[1] - 38)];
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) / box.width) * this.size[0], ((event.clientY - box.top) / box.height) * this.size[1]];
    return [this.x[0] + ((px - 44) / (this.size[0] - 54)) * (this.x[1] - this.x[0]),
      this.y[0] + ((this.size[1] - 28 - py) / (this.size[1] - 38)) * (this.y[1] - this.y[0])];
  }

  clear() {
    this.context.clearRect(0, 0, ...this.size);
    this.context.fillStyle = colour("--grey");
    const ticks = ([low, high]) => {
      const raw = (high - low) / 6, power = 10 ** Math.floor(Math.log10(raw));
      const step = power * [1, 2, 5, 10].find((f) => power * f >= raw), found = [];
      for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
      return found;
    };
    this.context.textAlign = "center";
    for (const x of ticks(this.x)) this.context.fillText(Number(x.toPrecision(4)), this.at([x, 0])[0], this.size[1] - 8);
    this.context.textAlign = "right";
    for (const y of ticks(this.y)) this.context.fillText(Number(y.toPrecision(4)), 38, this.at([0, y])[1] + 4);
    const [left, top] = this.at([this.x[0], this.y[1]]), [right, bottom] = this.at([this.x[1], this.y[0]]);
    this.context.strokeStyle = colour("--pale");
    this.context.lineWidth = 1;
    this.context.strokeRect(left, top, right - left, bottom - top);
  }

  path(points, style, width) {
    const [left, top] = this.at([this.x[0], this.y[1]]), [right, bottom] = this.at([this.x[1], this.y[0]]);
    this.context.save();
    this.context.beginPath();
    this.context.rect(left, top, right - left, bottom - top);
    this.context.clip();
    this.context.beginPath();
    points.forEach((point, i) => (i ? this.context.lineTo(...this.at(point)) : this.context.moveTo(...this.at(point))));
    this.context.strokeStyle = style;
    this.context.lineWidth = width;
    this.context.stroke();
    this.context.restore();
  }

  dot(point, radius, fill, edge, thick = 1) {
    this.context.beginPath();
    this.context.arc(...this.at(point), radius, 0, 2 * Math.PI);
    this.context.fillStyle = fill;
    this.context.fill();
    if (!edge) return;
    this.context.strokeStyle = edge;
    this.context.lineWidth = thick;
    this.context.stroke();
  }
}

class View {
  constructor(net, samples) {
    Object.assign(this, { net, samples });
    Object.assign(this, page.samples(samples));
    this.said = make("p", { className: "said" });
    this.said.setAttribute("aria-live", "polite");
    this.dropped = [];
  }

  begin(words, ranges, tools, equal) {
    this.axes = new Axes(words, ranges, equal);
    const clear = make("button", { type: "button", textContent: "Clear" });
    clear.addEventListener("click", () => { this.dropped = []; this.said.textContent = this.hint; this.draw(); });
    root.append(this.said, this.axes.canvas, make("div", { className: "tools" }, clear, ...tools, ...this.epochs()));
    this.said.textContent = this.hint;
    this.axes.canvas.addEventListener("pointerdown", (event) => this.drop(this.axes.place(event)));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.draw();
  }

  // A slider over the epochs of training, and a button that moves it, where the run has snapshots.
  epochs() {
    const { frames } = this.net, last = frames.length - 1;
    if (!last) return [];
    const slider = make("input", { type: "range", min: 0, max: last, value: last }), told = make("output", {});
    slider.setAttribute("aria-label", "epoch");
    const play = make("button", { type: "button", textContent: "Watch it learn" });
    const show = (frame) => {
      slider.value = frame;
      told.textContent = frame === last ? "trained" : `epoch ${frames[frame].epoch}`;
      slider.setAttribute("aria-valuetext", told.textContent);
      this.net.turnTo(frame);
      this.renew();
      this.draw();
    };
    told.textContent = "trained";
    slider.addEventListener("input", () => { clearInterval(this.playing); show(Number(slider.value)); });
    play.addEventListener("click", () => {
      clearInterval(this.playing);
      let frame = -1;
      this.playing = setInterval(() => {
        frame += 1;
        show(frame);
        if (frame === last) clearInterval(this.playing);
      }, pause);
    });
    return [play, slider, told];
  }

  // What a view keeps of the net is made again for other weights.
  renew() {
    this.dropped = [];
    this.said.textContent = this.hint;
  }

  column(k, of = this.x, width = this.net.shape[0]) {
    return Array.from({ length: this.count }, (_, i) => of[i * width + k]);
  }

  range(values) { return [Math.min(...values), Math.max(...values)]; }

  output(point) {
    const outputs = this.net.outputs(this.net.prepared(point));
    return outputs[outputs.length - 1];
  }
}

// Regions of the classes, as deep as they are probable.
class RegionView extends View {
  constructor(net, samples) {
    super(net, samples);
    this.hint = "Press on the plane to drop a point: the probabilities of its class.";
    this.bars = new page.Bars(net.classes);
    this.probabilities = this.regions();
    this.begin("the decision regions of the net, with samples", [0, 1].map((k) => this.range(this.column(k))), [], true);
    root.append(this.bars.element);
    this.bars.show([...net.result(this.output(this.x.subarray(0, 2)))]);
  }

  renew() {
    super.renew();
    this.probabilities = this.regions();
  }

  regions() {
    const axes = new Axes("", [0, 1].map((k) => this.range(this.column(k))), true), found = [];
    for (let r = 0; r < grid; r++) {
      for (let c = 0; c < grid; c++) {
        const x = axes.x[0] + ((c + 0.5) / grid) * (axes.x[1] - axes.x[0]);
        const y = axes.y[1] - ((r + 0.5) / grid) * (axes.y[1] - axes.y[0]);
        found.push([...this.net.result(this.output([x, y]))]);
      }
    }
    return found;
  }

  draw() {
    const palette = this.net.classes.map((_, k) => colour(`--c${k % lines}`)), paper = rgb(colour("--paper"));
    const image = make("canvas", { width: grid, height: grid }), context = image.getContext("2d");
    const pixels = context.createImageData(grid, grid), equal = 1 / this.net.classes.length;
    this.probabilities.forEach((p, i) => {
      const most = Math.max(...p), depth = 0.08 + 0.42 * Math.max(0, (most - equal) / (1 - equal));
      const own = rgb(palette[p.indexOf(most)]);
      pixels.data.set([...paper.map((v, c) => v + depth * (own[c] - v)), 255], 4 * i);
    });
    context.putImageData(pixels, 0, 0);
    this.axes.clear();
    const [left, top] = this.axes.at([this.axes.x[0], this.axes.y[1]]), [right, bottom] = this.axes.at([this.axes.x[1], this.axes.y[0]]);
    this.axes.context.imageSmoothingEnabled = true;
    this.axes.context.drawImage(image, left, top, right - left, bottom - top);
    for (let i = 0; i < this.count; i++) {
      const point = this.x.subarray(2 * i, 2 * i + 2), result = this.net.result(this.output(point));
      const wrong = result.indexOf(Math.max(...result)) !== this.samples.labels[i];
      this.axes.dot(point, wrong ? 5 : 3.5, palette[this.samples.labels[i]], wrong ? colour("--ink") : colour("--paper"), wrong ? 1.6 : 0.6);
    }
    for (const point of this.dropped) this.axes.dot(point, 6, colour("--paper"), colour("--ink"), 2.5);
  }

  drop(point) {
    this.dropped = [point];
    const result = [...this.net.result(this.output(point))], at = result.indexOf(Math.max(...result));
    this.bars.show(result);
    this.said.textContent = `(${point.map(page.short).join(", ")}): ${this.net.classes[at]} with probability ${result[at].toFixed(3)}`;
    this.draw();
  }
}

// The field r(x) - x, and points that follow it.
class FieldView extends View {
  constructor(net, samples) {
    super(net, samples);
    this.hint = "Press on the plane to drop a point: it follows r(x) − x to where the net leaves it.";
    this.begin("the field r(x) minus x of the autoencoder, with samples", [0, 1].map((k) => this.range(this.column(k))), [], true);
  }

  moved(point) {
    const made = this.output(point).values, restored = this.net.invertible ? this.net.restored(made) : made;
    return [restored[0] - point[0], restored[1] - point[1]];
  }

  draw() {
    const { axes } = this;
    axes.clear();
    for (let i = 0; i < this.count; i++) axes.dot(this.x.subarray(2 * i, 2 * i + 2), 2.5, colour("--c5"));
    const places = [], step = (axes.x[1] - axes.x[0]) / arrows;
    for (let r = 0; r < arrows; r++) {
      for (let c = 0; c < arrows; c++) {
        places.push([axes.x[0] + (c + 0.5) * step, axes.y[0] + ((r + 0.5) / arrows) * (axes.y[1] - axes.y[0])]);
      }
    }
    const field = places.map((place) => this.moved(place)), most = Math.max(...field.map(([a, b]) => Math.hypot(a, b))) || 1;
    places.forEach((place, i) => this.arrow(place, field[i], step, most));
    for (const trail of this.dropped) {
      axes.path(trail, colour("--c1"), 2.2);
      axes.dot(trail[0], 4, colour("--paper"), colour("--c1"), 2);
      axes.dot(trail[trail.length - 1], 4.5, colour("--c1"));
    }
  }

  // As long as the square root of the field, so that small ones can be seen.
  arrow([x, y], [dx, dy], step, most) {
    const length = Math.hypot(dx, dy), factor = length ? (0.9 * step * Math.sqrt(length / most)) / length : 0;
    const [from, to] = [this.axes.at([x, y]), this.axes.at([x + factor * dx, y + factor * dy])], { context } = this.axes;
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
    context.strokeStyle = colour("--grey");
    context.lineWidth = 1.1;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    for (const turn of [2.6, -2.6]) {
      context.moveTo(...to);
      context.lineTo(to[0] + 3.5 * Math.cos(angle + turn), to[1] + 3.5 * Math.sin(angle + turn));
    }
    context.stroke();
  }

  drop(point) {
    const trail = [point];
    this.dropped.push(trail);
    const follow = () => {
      for (let n = 0; n < 4 && trail.length < mostSteps; n++) {
        const last = trail[trail.length - 1], [dx, dy] = this.moved(last);
        trail.push([last[0] + eta * dx, last[1] + eta * dy]);
      }
      this.draw();
      this.said.textContent = `from (${point.map(page.short).join(", ")}) to (${trail[trail.length - 1].map(page.short).join(", ")})`;
      if (trail.length < mostSteps && this.dropped.includes(trail)) requestAnimationFrame(follow);
    };
    follow();
  }
}

// A function of one variable, with its samples and the units of its last hidden layer.
class CurveView extends View {
  constructor(net, samples) {
    super(net, samples);
    this.hint = "Press on the plane: the value of the net there.";
    this.y = this.tensors[samples.targets].values;
    const ranges = [this.range(this.x), this.range(this.y)];
    const label = make("label", {}, make("input", { type: "checkbox", id: "units" }), " hidden units, each to its own scale");
    this.begin("the function of the net, with samples", ranges, net.layers.length > 1 ? [label] : []);
    document.getElementById("units")?.addEventListener("change", () => this.draw());
  }

  draw() {
    const { axes } = this, xs = Array.from({ length: 301 }, (_, i) => axes.x[0] + (i / 300) * (axes.x[1] - axes.x[0]));
    const all = xs.map((x) => this.net.outputs(this.net.prepared([x])));
    axes.clear();
    if (document.getElementById("units")?.checked) this.units(xs, all);
    for (let i = 0; i < this.count; i++) axes.dot([this.x[i], this.y[i]], 3, colour("--c5"));
    axes.path(xs.map((x, i) => [x, this.net.result(all[i][all[i].length - 1])[0]]), colour("--c0"), 2.5);
    for (const point of this.dropped) axes.dot(point, 5, colour("--paper"), colour("--c1"), 2.5);
  }

  units(xs, all) {
    const hidden = all.map((outputs) => outputs[outputs.length - 2].values), { axes } = this;
    for (let k = 0; k < Math.min(16, hidden[0].length); k++) {
      const values = hidden.map((each) => each[k]), [low, high] = this.range(values);
      const scaled = values.map((v) => axes.y[0] + ((v - low) / (high - low || 1)) * (axes.y[1] - axes.y[0]));
      axes.path(xs.map((x, i) => [x, scaled[i]]), colour(`--c${1 + (k % 4)}`), 0.8);
    }
  }

  drop([x]) {
    const value = this.net.result(this.output([x]))[0];
    this.dropped = [[x, value]];
    this.said.textContent = `f(${page.short(x)}) = ${page.short(value)}`;
    this.draw();
  }
}

if (root && page.net && !page.isImage(page.net.shape)) {
  const { net } = page, [width] = net.shape, plane = net.shape.length === 1 && width === 2;
  const { samples } = page.data, curve = net.shape.length === 1 && width === 1 && net.targetShape.length === 1 && net.targetShape[0] === 1;
  if (plane && net.classes.length) page.live = new RegionView(net, samples);
  else if (plane && net.code) page.live = new FieldView(net, samples);
  else if (curve && samples.targets !== null) page.live = new CurveView(net, samples);
}
