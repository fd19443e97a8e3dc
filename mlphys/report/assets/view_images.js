// The living net of images: draw, pick a sample or a mistake, cover a part; probabilities, reconstructions, all maps.
const root = document.getElementById("live-net");
const { make } = page;

const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

class ImageView {
  constructor(net, samples) {
    Object.assign(this, { net, samples });
    Object.assign(this, page.samples(samples));
    this.shape = net.shape;
    this.codeInputs = this.centroids = [];
    this.size = this.shape.reduce((a, b) => a * b, 1);
    this.range = samples.range;
    this.pca = samples.pca && net.invertible &&
      { mean: this.tensors[samples.pca.mean], vectors: this.tensors[samples.pca.components] };
    this.pad = new page.Pad({
      shape: this.shape, range: this.range, frame: samples.frame,
      drawn: (values) => { this.truth = null; this.set(values, false); }, covered: (at) => this.cover(at),
    });
    this.build();
    this.pad.clear();
    this.pick(0);
  }

  sample(i) { return this.x.subarray(i * this.size, (i + 1) * this.size); }

  build() {
    const tools = make("div", { className: "tools" });
    tools.append(...page.choice(["Draw", "Cover"], "Draw", (name) => {
      this.pad.mode = name === "Draw" ? "draw" : "cover";
      this.pad.show(this.values);
    }));
    const clear = make("button", { type: "button", textContent: "Clear" });
    clear.addEventListener("click", () => { this.pad.clear(); this.truth = null; this.set(this.pad.under, true); });
    tools.append(clear);
    const left = make("div", { className: "input" }, this.pad.element, tools);
    if (this.net.noise) left.append(this.noiseSlider());
    if (this.net.gibbs) tools.append(this.gibbs());
    this.said = make("p", { className: "said" });
    this.said.setAttribute("aria-live", "polite");
    this.right = make("div", { className: "output" }, this.said);
    if (this.net.classes.length) {
      this.bars = new page.Bars(this.net.classes);
      this.right.append(this.bars.element);
    }
    this.canvases = {};
    const pictures = make("div", { className: this.net.branches.length > 4 ? "outputs many" : "outputs" });
    if (this.samples.frame || this.net.steps.length) this.canvas(pictures, "seen", "as the net sees it");
    if (this.net.code) {
      this.canvas(pictures, "made", "its reconstruction");
      if (this.pca) this.canvas(pictures, "pca", `of ${this.pca.vectors.shape[0]} principal components`);
    } else if (page.isImage(this.net.targetShape)) this.canvas(pictures, "made", "its output");
    this.branches = this.net.branches.map(({ name }, i) => this.canvas(pictures, `branch ${i}`, name));
    this.right.append(pictures);
    root.append(make("div", { className: "live-top" }, left, this.right), this.strip());
    if (this.net.prototypes && this.net.invertible) root.append(this.prototypes());
    else if (this.net.code) root.append(this.sliders());
    const learning = this.learning = page.learning(this, () => { this.energies = this.wrong = undefined; this.set(this.values); });
    if (learning) root.append(learning.element);
    this.layers = new page.Layers(this.net.layers);
    root.append(make("h3", { textContent: "Every layer" }), this.layers.element);
  }

  canvas(parent, key, words) {
    const canvas = make("canvas", { className: "pixels" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    this.canvases[key] = canvas;
    const caption = make("figcaption", { textContent: words });
    parent.append(make("figure", {}, canvas, caption));
    return caption;
  }

  // Thumbnails of the samples; where there are classes, the misclassified ones can be chosen.
  strip() {
    const strip = make("div", { className: "strip" });
    const kinds = this.net.classes.length ? ["Samples", "Mistakes"] : ["Samples"];
    this.buttons = Array.from({ length: this.count }, (_, i) => {
      const canvas = make("canvas", { className: "pixels" });
      page.showImage(canvas, this.sample(i), this.shape, this.range);
      const button = make("button", { type: "button" }, canvas);
      button.setAttribute("aria-label", this.label(i) === null ? `sample ${i + 1}` : `a ${this.label(i)}`);
      button.addEventListener("click", () => this.pick(i));
      strip.append(button);
      return button;
    });
    const tools = make("div", { className: "tools" });
    if (kinds.length > 1) tools.append(...page.choice(kinds, "Samples", (name) => this.filter(name === "Mistakes")));
    const next = make("button", { type: "button", textContent: "Another one" });
    next.addEventListener("click", () => {
      const shown = this.buttons.map((button, i) => (button.hidden ? -1 : i)).filter((i) => i >= 0);
      if (shown.length) this.pick(shown[Math.floor(Math.random() * shown.length)]);
    });
    tools.append(next);
    return make("div", {}, tools, strip);
  }

  label(i) { return this.net.classes.length && this.samples.labels.length ? this.net.classes[this.samples.labels[i]] : null; }

  filter(mistakes) {
    if (mistakes && !this.wrong) {
      this.wrong = this.buttons.map((_, i) => this.guess(this.sample(i)) !== this.samples.labels[i]);
    }
    this.buttons.forEach((button, i) => { button.hidden = mistakes && !this.wrong[i]; });
  }

  guess(values) {
    const outputs = this.net.outputs(this.net.prepared(values)), result = this.net.result(outputs[outputs.length - 1]);
    return result.indexOf(Math.max(...result));
  }

  pick(i) {
    this.truth = this.label(i);
    this.pad.strokes = false;
    this.clean = this.sample(i);
    this.pad.put(this.clean);
    this.set(this.clean, true);
    this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === i)));
  }

  // Show a sample; while it is drawn, what the pad shows is the drawing itself.
  set(values) {
    this.values = Float32Array.from(values);
    if (this.pad.strokes && this.samples.frame) this.showStrokes();
    else this.pad.show(this.values);
    this.compute(this.values);
  }

  showStrokes() {
    const canvas = this.pad.element, ink = this.pad.ink;
    [canvas.width, canvas.height] = [ink.width, ink.height];
    const context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(ink, 0, 0);
  }

  cover([x, y]) {
    const [height, width, channels] = this.shape, half = Math.max(1, Math.round(Math.max(height, width) / 8));
    const covered = Float32Array.from(this.values), cx = Math.floor(x * width), cy = Math.floor(y * height);
    for (let r = Math.max(0, cy - half); r < Math.min(height, cy + half); r++) {
      for (let c = Math.max(0, cx - half); c < Math.min(width, cx + half); c++) {
        for (let m = 0; m < channels; m++) covered[(r * width + c) * channels + m] = (this.range[0] + this.range[1]) / 2;
      }
    }
    this.pad.show(covered);
    this.compute(covered);
  }

  compute(values) {
    const seen = this.net.prepared(values), outputs = this.net.outputs(seen);
    this.seen = seen;
    if (this.canvases.seen) this.showSeen(seen);
    this.showResult(outputs);
    if (this.net.code) this.showCode(outputs);
    this.net.branches.forEach((branch, i) => {
      const made = this.net.reconstruction(branch, seen, outputs);
      this.picture(this.canvases[`branch ${i}`], made);
      this.branches[i].textContent = `${branch.name}, mse ${page.short(this.error(made))}`;
    });
    this.layers.show(outputs);
  }

  showSeen(seen) {
    if (!page.isImage(this.net.input)) return;
    const range = this.net.steps.length ? [Math.min(...seen), Math.max(...seen)] : this.range;
    page.showImage(this.canvases.seen, seen, this.net.input, range);
  }

  showResult(outputs) {
    const last = outputs[outputs.length - 1], result = this.net.result(last);
    if (this.bars) {
      this.bars.show([...result]);
      const at = result.indexOf(Math.max(...result)), truth = this.truth === null ? "" : `, it is ${this.truth}`;
      this.said.textContent = `${this.net.classes[at]} with probability ${result[at].toFixed(3)}${truth}`;
      this.said.classList.toggle("wrong", this.truth !== null && this.truth !== this.net.classes[at]);
    } else if (page.isImage(this.net.targetShape)) {
      page.showImage(this.canvases.made, result, this.net.targetShape, this.range);
    } else if (this.net.targetShape.length) {
      this.said.textContent = [...result].slice(0, 12).map(page.short).join(", ");
    }
  }

  picture(canvas, z) {
    page.showImage(canvas, this.net.invertible ? this.net.restored(z) : z, this.net.invertible ? this.shape : this.net.input, this.range);
  }

  error(z) { return this.seen.reduce((sum, v, i) => sum + (v - z[i]) ** 2, 0) / this.seen.length; }

  showCode(outputs) {
    const made = outputs[outputs.length - 1].values, words = [`mse ${page.short(this.error(made))}`];
    this.picture(this.canvases.made, made);
    if (this.pca) {
      const principal = page.lifted(page.projected(this.seen, this.pca), this.pca);
      this.picture(this.canvases.pca, principal);
      words.push(`principal components ${page.short(this.error(principal))}`);
    }
    if (this.net.energy) {
      this.energies ??= Array.from({ length: this.count }, (_, i) => this.net.energyOf(this.net.prepared(this.sample(i))));
      const own = this.net.energyOf(this.seen), below = this.energies.filter((each) => each < own).length / this.count;
      words.push(`energy ${own.toFixed(1)}, above that of ${(100 * below).toFixed(0)} % of the samples`);
    }
    this.said.textContent = words.join("; ");
    this.code = Float32Array.from(outputs[this.net.code - 1].values);
    this.codeInputs.forEach((input, k) => { input.value = this.code[k]; });
    const most = this.code.indexOf(Math.max(...this.code));
    this.centroids.forEach((button, k) => button.setAttribute("aria-pressed", String(k === most)));
  }

  // All reconstructions that are possible: the one of the sample is marked, and each can become the sample.
  prototypes() {
    const { prototypes } = this.net, [count, width] = prototypes.shape, strip = make("div", { className: "strip" });
    this.centroids = Array.from({ length: count }, (_, k) => {
      const values = this.net.restored(prototypes.values.slice(k * width, (k + 1) * width));
      const canvas = make("canvas", { className: "pixels" }), button = make("button", { type: "button" }, canvas);
      page.showImage(canvas, values, this.shape, this.range);
      button.setAttribute("aria-label", `centroid ${k + 1}`);
      button.addEventListener("click", () => { this.truth = null; this.pad.put(values); this.set(values); });
      strip.append(button);
      return button;
    });
    return make("div", {}, make("h3", { textContent: "The centroids" }),
      make("p", { className: "note", textContent: "The nearest one is marked. Press one: it becomes the sample." }), strip);
  }

  // The code by hand, each number from its 1 % to its 99 % quantile over the split.
  sliders() {
    const shape = this.net.layers[this.net.code].input, count = shape.reduce((a, b) => a * b, 1);
    const box = make("div", { className: "sliders" }), quantiles = this.tensors[this.samples.quantiles]?.values;
    this.codeInputs = [];
    for (let k = 0; k < Math.min(count, 48); k++) {
      const [low, high] = quantiles ? [quantiles[k], quantiles[4 * count + k]] : [-1, 1];
      const span = high > low ? [low, high] : [low - 1, low + 1];
      const input = make("input", { type: "range", min: span[0], max: span[1], step: (span[1] - span[0]) / 200 });
      input.setAttribute("aria-label", `number ${k + 1} of the code`);
      input.addEventListener("input", () => {
        this.code[k] = Number(input.value);
        this.decode();
      });
      this.codeInputs.push(input);
      box.append(make("label", {}, `${k + 1} `, input));
    }
    const more = count > 48 ? `; the first 48 of ${count}` : "";
    return make("div", {}, make("h3", { textContent: "The code" }),
      make("p", { className: "note", textContent: `Each slider goes from the 1 % to the 99 % quantile of its number${more}.` }), box, this.walk());
  }

  decode() {
    const outputs = this.net.outputs(this.code, this.net.code);
    this.picture(this.canvases.made, outputs[outputs.length - 1].values);
    this.layers.show(outputs, this.net.code);
    this.said.textContent = "decoded from the code below";
  }

  // From the code of this sample to that of another one.
  walk() {
    const input = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0 });
    let from, to;
    input.setAttribute("aria-label", "from this sample to the next one");
    input.addEventListener("pointerdown", () => { from = undefined; });
    input.addEventListener("input", () => {
      if (!from || Number(input.value) === 0) {
        from = Float32Array.from(this.net.outputs(this.seen, 0, this.net.code).pop().values);
        const pressed = this.buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
        to = this.net.outputs(this.net.prepared(this.sample((pressed + 1) % this.count)), 0, this.net.code).pop().values;
      }
      this.code = from.map((v, i) => v + Number(input.value) * (to[i] - v));
      this.codeInputs.forEach((each, k) => { each.value = this.code[k]; });
      this.decode();
    });
    return make("p", {}, make("label", { className: "wide" }, "from this sample to the next one ", input));
  }

  noiseSlider() {
    const input = make("input", { type: "range", min: 0, max: 3 * this.net.noise, step: 0.01, value: 0 });
    const shown = make("span", { textContent: "0" });
    let draws, of;
    input.addEventListener("input", () => {
      if (of !== this.clean) [draws, of] = [Array.from(this.clean, normal), this.clean];
      shown.textContent = Number(input.value).toFixed(2);
      this.set(this.clean.map((v, i) => v + Number(input.value) * draws[i]));
    });
    return make("label", { className: "wide" }, `noise (training: ${this.net.noise}) `, input, " ", shown);
  }

  // A Gibbs chain that starts at what is shown: hidden units are drawn, then visible ones, again and again.
  gibbs() {
    const button = make("button", { type: "button", textContent: "Run a Gibbs chain" });
    button.setAttribute("aria-pressed", "false");
    let running = false;
    const drawn = (means) => means.map((p) => (Math.random() < p ? 1 : 0));
    const step = () => {
      if (!running) return;
      const hidden = drawn(this.net.outputs(this.state, 0, 1)[0].values);
      const means = this.net.outputs(hidden, 1)[0].values;
      this.state = this.net.energy.output === "sigmoid" ? drawn(means) : means.map((m) => m + normal());
      this.set(this.net.invertible ? this.net.restored(means) : means);
      this.steps += 1;
      this.said.textContent = `after ${this.steps} steps of the chain; the means of the visible units are shown`;
      requestAnimationFrame(step);
    };
    button.addEventListener("click", () => {
      running = !running;
      button.setAttribute("aria-pressed", String(running));
      if (!running) return;
      [this.state, this.steps, this.truth] = [Float32Array.from(this.seen), 0, null];
      requestAnimationFrame(step);
    });
    return button;
  }
}

if (root && page.net && page.isImage(page.net.shape)) page.live = new ImageView(page.net, page.data.samples);
