// Stream lines of a field in the plane, none nearer to another than a cell of a coarse grid (as matplotlib's streamplot).
const samples = 41, cells = 26, stride = 0.006, longest = 4, shortest = 0.08; // lengths as shares of the picture's width

// `field` gives the vectors at points; lines are lists of points.
page.streamLines = (field, [left, right], [bottom, top]) => {
  const width = right - left, height = top - bottom, nodes = [];
  const place = ([x, y]) => [left + x * width, bottom + y * height];
  for (let r = 0; r < samples; r++) {
    for (let c = 0; c < samples; c++) nodes.push(place([c / (samples - 1), r / (samples - 1)]));
  }
  const flow = field(nodes).map(([u, v]) => [u / width, v / height]);
  const most = Math.max(...flow.map(([u, v]) => Math.hypot(u, v)));
  const direction = (point) => {
    const [x, y] = point.map((v) => Math.min(Math.max(v, 0), 1) * (samples - 1));
    const c = Math.min(Math.floor(x), samples - 2), r = Math.min(Math.floor(y), samples - 2), at = r * samples + c;
    const mixed = [0, 1].map((k) => {
      const low = flow[at][k] + (x - c) * (flow[at + 1][k] - flow[at][k]);
      const high = flow[at + samples][k] + (x - c) * (flow[at + samples + 1][k] - flow[at + samples][k]);
      return low + (y - r) * (high - low);
    });
    const length = Math.hypot(...mixed);
    return length > 1e-3 * most ? mixed.map((v) => v / length) : null;
  };
  const owner = new Int32Array(cells * cells).fill(-1);
  const cell = ([x, y]) => Math.min(Math.floor(y * cells), cells - 1) * cells + Math.min(Math.floor(x * cells), cells - 1);
  const inside = ([x, y]) => x >= 0 && x <= 1 && y >= 0 && y <= 1;

  // From a point along the field or against it, until it ends, leaves, or meets another line or its own beginning.
  const trace = (start, sense, line) => {
    const found = [];
    let point = start, current = cell(start);
    while (found.length < longest / stride / 2) {
      const first = direction(point);
      const second = first && direction([0, 1].map((k) => point[k] + (sense * stride * first[k]) / 2));
      if (!second) break;
      point = [0, 1].map((k) => point[k] + sense * stride * second[k]);
      if (!inside(point)) break;
      const next = cell(point);
      if (next !== current && owner[next] !== -1) break;
      owner[next] = line;
      current = next;
      found.push(point);
    }
    return found;
  };

  const lines = [];
  const seeds = Array.from({ length: cells * cells }, (_, i) => [((i % cells) + 0.5) / cells, (Math.floor(i / cells) + 0.5) / cells]);
  const border = ([x, y]) => Math.min(x, 1 - x, y, 1 - y);
  for (const seed of seeds.sort((a, b) => border(a) - border(b))) {
    if (owner[cell(seed)] !== -1) continue;
    const line = lines.length;
    owner[cell(seed)] = line;
    const whole = [...trace(seed, -1, line).reverse(), seed, ...trace(seed, 1, line)];
    if (whole.length * stride >= shortest) lines.push(whole);
    else owner.forEach((each, i) => { if (each === line) owner[i] = -1; });
  }
  return lines.map((line) => line.map(place));
};
