// The loss in a plane of the weights, with the path of training; computed while it is in view.
const size = 33, levels = 14; // places along each side, contours
const slice = 12, longest = 20_000; // milliseconds of work at a time, and in all
const work = 4e6; // weights times samples at each place
const steepest = 30; // losses this many times those of the training are drawn as these

// Whether the page knows what the outputs are compared with: large targets are not in it.
page.hasTargets = ({ net, samples }) => net.classes.length > 0 || net.code > 0 || samples.targets !== null;

page.LossSurface = class {
  // `placed` is called with weights of a place that is pressed.
  constructor(view, placed) {
    const { net, samples } = view, { places, factors, shares } = net.plane;
    Object.assign(this, { net, placed, places, frame: places.length - 1, along: [], losses: new Float64Array(size * size).fill(NaN) });
    this.data(view, samples);
    this.span(factors);
    const ranges = [0, 1].map((k) => [Math.min(...places.map((place) => place[k])), Math.max(...places.map((place) => place[k]))]);
    this.axes = new page.Axes("the loss surface, with the path of training from a hollow dot to a full one", ranges, false, 0.3);
    this.said = page.make("p", { className: "note" });
    this.said.setAttribute("aria-live", "polite");
    const percent = shares.map((share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`);
    const caption = page.make("figcaption", {}, `Contours: the mean loss of ${this.inputs.length} samples, without penalties, in the plane ` +
      `of the first two principal components of the weights during training, which have ${percent.join(" and ")} of their variance. ` +
      "The line is the path of training, projected onto this plane, which contains its end. Press, or drag: the net takes the weights of that place.");
    this.element = page.make("figure", { className: "loss-surface" }, this.axes.canvas, this.said, caption);
    for (const name of ["pointerdown", "pointermove"]) {
      this.axes.canvas.addEventListener(name, (event) => { if (event.buttons & 1) this.press(this.axes.place(event)); });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.draw();
    this.jobs = this.computed();
    new IntersectionObserver(([entry]) => {
      const begins = entry.isIntersecting && !this.visible;
      this.visible = entry.isIntersecting;
      if (begins) this.work();
    }).observe(this.axes.canvas);
  }

  // Samples as the net sees them, and what its outputs are compared with.
  data({ x, count, tensors }, { even, labels, targets }) {
    const { net } = this, width = x.length / count, { mean, spread } = net.scaling ?? {};
    const weights = net.layers.reduce((sum, layer) => sum + Object.values(layer.weights).reduce((n, { values }) => n + values.length, 0), 0);
    const kept = Math.min(even, Math.max(20, Math.floor(work / weights)));
    this.inputs = Array.from({ length: kept }, (_, i) => net.prepared(x.subarray(i * width, (i + 1) * width)));
    const scaled = (values) => (net.scaling ? values.map((v, i) => (v - mean.values[i % mean.values.length]) / spread.values[i % mean.values.length]) : values);
    const numbers = net.targetShape.reduce((a, b) => a * b, 1);
    this.targets = this.inputs.map((input, i) => {
      if (net.classes.length) return net.classes.map((_, k) => Number(k === labels[i]));
      return net.code ? input : scaled(tensors[targets].values.subarray(i * numbers, (i + 1) * numbers));
    });
  }

  // The two directions of length 1 as weights, each a sum of those of all frames.
  span(factors) {
    const { frames } = this.net, sum = (numbers, l, name, length) => {
      const found = new Float64Array(length);
      frames.forEach(({ weights }, t) => weights[l][name].values.forEach((v, i) => { found[i] += numbers[t] * v; }));
      return found;
    };
    this.basis = frames[frames.length - 1].weights.map((own, l) => Object.fromEntries(Object.entries(own).map(([name, { shape, values }]) =>
      [name, { shape, values, directions: factors.map((numbers) => sum(numbers, l, name, values.length)) }])));
  }

  weightsAt([a, b]) {
    return this.basis.map((own) => Object.fromEntries(Object.entries(own).map(([name, { shape, values, directions: [first, second] }]) =>
      [name, { shape, values: values.map((v, i) => v + a * first[i] + b * second[i]) }])));
  }

  // The mean loss of the samples for these weights.
  lossOf(weights) {
    const { net, inputs, targets } = this, { loss, arguments: given, summed } = net.plane;
    const before = net.layers.map((layer) => layer.weights);
    net.turnTo(weights);
    const total = net.lastOutputs(inputs).reduce((sum, last, i) => {
      const p = net.classes.length ? net.result(last) : last.values;
      return sum + page.losses[loss](p, targets[i], given) * (summed ? last.values.length : 1);
    }, 0);
    net.turnTo(before);
    return total / inputs.length;
  }

  // One loss after the other: those along the path, then the surface, finer and finer.
  * computed() {
    for (const { weights } of this.net.frames) {
      this.along.push(this.lossOf(weights));
      yield;
    }
    this.mark(this.frame);
    for (const step of [8, 4, 2, 1]) {
      for (let r = 0; r < size; r += step) {
        for (let c = 0; c < size; c += step) {
          const at = r * size + c;
          if (!Number.isNaN(this.losses[at])) continue;
          const loss = this.lossOf(this.weightsAt(this.axes.cell(c, r, size, size)));
          this.losses[at] = Number.isNaN(loss) ? Infinity : loss;
          yield;
        }
      }
      this.step = step;
      this.draw();
    }
  }

  work() {
    const began = performance.now();
    while (performance.now() < began + slice && !this.done) this.done = this.jobs.next().done;
    this.spent = (this.spent ?? 0) + performance.now() - began;
    if (this.spent > longest) this.done = true;
    if (!this.done && this.visible) requestAnimationFrame(() => this.work());
  }

  // Show a frame of the training, whose weights the net has.
  mark(frame) {
    Object.assign(this, { frame, place: null });
    const loss = this.along[frame], { epoch } = this.net.frames[frame];
    this.said.textContent = loss === undefined ? "" : `${epoch === null ? "trained" : `epoch ${epoch}`}: loss ${page.short(loss)}`;
    this.draw();
  }

  press(place) {
    const weights = this.weightsAt(place);
    this.place = place;
    this.placed(weights);
    this.said.textContent = `at (${place.map(page.short).join(", ")}): loss ${page.short(this.lossOf(weights))}`;
    this.draw();
  }

  draw() {
    const { axes, places, frame } = this, path = page.themed("--c1"), paper = page.themed("--paper"), ink = page.themed("--ink");
    axes.clear();
    if (this.step) this.contours();
    axes.path(places, paper, 5);
    axes.path(places, path, 2.2);
    places.slice(1, -1).forEach((place) => axes.dot(place, 3, path));
    axes.dot(places[0], 5, paper, path, 2);
    axes.dot(places[places.length - 1], 5, path, paper, 1.5);
    axes.dot(this.place ?? places[frame], 8, "transparent", ink, 2.5);
  }

  contours() {
    const { axes, step } = this, logs = this.losses.map((loss) => Math.log(Math.max(loss, 1e-12)));
    const finite = [...logs.filter((v) => Number.isFinite(v)), ...this.along.map(Math.log)];
    const low = Math.min(...finite), high = Math.min(Math.max(...finite), Math.log(steepest * Math.max(...this.along)));
    // between computed places, those at multiples of `step`
    const value = (c, r) => {
      const x = Math.min(Math.floor(c / step), (size - 1) / step - 1) * step, y = Math.min(Math.floor(r / step), (size - 1) / step - 1) * step;
      const s = (c - x) / step, t = (r - y) / step, at = (i, j) => Math.min(logs[(y + j * step) * size + x + i * step], high);
      return (1 - t) * ((1 - s) * at(0, 0) + s * at(1, 0)) + t * ((1 - s) * at(0, 1) + s * at(1, 1));
    };
    const values = Array.from({ length: size * size }, (_, i) => value(i % size, Math.floor(i / size)));
    const [paper, deep] = ["--paper", "--c0"].map((name) => page.rgb(page.themed(name)));
    const span = high - low || 1;
    axes.cells(size, size, values.map((v) => paper.map((p, k) => p + 0.85 * (1 - (v - low) / span) * (deep[k] - p))));
    const { context } = axes;
    context.beginPath();
    for (let n = 1; n < levels; n++) line(axes, values, low + (n / levels) * span);
    context.globalAlpha = 0.55;
    context.strokeStyle = page.themed("--paper");
    context.lineWidth = 0.9;
    context.stroke();
    context.globalAlpha = 1;
  }
};

// Where the values, of size * size cells, are `level`: marching squares.
function line(axes, values, level) {
  for (let r = 0; r + 1 < size; r++) {
    for (let c = 0; c + 1 < size; c++) {
      const corners = [[c, r], [c + 1, r], [c + 1, r + 1], [c, r + 1]], found = [];
      corners.forEach(([x, y], k) => {
        const [u, v] = corners[(k + 1) % 4], a = values[y * size + x] - level, b = values[v * size + u] - level;
        if (a > 0 !== b > 0) found.push(axes.at(axes.cell(x + (a / (a - b)) * (u - x), y + (a / (a - b)) * (v - y), size, size)));
      });
      for (let k = 0; k + 1 < found.length; k += 2) {
        axes.context.moveTo(...found[k]);
        axes.context.lineTo(...found[k + 1]);
      }
    }
  }
}
