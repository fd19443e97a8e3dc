// The gallery of mistakes, filtered by the pair of classes.
const gallery = document.getElementById("gallery");
if (gallery) {
  const figures = [...gallery.querySelectorAll("[data-pair]")], counts = new Map();
  for (const figure of figures) counts.set(figure.dataset.pair, (counts.get(figure.dataset.pair) ?? 0) + 1);
  const label = document.createElement("label"), choice = document.createElement("select");
  choice.append(new Option(`all ${figures.length}`, ""));
  for (const [pair, count] of [...counts].sort((a, b) => b[1] - a[1])) choice.append(new Option(`${pair} (${count})`, pair));
  label.append("true → predicted ", choice);
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(label);
  gallery.before(tools);
  choice.addEventListener("change", () => {
    for (const figure of figures) figure.hidden = choice.value !== "" && figure.dataset.pair !== choice.value;
  });
}
