// The living net of tables and signals: a sample, its values by hand, and what every layer makes of them.
const root = document.getElementById("live-net");
const { make } = page;
const most = 40; // sliders

class ValueView {
  constructor(net, samples) {
    Object.assign(this, { net, samples });
    Object.assign(this, page.samples(samples));
    this.size = this.x.length / this.count;
    this.said = make("p", { className: "said" });
    this.said.setAttribute("aria-live", "polite");
    const next = make("button", { type: "button", textContent: "Another sample" });
    next.addEventListener("click", () => this.pick((this.current + 1) % this.count));
    this.layers = new page.Layers(net.layers);
    this.bars = net.classes.length ? new page.Bars(net.classes) : null;
    const learning = this.learning = page.learning(this, () => this.show());
    root.append(make("div", { className: "tools" }, next), this.said, ...(this.bars ? [this.bars.element] : []),
      this.sliders(), ...(learning ? [learning.element] : []), make("h3", { textContent: "Every layer" }), this.layers.element);
    this.pick(0);
  }

  // Each value within the range of the samples.
  sliders() {
    const box = make("div", { className: "sliders named" });
    this.inputs = [];
    for (let k = 0; k < Math.min(this.size, most); k++) {
      const values = Array.from({ length: this.count }, (_, i) => this.x[i * this.size + k]);
      const low = Math.min(...values), high = Math.max(...values), name = this.net.features[k] ?? `value ${k + 1}`;
      const span = high > low ? high - low : 1;
      const input = make("input", { type: "range", min: low, max: low + span, step: span / 200 });
      const shown = make("span", { className: "number" });
      input.addEventListener("input", () => { this.values[k] = Number(input.value); this.truth = ""; this.show(); });
      box.append(make("label", {}, make("span", { className: "name", textContent: name, title: name }), input, shown));
      this.inputs.push({ input, shown });
    }
    return box;
  }

  pick(i) {
    this.current = i;
    this.values = Float32Array.from(this.x.subarray(i * this.size, (i + 1) * this.size));
    const label = this.samples.labels[i];
    this.truth = this.net.classes.length && label !== undefined ? `, it is ${this.net.classes[label]}` : "";
    this.inputs.forEach(({ input }, k) => { input.value = this.values[k]; });
    this.show();
  }

  show() {
    const outputs = this.net.outputs(this.net.prepared(this.values)), result = [...this.net.result(outputs[outputs.length - 1])];
    this.inputs.forEach(({ shown }, k) => { shown.textContent = page.short(this.values[k]); });
    this.layers.show(outputs);
    if (this.bars) {
      const at = result.indexOf(Math.max(...result));
      this.bars.show(result);
      this.said.textContent = `${this.net.classes[at]} with probability ${result[at].toFixed(3)}${this.truth}`;
    } else this.said.textContent = `the net gives ${result.slice(0, 12).map(page.short).join(", ")}${result.length > 12 ? ", ..." : ""}`;
  }
}

if (root && page.net && !page.live && !page.isImage(page.net.shape)) page.live = new ValueView(page.net, page.data.samples);
