// The living net of points: regions of a classifier, the field r(x) - x of an autoencoder, a fitted function.
const root = document.getElementById("live-net");
const { make } = page;
const { Axes, themed: colour, rgb } = page;
const grid = 121, arrows = 23, eta = 0.1, mostSteps = 400;
const lines = 6; // colours

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
    const learning = this.learning = page.learning(this, () => { this.renew(); this.draw(); });
    const planes = make("div", { className: "planes" }, this.axes.canvas, ...(learning?.surface ? [learning.surface.element] : []));
    root.append(this.said, make("div", { className: "tools" }, clear, ...tools, ...(learning?.tools ?? [])), planes);
    this.said.textContent = this.hint;
    this.axes.canvas.addEventListener("pointerdown", (event) => this.drop(this.axes.place(event)));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.draw();
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
    const axes = new Axes("", [0, 1].map((k) => this.range(this.column(k))), true);
    const places = Array.from({ length: grid * grid }, (_, i) => axes.cell(i % grid, Math.floor(i / grid), grid, grid));
    return this.net.lastOutputs(places.map((place) => this.net.prepared(place))).map((last) => this.net.result(last));
  }

  draw() {
    const palette = this.net.classes.map((_, k) => colour(`--c${k % lines}`)), paper = rgb(colour("--paper"));
    const equal = 1 / this.net.classes.length, owners = palette.map(rgb);
    this.axes.clear();
    this.axes.cells(grid, grid, this.probabilities.map((p) => {
      const most = Math.max(...p), depth = 0.08 + 0.42 * Math.max(0, (most - equal) / (1 - equal));
      return paper.map((v, c) => v + depth * (owners[p.indexOf(most)][c] - v));
    }));
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
    this.shown = "Arrows";
    const kinds = page.choice(["Arrows", "Stream lines"], this.shown, (name) => { this.shown = name; this.draw(); });
    this.begin("the field r(x) minus x of the autoencoder, with samples", [0, 1].map((k) => this.range(this.column(k))), kinds, true);
  }

  moved(point) { return this.field([point])[0]; }

  // r(x) - x at points x.
  field(points) {
    return this.net.lastOutputs(points.map((point) => this.net.prepared(point))).map(({ values }, i) => {
      const [x, y] = this.net.invertible ? this.net.restored(values) : values;
      return [x - points[i][0], y - points[i][1]];
    });
  }

  draw() {
    const { axes } = this;
    axes.clear();
    for (let i = 0; i < this.count; i++) axes.dot(this.x.subarray(2 * i, 2 * i + 2), 2.5, colour("--c5"));
    if (this.shown === "Arrows") this.arrows();
    else this.lines();
    for (const point of this.prototypes()) axes.dot(point, 5, colour("--paper"), colour("--ink"), 2);
    for (const trail of this.dropped) {
      axes.path(trail, colour("--c1"), 2.2);
      axes.dot(trail[0], 4, colour("--paper"), colour("--c1"), 2);
      axes.dot(trail[trail.length - 1], 4.5, colour("--c1"));
    }
  }

  arrows() {
    const { axes } = this, places = [], step = (axes.x[1] - axes.x[0]) / arrows;
    for (let r = 0; r < arrows; r++) {
      for (let c = 0; c < arrows; c++) places.push(axes.cell(c, r, arrows, arrows));
    }
    const field = this.field(places), most = Math.max(...field.map(([a, b]) => Math.hypot(a, b))) || 1;
    places.forEach((place, i) => this.arrow(place, field[i], step, most));
  }

  // Lines that have the direction of the field everywhere, with its sense in their middle.
  lines() {
    const { axes } = this, { context } = axes;
    for (const line of page.streamLines((points) => this.field(points), axes.x, axes.y)) {
      axes.path(line, colour("--grey"), 1.1);
      const middle = Math.floor(line.length / 2), [from, to] = [axes.at(line[middle - 1]), axes.at(line[middle])];
      const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
      context.beginPath();
      for (const [turn, far] of [[0, 3], [2.5, 5], [-2.5, 5]]) {
        context.lineTo(to[0] + far * Math.cos(angle + turn), to[1] + far * Math.sin(angle + turn));
      }
      context.fillStyle = colour("--grey");
      context.fill();
    }
  }

  // All reconstructions that are possible, such as centroids.
  prototypes() {
    const { prototypes, invertible } = this.net;
    if (!prototypes || !invertible) return [];
    return Array.from({ length: prototypes.shape[0] }, (_, k) => this.net.restored(prototypes.values.slice(2 * k, 2 * k + 2)));
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
      axes.path(xs.map((x, i) => [x, scaled[i]]), colour(`--c${1 + (k % 4)}`), 1.2);
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
