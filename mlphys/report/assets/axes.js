// A picture with two axes, and the colours of the page.
page.themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
page.rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

page.Axes = class {
  // A canvas with coordinates; `ranges` are those of what it shows, of which a share is added at each end.
  constructor(words, ranges, equal, margin = 0.12) {
    this.canvas = page.make("canvas", { className: "plane", tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", words);
    const wider = ([low, high]) => {
      const span = high - low || 1;
      return [low - margin * span, high + margin * span];
    };
    [this.x, this.y] = ranges.map(wider);
    // `equal`: a unit is as long up as to the right, as far as the picture stays between 1:2 and 1:1
    const ratio = equal ? Math.min(1, Math.max(0.5, (this.y[1] - this.y[0]) / (this.x[1] - this.x[0]))) : 0.75;
    const width = window.innerWidth < 500 ? 340 : 640; // a phone shows the picture smaller, and its numbers as large
    this.size = [width, Math.round(38 + ratio * (width - 54))];
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
    this.context.fillStyle = page.themed("--grey");
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
    this.context.strokeStyle = page.themed("--pale");
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

  // Cells of equal size, row by row from the top, each of a colour [red, green, blue].
  cells(columns, rows, colours) {
    const image = page.make("canvas", { width: columns, height: rows }), context = image.getContext("2d");
    const pixels = context.createImageData(columns, rows);
    colours.forEach((colour, i) => pixels.data.set([...colour, 255], 4 * i));
    context.putImageData(pixels, 0, 0);
    const [left, top] = this.at([this.x[0], this.y[1]]), [right, bottom] = this.at([this.x[1], this.y[0]]);
    this.context.imageSmoothingEnabled = true;
    this.context.drawImage(image, left, top, right - left, bottom - top);
  }

  // The centre of a cell.
  cell(column, row, columns, rows) {
    return [this.x[0] + ((column + 0.5) / columns) * (this.x[1] - this.x[0]), this.y[1] - ((row + 0.5) / rows) * (this.y[1] - this.y[0])];
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
};
