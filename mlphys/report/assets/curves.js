// Charts that can be hovered and zoomed. Without this script the SVG that the page came with is shown.
const width = 640, height = 300, left = 64, right = 14, top = 12, bottom = 44, most = 6;
const svgName = "http://www.w3.org/2000/svg";

function node(name, attributes, text) {
  const made = document.createElementNS(svgName, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function ticks(low, high) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => power * factor >= raw * (1 - 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i++) found.push(i * step);
  return found;
}

const short = (value) => String(Number(value.toPrecision(4)));

class Chart {
  constructor(figure, chart) {
    this.figure = figure;
    this.chart = chart;
    this.svg = figure.querySelector("svg");
    this.svg.setAttribute("tabindex", "0");
    this.reading = document.createElement("div");
    this.reading.className = "reading";
    this.reading.hidden = true;
    this.reading.setAttribute("aria-live", "polite");
    figure.append(this.reading);
    this.all = this.extent();
    this.shown = this.all;
    this.logY = false;
    this.tools();
    this.svg.addEventListener("pointermove", (event) => this.hover(event));
    this.svg.addEventListener("pointerleave", () => this.leave());
    this.svg.addEventListener("pointerdown", (event) => this.begin(event));
    this.svg.addEventListener("pointerup", (event) => this.end(event));
    this.svg.addEventListener("pointercancel", () => { this.from = undefined; });
    this.svg.addEventListener("dblclick", () => this.zoom(this.all));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.draw();
  }

  extent() {
    const xs = this.chart.lines.flatMap((line) => line.x.map((x) => this.scaled(x)));
    const low = Math.min(...xs), high = Math.max(...xs);
    if (low === high) return [low - 0.5, high + 0.5];
    const room = this.chart.lines.some((line) => line.marked) ? 0.03 * (high - low) : 0;  // for points and bars of errors
    return [low - room, high + room];
  }

  scaled(x) { return this.chart.logX ? Math.log10(x) : x; }

  tools() {
    const tools = document.createElement("div");
    tools.className = "tools";
    this.back = this.button(tools, "Show all", () => this.zoom(this.all));
    this.back.hidden = true;
    if (this.chart.lines.every((line) => line.y.every((y) => y > 0) && (line.low ?? [1]).every((y) => y > 0))) {
      const log = this.button(tools, "Logarithmic", () => {
        this.logY = !this.logY;
        log.setAttribute("aria-pressed", String(this.logY));
        this.draw();
      });
      log.setAttribute("aria-pressed", "false");
    }
    this.figure.append(tools);
  }

  button(parent, text, click) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", click);
    parent.append(made);
    return made;
  }

  draw() {
    const [x0, x1] = this.shown, ys = [];
    for (const line of this.chart.lines) {
      line.x.forEach((x, i) => {
        const at = this.scaled(x);
        if (at >= x0 - 1e-9 && at <= x1 + 1e-9) ys.push(line.y[i], ...(line.low ? [line.low[i], line.high[i]] : []));
      });
    }
    const value = this.logY ? Math.log10 : (y) => y;
    let y0 = Math.min(...ys.map(value)), y1 = Math.max(...ys.map(value));
    if (!(y1 > y0)) [y0, y1] = [y0 - 0.5 * (Math.abs(y0) || 1), y1 + 0.5 * (Math.abs(y1) || 1)];
    else [y0, y1] = [y0 - 0.05 * (y1 - y0), y1 + 0.05 * (y1 - y0)];
    this.across = (x) => left + ((this.scaled(x) - x0) / (x1 - x0)) * (width - left - right);
    const down = (y) => height - bottom - ((value(y) - y0) / (y1 - y0)) * (height - top - bottom);
    this.down = down;
    this.svg.replaceChildren();
    const clip = `clip-${this.figure.dataset.chart}`, definitions = node("clipPath", { id: clip });
    definitions.append(node("rect", { x: left, y: 0, width: width - left - right, height: height - bottom + 1 }));
    this.svg.append(definitions);
    for (const y of ticks(y0, y1)) {
      const at = height - bottom - ((y - y0) / (y1 - y0)) * (height - top - bottom);
      this.svg.append(node("line", { x1: left, x2: width - right, y1: at, y2: at, class: "grid" }));
      const shown = this.logY ? 10 ** y : y;
      this.svg.append(node("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, short(shown)));
    }
    const marks = this.chart.logX ? this.powers(x0, x1) : ticks(x0, x1);
    const counted = this.chart.lines.every((line) => line.x.every(Number.isInteger));
    for (const x of marks) {
      if (counted && Math.abs(x - Math.round(x)) > 1e-9) continue;
      if (this.scaled(x) < x0 - 1e-9 || this.scaled(x) > x1 + 1e-9) continue;
      this.svg.append(node("text", { x: this.across(x), y: height - bottom + 18, "text-anchor": "middle" }, short(x)));
    }
    const middle = (left + width - right) / 2;
    this.svg.append(node("text", { x: middle, y: height - 6, "text-anchor": "middle" }, this.chart.x));
    const lines = node("g", { "clip-path": `url(#${clip})` });
    for (const line of this.chart.lines) this.line(lines, line);
    this.svg.append(lines);
    this.cross = node("line", { class: "cross", y1: top, y2: height - bottom, visibility: "hidden" });
    this.window = node("rect", { class: "chosen", y: top, height: height - top - bottom, visibility: "hidden" });
    this.svg.append(this.cross, this.window);
    this.back.hidden = this.shown === this.all;
  }

  // Marks of a logarithmic axis: the points themselves, or powers of ten if these are many.
  powers(low, high) {
    const all = [...new Set(this.chart.lines.flatMap((line) => line.x))];
    if (all.length <= 8) return all;
    const found = [];
    for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power++) found.push(10 ** power);
    return found;
  }

  line(parent, line) {
    const colour = `c${line.colour}`, point = (x, y) => `${this.across(x).toFixed(1)},${this.down(y).toFixed(1)}`;
    if (line.low && line.marked) {
      line.x.forEach((x, i) => parent.append(node("line", {
        x1: this.across(x), x2: this.across(x), y1: this.down(line.low[i]), y2: this.down(line.high[i]), class: `bar ${colour}`,
      })));
    } else if (line.low) {
      const there = line.x.map((x, i) => point(x, line.high[i])), back = line.x.map((x, i) => point(x, line.low[i]));
      parent.append(node("polygon", { points: [...there, ...back.reverse()].join(" "), class: `band ${colour}` }));
    }
    const points = line.x.map((x, i) => point(x, line.y[i])).join(" ");
    if (line.joined) parent.append(node("polyline", { points, class: colour + (line.dashed ? " dashed" : "") }));
    if (line.marked || line.x.length === 1) {
      line.x.forEach((x, i) => parent.append(node("circle", {
        cx: this.across(x), cy: this.down(line.y[i]), r: 3.5, class: `dot ${colour}`,
      })));
    }
  }

  // The place of an event on the axis, in the units that are drawn.
  place(event) {
    const box = this.svg.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * width;
    const share = Math.min(1, Math.max(0, (at - left) / (width - left - right)));
    return this.shown[0] + share * (this.shown[1] - this.shown[0]);
  }

  hover(event) {
    const at = this.place(event);
    if (this.from !== undefined) {
      const [low, high] = [Math.min(this.from, at), Math.max(this.from, at)];
      const pixel = (x) => left + ((x - this.shown[0]) / (this.shown[1] - this.shown[0])) * (width - left - right);
      this.window.setAttribute("visibility", "visible");
      this.window.setAttribute("x", pixel(low));
      this.window.setAttribute("width", pixel(high) - pixel(low));
    }
    this.read(at);
  }

  read(at) {
    const xs = this.chart.lines.flatMap((line) => line.x);
    const x = xs.reduce((best, each) =>
      Math.abs(this.scaled(each) - at) < Math.abs(this.scaled(best) - at) ? each : best);
    this.current = x;
    const words = [`${this.chart.x} ${short(x)}`];
    for (const line of this.chart.lines) {
      const i = line.x.indexOf(x);
      if (i >= 0) words.push(`${line.name} ${short(line.y[i])}`);
    }
    this.reading.textContent = words.join("  ·  ");
    this.reading.hidden = false;
    this.cross.setAttribute("visibility", "visible");
    this.cross.setAttribute("x1", this.across(x));
    this.cross.setAttribute("x2", this.across(x));
  }

  // Other values of the same quantities; what is zoomed stays.
  renew(chart) {
    const whole = this.shown === this.all;
    this.chart = chart;
    this.all = this.extent();
    if (whole) this.shown = this.all;
    this.draw();
  }

  leave() {
    this.reading.hidden = true;
    this.cross.setAttribute("visibility", "hidden");
  }

  begin(event) {
    if (event.pointerType === "touch") return;
    this.from = this.place(event);
    this.svg.setPointerCapture(event.pointerId);
  }

  end(event) {
    const from = this.from, to = this.place(event);
    this.from = undefined;
    if (from !== undefined && Math.abs(to - from) > 0.03 * (this.shown[1] - this.shown[0])) {
      this.zoom([Math.min(from, to), Math.max(from, to)]);
    } else this.window.setAttribute("visibility", "hidden");
  }

  zoom(shown) {
    this.shown = shown;
    this.draw();
    this.leave();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.zoom(this.all);
    if (!step) return;
    event.preventDefault();
    const xs = [...new Set(this.chart.lines.flatMap((line) => line.x))].sort((a, b) => a - b);
    const i = xs.indexOf(this.current);
    this.read(this.scaled(xs[Math.min(xs.length - 1, Math.max(0, i < 0 ? 0 : i + step))]));
  }
}

const data = JSON.parse(document.getElementById("page-data").textContent);
page.charts = new Map();
for (const figure of document.querySelectorAll("[data-chart]")) {
  const chart = data[figure.dataset.chart];
  if (chart) page.charts.set(figure.dataset.chart, new Chart(figure, chart));
}
